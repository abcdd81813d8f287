"""Appending to the journal, durably."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from typing import Any

from modelcheckpoint.storage.base import NotPlain
from modelcheckpoint.storage.beneath import PLAIN, check_plain
from modelcheckpoint.storage.directories import Directories
from modelcheckpoint.storage.journals import JOURNAL
from modelcheckpoint.storage.system import as_system
from modelcheckpoint.storage.writer import write_some

__all__ = ["Appender"]

_LOOKS = 6
"""How often to look for the end of a line that somebody may be writing."""


class Appender:
    """Adds lines to the journal of a folder.

    Args:
        folder: Absolute path; it does not have to exist yet.
        folders: Makes the journal's name durable.
        system: Carries out the calls; a test passes one that fails.
    """

    def __init__(self, folder: str, folders: Directories, system: Any = os) -> None:
        self._path = os.path.join(folder, JOURNAL)
        self._folder = folder
        self._folders = folders
        self._os = as_system(system)
        self._doubtful = False

    def check(self) -> None:
        """Raise `NotPlain` if the journal is a link, or anything but a file."""
        # If there is none, the first save creates it.
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            self._check_plain(os.lstat(self._path))

    def append(self, *lines: str) -> None:
        """Add lines, durably.

        Raises:
            OSError: If it cannot be written or flushed. Part of a line may have been
                written; readers skip it, and the next line does not depend on it.
        """
        with self.opened() as journal:
            size, torn = self._end_of(journal)
            data = "".join(f"{line}\n" for line in lines).encode()
            anew = torn or self._doubtful
            # If a line could not be flushed, its newline may be lost on disk, though it
            # can still be read here: the next line does not rely on it.
            self._doubtful = True
            self._write(journal, b"\n" + data if anew else data)
            self._os.fsync(journal)
            self._doubtful = False
        if not size:
            self._folders.note(self._folder)
        self._folders.flush_left()

    @contextlib.contextmanager
    def opened(self) -> Iterator[int]:
        """Give a descriptor of the journal, which is created if there is none.

        Raises:
            OSError: If it is a link, or anything but a file.
        """
        try:
            flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | PLAIN
            journal = self._os.open(self._path, flags, 0o666)
        except OSError:
            self.check()  # if that is why, it says so in a sentence
            raise
        process = os.getpid()
        try:
            self._check_plain(os.fstat(journal))
            yield journal
        finally:
            if process == os.getpid():  # a forked child has closed it already
                self._os.close(journal)

    def _check_plain(self, found: os.stat_result) -> None:
        try:
            check_plain(found, self._path)
        except NotPlain as error:
            rule = "the journal beside the checkpoints must be a file, and"
            reason = f"{rule} {error.strerror}"
            raise NotPlain(error.errno, reason, self._path) from None

    def _end_of(self, journal: int) -> tuple[int, bool]:
        """Return the journal's size, and whether its last line is incomplete.

        Another process may be writing that line: it gets a few milliseconds to end it.
        """
        size = 0
        for look in range(_LOOKS):
            if look:  # even a sleep of 0 seconds lets other processes run
                time.sleep(0.001 * look)
            size = self._os.lseek(journal, 0, os.SEEK_END)
            if not size or self._last_byte(journal, size) == b"\n":
                return size, False
        return size, True

    def _last_byte(self, journal: int, size: int) -> bytes:
        self._os.lseek(journal, size - 1, os.SEEK_SET)
        last: bytes = self._os.read(journal, 1)
        return last

    def _write(self, journal: int, data: bytes) -> None:
        while data:
            data = data[write_some(journal, data, self._os) :]

"""Temporary files beside the names that they are to get."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterable, Iterator
from typing import Any
from zlib import crc32

from modelcheckpoint.storage.appender import Appender
from modelcheckpoint.storage.base import Digest, NotFlushed, NotPlain, Part
from modelcheckpoint.storage.beneath import PLAIN
from modelcheckpoint.storage.directories import Directories
from modelcheckpoint.storage.system import System, one_wait
from modelcheckpoint.storage.temporary import Mark, claim, new_token, temporary_name
from modelcheckpoint.storage.writer import Writer

__all__ = ["StagedFile", "Staging"]

_CHUNK = 1 << 20
_BINARY = getattr(os, "O_BINARY", 0)


class Staging:
    """Makes the temporary files of one writer, and deletes those left at the end.

    Args:
        folder: Absolute path of the folder of checkpoints.
        journal: Of that folder; the claim on a temporary file is a lock in it.
        folders: Makes folders, and flushes them.
        system: What carries out the calls.
    """

    def __init__(
        self, folder: str, journal: Appender, folders: Directories, system: System
    ) -> None:
        self._folder = folder
        self._journal = journal
        self._folders = folders
        self._os = system
        self._token = new_token()
        self._process = os.getpid()
        self._undeleted: set[str] = set()

    def name(self, up: int, suffix: str) -> str:
        """Return a name for a temporary file, so many folders below the journal."""
        return temporary_name(Mark(self._token, up), suffix)

    @contextlib.contextmanager
    def staged(self, name: str, suffix: str) -> Iterator[StagedFile]:
        """Give a new, empty file beside `name`, and delete it at the end.

        Once it is published there is nothing left to delete. The file is claimed, so
        that a sweep by another process leaves it alone.
        """
        self._check_no_links(name)
        final = os.path.join(self._folder, *name.split("/"))
        folder = os.path.dirname(final)
        self._folders.make(folder)
        self.tidy()
        self._tell_from_parent()
        path = os.path.join(folder, self.name(name.count("/"), suffix))
        with self._journal.opened() as journal, claim(journal, self._token):
            descriptor = self._create_in(folder, path)
            try:
                self._os.close(descriptor)
                yield StagedFile(path, final, self._folders, self._os)
            finally:
                if self._process == os.getpid():  # not in a child that was forked
                    self._unlink(path)

    @one_wait
    def tidy(self) -> None:
        """Delete the temporary files that could not be deleted when they should."""
        for path in list(self._undeleted):
            self._unlink(path)

    def _check_no_links(self, name: str) -> None:
        # The folder itself may be one: it is what the user gave. What lies below it
        # is ours, and a link there leads to where no reader would look.
        path = self._folder
        *above, _ = name.split("/")
        for part in above:
            path = os.path.join(path, part)
            if os.path.islink(path):
                raise NotPlain(errno.ELOOP, "a folder below `filepath` is a link", path)

    def _tell_from_parent(self) -> None:
        if self._process != os.getpid():
            self._token, self._process = new_token(), os.getpid()
            self._undeleted.clear()

    def _unlink(self, path: str) -> None:
        self._undeleted.add(path)
        try:
            self._os.unlink(path)
        except FileNotFoundError:  # it was published, or somebody was faster
            pass
        except OSError:  # a broken disk, say, or a read-only one: later
            return
        self._undeleted.discard(path)

    def _create_in(self, folder: str, path: str) -> int:
        try:
            return self._create(path)
        except FileNotFoundError:  # the folder was empty, and another writer took it
            self._folders.make(folder)
            return self._create(path)

    def _create(self, path: str) -> int:
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | _BINARY
        descriptor: int = self._os.open(path, flags, 0o666)
        return descriptor


class StagedFile:
    """A temporary file, until it gets its name; see `base.Staged`.

    Args:
        path: Absolute path of the temporary file, which is there.
        final: Absolute path that it is to get, in the same folder.
        folders: Flushes that folder.
        system: What carries out the calls.
    """

    def __init__(
        self, path: str, final: str, folders: Directories, system: Any
    ) -> None:
        self.path = path
        self._final = final
        self._folders = folders
        self._os = system

    def write(self, parts: Iterable[Part]) -> Digest:
        """Write it, make it durable, and measure it on the way.

        Raises:
            OSError: If there is nothing to write, or it cannot be written or flushed.
        """
        file = self._os.open(self.path, os.O_WRONLY | PLAIN)
        try:
            writer = Writer(file, self._os)
            for data, known in parts:
                writer.write(data, known)
            _check_not_empty(writer.size)
            writer.finish()
            self._make_name_durable()
        finally:
            self._os.close(file)
        return Digest(writer.size, f"{writer.checksum:08x}")

    def seal(self) -> Digest:
        """Make durable what it holds, and measure it.

        Raises:
            OSError: If the file is empty, cannot be read or cannot be flushed.
        """
        checksum = size = 0
        # Windows flushes only through a descriptor that may write.
        file = self._os.open(self.path, os.O_RDWR | PLAIN)
        try:
            while chunk := self._os.read(file, _CHUNK):
                checksum = crc32(chunk, checksum)
                size += len(chunk)
            _check_not_empty(size)
            self._os.fsync(file)
            self._make_name_durable()
        finally:
            self._os.close(file)
        return Digest(size, f"{checksum:08x}")

    @property
    def published(self) -> bool:
        """Whether the temporary name is gone."""
        return not os.path.exists(self.path)

    def publish(self) -> None:
        """Give it its final name, in place of any file that had it.

        Raises:
            NotFlushed: If it has the name, but that is not durable; the next save
                tries again to make it so.
            OSError: If it has not got the name.
        """
        self._os.replace(self.path, self._final)
        try:
            self._folders.flush(os.path.dirname(self._final))
        except OSError as error:
            raise NotFlushed(error.errno, error.strerror, self._final) from error

    def _make_name_durable(self) -> None:
        # A rename can reach the disk before the data it names: after a power cut the
        # final name would hold zero bytes. Data first, name second, folder third. The
        # temporary name, too, is there before the journal speaks of the file: it tells
        # the next run that this file never came, and was not deleted by somebody.
        self._folders.flush(os.path.dirname(self.path))


def _check_not_empty(size: int) -> None:
    if size == 0:
        raise OSError(errno.EIO, "the model's save wrote nothing")

"""A folder on a local disk: files in it appear whole, or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from functools import partial
from typing import Any, BinaryIO

from modelcheckpoint.storage.appender import Appender
from modelcheckpoint.storage.base import Digest, Entry, NotPlain, digest_of
from modelcheckpoint.storage.beneath import (
    PLAIN,
    delete_below,
    delete_empty_above,
    open_below,
    stat_below,
)
from modelcheckpoint.storage.directories import Directories
from modelcheckpoint.storage.journals import (
    JOURNAL,
    NOTHING,
    Line,
    is_journal,
    lines_of,
)
from modelcheckpoint.storage.preflight import check_folder, check_not_a_folder
from modelcheckpoint.storage.staged_file import StagedFile, Staging
from modelcheckpoint.storage.system import System, as_system
from modelcheckpoint.storage.temporary import is_abandoned, is_temporary
from modelcheckpoint.storage.walker import Found, walk
from modelcheckpoint.storage.writer import write_some

__all__ = ["LocalStorage", "folder_of_its_own"]

_CHUNK = 1 << 20


class LocalStorage:
    """The folder in which checkpoints and their journal lie; see `base.Storage`.

    What it promises holds on a local file system that keeps its own promises about
    fsync and rename (POSIX); on network file systems it is what their server makes
    of these calls.

    Args:
        root: Absolute path of the folder; it need not exist yet.
        depth: How many folders below it a checkpoint may lie.
        system: What carries out the calls; a test passes one that fails.
    """

    def __init__(self, root: str, depth: int = 0, system: Any = os) -> None:
        self.root = root
        self.is_near = True
        self.depth = depth
        self._os = system = as_system(system)
        self._folders = Directories(system)
        self._journal = Appender(root, self._folders, system)
        self._staging = Staging(root, self._journal, self._folders, system)
        self._thinned: set[str] = set()

    def check(self, name: str | None = None, given: str | None = None) -> None:
        """Raise if a checkpoint could not be written here, and leave no trace.

        Args:
            name: Name of the file, where it is known.
            given: The folder as the user gave it, which errors name; None: by its path.

        Raises:
            OSError: If the folder, or the nearest one above it that exists, is not
                a folder, cannot be written to, if `name` is a folder in it, or if the
                journal is a link or something else than a file.
        """
        probe = self._staging.name(0, ".run")
        given = self.root if given is None else given
        check_folder(self.root, given or os.curdir, probe, self._os)
        self._journal.check()
        if name is not None:
            check_not_a_folder(self.path(name), os.path.join(given, name))

    def path(self, name: str) -> str:
        """Return the absolute path of a name in this folder."""
        return os.path.join(self.root, *name.split("/"))

    def entries(self, suffixes: tuple[str, ...], depth: int) -> Iterator[Entry]:
        """Yield the regular files whose names end so; links are not followed."""
        for name, found in walk(self.root, depth):
            if (
                name.endswith(suffixes)
                and found.is_file(follow_symlinks=False)
                and not is_temporary(found.name)
            ):
                with contextlib.suppress(FileNotFoundError):  # gone by now
                    yield _entry(name, found.stat(follow_symlinks=False))

    def entry(self, name: str) -> Entry | None:
        """Return the regular file of a name, or None where there is none."""
        try:
            found = stat_below(self.root, name)
        except (FileNotFoundError, NotADirectoryError):
            return None
        return _entry(name, found) if stat.S_ISREG(found.st_mode) else None

    def open(self, name: str) -> BinaryIO:
        """Open a regular file for reading, through no link below this folder."""
        try:
            return os.fdopen(open_below(self.root, name), "rb")
        except NotADirectoryError as error:
            raise FileNotFoundError(errno.ENOENT, error.strerror, name) from None

    def digest(self, name: str) -> Digest | None:
        """Return the digest of what a file holds now."""
        return digest_of(self, name)

    def kept_copies(self) -> AbstractContextManager[None]:
        """Do nothing: a file is here already."""
        return contextlib.nullcontext()

    def local_copy(self, name: str) -> AbstractContextManager[str]:
        """Give the path of the file itself."""
        return contextlib.nullcontext(self.path(name))

    def staged(self, name: str, suffix: str) -> AbstractContextManager[StagedFile]:
        """Begin a temporary file beside `name`."""
        return self._staging.staged(name, suffix)

    def copy(self, name: str, second: str) -> None:
        """Give a file a second name: by a hard link, or where there are none a copy."""
        try:
            self._os.link(self.path(name), self.path(second))
        except FileExistsError:
            raise
        except (OSError, AttributeError):  # a file system without hard links: FAT, SMB
            if os.path.lexists(self.path(second)):
                raise FileExistsError(errno.EEXIST, "it is taken", second) from None
            self._copy(name, second)
        self._folders.flush(os.path.dirname(self.path(second)))

    def delete(self, entry: Entry) -> bool:
        """Delete a file if it is still there as it was, and return whether it was.

        The folders below this one in which nothing is left go with it.
        """
        is_it = partial(_is, entry)
        if not delete_below(self.root, entry.name, is_it, self._os):
            return False
        self._thinned.add(os.path.dirname(self.path(entry.name)))
        delete_empty_above(self.root, entry.name, self._os)
        return True

    def lines(self, after: Mapping[str, int] = NOTHING) -> Iterator[Line]:
        """Yield the lines of the journal in this folder.

        Nobody adds to what was copied from elsewhere: who reads on reads the rest of
        what was there.
        """
        with contextlib.ExitStack() as stack:
            journals: dict[str, BinaryIO] = {}
            for name in {JOURNAL, *after} if after else self._journals():
                with contextlib.suppress(FileNotFoundError, NotPlain):
                    journals[name] = stack.enter_context(self.open(name))
            if not journals:
                self.open(JOURNAL).close()  # which raises what is the matter
            yield from lines_of(journals, after)

    def append(self, *lines: str) -> None:
        """Add lines to the journal, durably."""
        self._journal.append(*lines)

    def journal_version(self) -> object:
        """Return what changes when the journal does; None where there is none."""
        journals = (self.entry(name) for name in sorted(self._journals()))
        return tuple(one.version for one in journals if one is not None) or None

    def unpublished(self, name: str) -> list[Entry]:
        """Return the temporary files in the folder that a name is in."""
        above, _, _ = name.rpartition("/")
        return list(_temporary(walk(self.root, name.count("/"), above)))

    def abandoned(self) -> list[Entry]:
        """Return the temporary files whose writer is dead, and their folders."""
        found = _temporary(walk(self.root, self.depth))
        return [entry for entry in found if is_abandoned(self.root, entry.name)]

    def hurry(self) -> None:
        """Do nothing: what fails on a disk is not tried for long."""

    def is_stuck(self) -> bool:
        """Return False: a disk takes what it takes."""
        return False

    def end_in_time(self) -> None:
        """Do nothing: a disk takes what it takes."""

    def tidy(self) -> None:
        """Delete the temporary files that are left, and flush what lost its files."""
        self._staging.tidy()
        folders, self._thinned = self._thinned, set()
        for folder in folders:  # after a power cut its files may else be there again
            with contextlib.suppress(OSError):
                Directories(self._os).flush(folder)

    def _journals(self) -> list[str]:
        try:
            return [name for name in os.listdir(self.root) if is_journal(name)]
        except (FileNotFoundError, NotADirectoryError):
            return []

    def _copy(self, name: str, second: str) -> None:
        with self.staged(second, ".run") as staged:
            target = self._os.open(staged.path, os.O_WRONLY | PLAIN)
            try:
                with self.open(name) as source:
                    while data := source.read(_CHUNK):
                        while data:
                            data = data[write_some(target, data, self._os) :]
                self._os.fsync(target)
            finally:
                self._os.close(target)
            self._os.replace(staged.path, self.path(second))


def _temporary(found: Iterable[Found]) -> Iterator[Entry]:
    with contextlib.suppress(OSError):  # there may be no such folder
        for name, entry in found:
            is_folder = entry.name.endswith(".d")
            is_kind = entry.is_dir if is_folder else entry.is_file
            if is_temporary(entry.name) and is_kind(follow_symlinks=False):
                with contextlib.suppress(FileNotFoundError):  # gone by now
                    yield _entry(name, entry.stat(follow_symlinks=False))


def _entry(name: str, found: os.stat_result) -> Entry:
    version = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
    return Entry(name, found.st_size, found.st_mtime_ns, version)


def _is(entry: Entry, found: os.stat_result) -> bool:
    return _entry(entry.name, found) == entry


@contextlib.contextmanager
def folder_of_its_own(temporary: str) -> Iterator[str]:
    """Give a new folder that belongs to a temporary file, and delete it at the end.

    For a writer that makes more files than one. A sweep finds it as it finds the file.
    """
    folder = os.path.splitext(temporary)[0] + ".d"
    os.mkdir(folder)
    try:
        yield folder
    finally:
        with contextlib.suppress(OSError):  # then a sweep deletes what is left
            System().patiently(shutil.rmtree, folder)

"""A folder on a local disk: files in it appear whole, or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Iterable, Iterator
from typing import Any
from zlib import crc32

from modelcheckpoint.storage import temporary as temporaries
from modelcheckpoint.storage.appender import Appender
from modelcheckpoint.storage.base import Digest, measured
from modelcheckpoint.storage.beneath import (
    PLAIN,
    NotPlain,
    check_plain,
    delete_below,
    delete_empty_above,
    open_below,
    size_below,
)
from modelcheckpoint.storage.directories import Directories
from modelcheckpoint.storage.preflight import check_folder, check_not_a_folder
from modelcheckpoint.storage.system import System, as_system, one_wait
from modelcheckpoint.storage.writer import Part, Writer, write_some

__all__ = [
    "Digest",
    "LocalStorage",
    "NotFlushed",
    "folder_of_its_own",
]

_CHUNK = 1 << 20
_BINARY = getattr(os, "O_BINARY", 0)


class NotFlushed(OSError):
    """A file has its final name, but a power cut could still take that away."""


class LocalStorage:
    """The folder in which checkpoints and their journal lie.

    What it promises holds on a local file system that keeps its own promises about
    fsync and rename (POSIX); on network file systems it is what their server makes
    of these calls.

    Args:
        folder: Absolute path; it need not exist yet.
        depth: How many folders below it a checkpoint may lie.
        system: What carries out the calls; a test passes one that fails.
    """

    def __init__(self, folder: str, depth: int = 0, system: Any = os) -> None:
        self.folder = folder
        self.depth = depth
        self._os = system = as_system(system)
        self._token = temporaries.new_token()
        self._folders = Directories(system)
        self._process = os.getpid()
        self._journal = Appender(folder, self._folders, system)
        self._undeleted: set[str] = set()

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
        mark = temporaries.Mark(self._token, up=0)
        probe = temporaries.temporary_name(mark, ".run")
        given = self.folder if given is None else given
        check_folder(self.folder, given or os.curdir, probe, self._os)
        self._journal.check()
        if name is not None:
            check_not_a_folder(self.path(name), os.path.join(given, name))

    @contextlib.contextmanager
    def temporary(self, name: str, suffix: str) -> Iterator[str]:
        """Give the path of a new, empty file beside `name`, and delete it at the end.

        Once it is published there is nothing left to delete. The file is claimed, so
        that a sweep by another process leaves it alone.
        """
        folder = os.path.dirname(self.path(name))
        self._check_no_links(name)
        self._folders.make(folder)
        self.tidy()
        self._tell_from_parent()
        mark = temporaries.Mark(self._token, up=name.count("/"))
        path = os.path.join(folder, temporaries.temporary_name(mark, suffix))
        with self._journal.opened() as journal, temporaries.claim(journal, self._token):
            descriptor = self._create_in(folder, path)
            try:
                self._os.close(descriptor)
                yield path
            finally:
                if self._process == os.getpid():  # not in a child that was forked
                    self._unlink(path)

    @one_wait
    def tidy(self) -> None:
        """Delete the temporary files that could not be deleted when they should."""
        for path in list(self._undeleted):
            self._unlink(path)

    def write(self, temporary: str, parts: Iterable[Part]) -> Digest:
        """Write a temporary file, make it durable, and measure it on the way.

        Raises:
            OSError: If there is nothing to write, or it cannot be written or flushed.
        """
        file = self._os.open(temporary, os.O_WRONLY | PLAIN)
        try:
            writer = Writer(file, self._os)
            for data, known in parts:
                writer.write(data, known)
            _check_not_empty(writer.size)
            writer.finish()
            self._make_name_durable(temporary)
        finally:
            self._os.close(file)
        return Digest(writer.size, f"{writer.checksum:08x}")

    def seal(self, temporary: str) -> Digest:
        """Make the contents of a temporary file durable, and measure them.

        Raises:
            OSError: If the file is empty, cannot be read or cannot be flushed.
        """
        checksum = size = 0
        # Windows flushes only through a descriptor that may write.
        file = self._os.open(temporary, os.O_RDWR | PLAIN)
        try:
            while chunk := self._os.read(file, _CHUNK):
                checksum = crc32(chunk, checksum)
                size += len(chunk)
            _check_not_empty(size)
            self._os.fsync(file)
            self._make_name_durable(temporary)
        finally:
            self._os.close(file)
        return Digest(size, f"{checksum:08x}")

    def append(self, *lines: str) -> None:
        """Add lines to the journal, durably."""
        self._journal.append(*lines)

    def publish(self, temporary: str, name: str) -> None:
        """Give a sealed file its final name, in place of any file that had it.

        Raises:
            NotFlushed: If it has the name, but that is not durable; the next save
                tries again to make it so.
            OSError: If it has not got the name.
        """
        path = self.path(name)
        self._os.replace(temporary, path)
        try:
            self._folders.flush(os.path.dirname(path))
        except OSError as error:
            raise NotFlushed(error.errno, error.strerror, path) from error

    def keep_aside(self, name: str, aside: tuple[str, str], digest: Digest) -> str:
        """Give an existing file a second name, and return that name.

        The second name appears with the whole file, or not at all. Where it stands for
        the same contents already, as a run that was killed has left it, that is it.

        Args:
            name: Of the file.
            aside: Beginning and end of the second name; where it is taken, a number
                goes between them.
            digest: Size and checksum of the file.
        """
        for number in range(1, 10_000):
            second = ("" if number == 1 else f"-{number}").join(aside)
            try:
                self._link(name, second)
            except FileExistsError:
                if self.measure(second) != digest:
                    continue
            self._folders.flush(os.path.dirname(self.path(second)))
            return second
        raise FileExistsError(errno.EEXIST, "no name is free", self.path(name))

    def delete(self, name: str) -> None:
        """Delete a file, or a folder with all that is in it; links are not followed."""
        delete_below(self.folder, name, self._os)

    def retire(self, name: str, size: int) -> bool:
        """Delete a file if it has this size, and return whether it was deleted.

        The folders below this one in which nothing is left go with it. A file that is
        not there, or has another size, is not deleted.

        Raises:
            OSError: If it cannot be deleted, or lies behind a link.
        """
        try:
            if size_below(self.folder, name) != size:
                return False
            self.delete(name)
        except (FileNotFoundError, NotADirectoryError):
            return False
        delete_empty_above(self.folder, name, self._os)
        return True

    def measure(self, name: str) -> Digest | None:
        """Return size and checksum of a file, or None where there is none.

        None, too, where the name leads through a link, or to something else than a
        regular file.
        """
        try:
            with os.fdopen(open_below(self.folder, name), "rb") as file:
                return measured(file)
        except (FileNotFoundError, NotADirectoryError, NotPlain):
            return None

    def size(self, name: str) -> int | None:
        """Return the size of a file, or None where there is none."""
        try:
            found = os.lstat(self.path(name))
            check_plain(found, name)
        except OSError:
            return None
        return found.st_size

    def path(self, name: str) -> str:
        """Return the absolute path of a name in this folder."""
        return os.path.join(self.folder, *name.split("/"))

    def name(self, path: str) -> str:
        """Return the name of a path in this folder."""
        return os.path.relpath(path, self.folder).replace(os.sep, "/")

    def _check_no_links(self, name: str) -> None:
        # The folder itself may be one: it is what the user gave. What lies below it
        # is ours, and a link there leads to where no reader would look.
        *above, _ = name.split("/")
        for count in range(1, len(above) + 1):
            path = self.path("/".join(above[:count]))
            if os.path.islink(path):
                raise NotPlain(errno.ELOOP, "a folder below `filepath` is a link", path)

    def _tell_from_parent(self) -> None:
        if self._process != os.getpid():
            self._token, self._process = temporaries.new_token(), os.getpid()
            self._undeleted.clear()

    def _unlink(self, temporary: str) -> None:
        self._undeleted.add(temporary)
        try:
            self._os.unlink(temporary)
        except FileNotFoundError:  # it was published, or somebody was faster
            pass
        except OSError:  # a broken disk, say, or a read-only one: later
            return
        self._undeleted.discard(temporary)

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

    def _make_name_durable(self, temporary: str) -> None:
        # A rename can reach the disk before the data it names: after a power cut the
        # final name would hold zero bytes. Data first, name second, folder third. The
        # temporary name, too, is there before the journal speaks of the file: it tells
        # the next run that this file never came, and was not deleted by somebody.
        self._folders.flush(os.path.dirname(temporary))

    def _write(self, file: int, data: bytes | memoryview) -> None:
        while data:
            data = data[write_some(file, data, self._os) :]

    def _link(self, name: str, second: str) -> None:
        try:
            self._os.link(self.path(name), self.path(second))
        except FileExistsError:
            raise
        except (OSError, AttributeError):  # a file system without hard links: FAT, SMB
            if os.path.lexists(self.path(second)):
                raise FileExistsError(errno.EEXIST, "it is taken", second) from None
            self._copy(name, second)

    def _copy(self, name: str, second: str) -> None:
        with self.temporary(second, ".run") as temporary:
            target = self._os.open(temporary, os.O_WRONLY | PLAIN)
            try:
                with os.fdopen(open_below(self.folder, name), "rb") as source:
                    while chunk := source.read(_CHUNK):
                        self._write(target, chunk)
                self._os.fsync(target)
            finally:
                self._os.close(target)
            self._os.replace(temporary, self.path(second))


def _check_not_empty(size: int) -> None:
    if size == 0:
        raise OSError(errno.EIO, "the model's save wrote nothing")


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

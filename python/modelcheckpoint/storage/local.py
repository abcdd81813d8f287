"""A folder on a local disk: files in it appear whole, or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Optional, Union
from zlib import crc32

from modelcheckpoint.storage import leftovers
from modelcheckpoint.storage.below import PLAIN, NotPlain, check_plain, open_below
from modelcheckpoint.storage.checksum import joined
from modelcheckpoint.storage.leftovers import JOURNAL

__all__ = ["Data", "LocalStorage", "Part", "Sealed", "folder_of_its_own"]

Data = Union[bytes, memoryview]
Part = tuple[Data, Optional[int]]
"""A part of a file, and its crc32 where that is known already."""

_CHUNK = 1 << 20
_FLUSHED_EARLY = 8 << 20
_BINARY = getattr(os, "O_BINARY", 0)


@dataclass(frozen=True)
class Sealed:
    """A temporary file that is whole and on disk.

    Attributes:
        bytes: Its size.
        crc32: Its checksum, eight hexadecimal digits.
    """

    bytes: int
    crc32: str


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
        self._os = system
        self._token = leftovers.new_token()
        self._not_durable: set[str] = set()
        self._doubtful = False

    def check(self, name: str | None = None) -> None:
        """Raise if a checkpoint could not be written here, and leave no trace.

        Args:
            name: Name of the file, where it is known.

        Raises:
            OSError: If the folder, or the nearest one above it that exists, is not
                a folder, cannot be written to, if `name` is a folder in it, or if the
                journal is a link or something else than a file.
        """
        nearest = self.folder
        while not os.path.lexists(nearest) and os.path.dirname(nearest) != nearest:
            nearest = os.path.dirname(nearest)
        if not os.path.isdir(nearest):
            raise NotADirectoryError(
                errno.ENOTDIR, "`filepath` must lie in a folder, not in a file", nearest
            )
        try:
            self._try_to_write(nearest)
        except OSError as error:
            rule = "`filepath` must lie in a folder that can be written to"
            reason = f"{rule}: {error.strerror or error}"
            raise type(error)(error.errno, reason, nearest) from error
        self._check_journal()
        if name is not None and os.path.isdir(self.path(name)):
            # The last sentence is Keras' own, which people search for.
            raise IsADirectoryError(
                errno.EISDIR,
                "`filepath` must name a file, not an existing folder. Please specify a "
                "non-directory filepath for ModelCheckpoint.",
                self.path(name),
            )

    @contextlib.contextmanager
    def temporary(self, name: str, suffix: str) -> Iterator[str]:
        """Give the path of a new, empty file beside `name`, and delete it at the end.

        Once it is published there is nothing left to delete. The file is claimed, so
        that a sweep by another process leaves it alone.
        """
        folder = os.path.dirname(self.path(name))
        self._make(folder)
        mark = leftovers.Mark(self._token, up=name.count("/"))
        path = os.path.join(folder, leftovers.temporary_name(mark, suffix))
        with self._open_journal() as journal:
            leftovers.claim(journal, self._token)
            descriptor = self._create(path)  # what is there already is not ours
            try:
                self._os.close(descriptor)
                yield path
            finally:
                with contextlib.suppress(OSError):
                    self._os.unlink(path)

    def write(self, temporary: str, parts: Iterable[Part]) -> Sealed:
        """Write a temporary file, make it durable, and measure it on the way.

        Raises:
            OSError: If there is nothing to write, or it cannot be written or flushed.
        """
        checksum = size = flushing = 0
        file = self._os.open(temporary, os.O_WRONLY | _BINARY)
        try:
            for data, known in parts:
                if known is not None:
                    checksum = joined(checksum, known, len(data))
                for piece in _pieces(data):
                    if known is None:
                        checksum = crc32(piece, checksum)
                    self._write(file, piece)
                    size += len(piece)
                    if size - flushing >= _FLUSHED_EARLY:
                        self._begin_to_flush(file, flushing, size)
                        flushing = size
            _check_not_empty(size)
            self._os.fsync(file)
        finally:
            self._os.close(file)
        return Sealed(size, f"{checksum:08x}")

    def seal(self, temporary: str) -> Sealed:
        """Make the contents of a temporary file durable, and measure them.

        Raises:
            OSError: If the file is empty, cannot be read or cannot be flushed.
        """
        checksum = size = 0
        # Windows flushes only through a descriptor that may write.
        file = self._os.open(temporary, os.O_RDWR | _BINARY)
        try:
            while chunk := self._os.read(file, _CHUNK):
                checksum = crc32(chunk, checksum)
                size += len(chunk)
            _check_not_empty(size)
            # A rename can reach the disk before the data it names: after a power cut
            # the final name would hold zero bytes. Data first, name second, folder
            # third.
            self._os.fsync(file)
        finally:
            self._os.close(file)
        return Sealed(size, f"{checksum:08x}")

    def append(self, line: str) -> None:
        """Add one line to the journal, durably."""
        with self._open_journal() as journal:
            size = self._os.lseek(journal, 0, os.SEEK_END)
            torn = size > 0 and self._last_byte(journal, size) != b"\n"
            data = f"{line}\n".encode()
            anew = torn or self._doubtful
            # Of a line that could not be flushed the newline may be lost on disk,
            # though it can still be read here: the next line does not lean on it.
            self._doubtful = True
            self._write(journal, b"\n" + data if anew else data)
            self._os.fsync(journal)
            self._doubtful = False
        if not size:
            self._not_durable.add(self.folder)
        self._sync_what_is_left()

    def publish(self, temporary: str, name: str) -> None:
        """Give a sealed file its final name, in place of any file that had it."""
        path = self.path(name)
        self._os.replace(temporary, path)
        self._sync(os.path.dirname(path))

    def keep_aside(self, name: str, aside: tuple[str, str]) -> str:
        """Give an existing file a second name, and return that name.

        Args:
            name: Of the file.
            aside: Beginning and end of the second name; where it is taken, a number
                goes between them.
        """
        for number in range(1, 10_000):
            second = ("" if number == 1 else f"-{number}").join(aside)
            try:
                self._link(self.path(name), self.path(second))
            except FileExistsError:
                continue
            self._sync(os.path.dirname(self.path(second)))
            return second
        raise FileExistsError(errno.EEXIST, "no name is free", self.path(name))

    def delete(self, name: str) -> None:
        """Delete a file, or a folder with all that is in it; links are not followed."""
        path = self.path(name)
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path)
        else:
            self._os.unlink(path)

    def measure(self, name: str) -> Sealed | None:
        """Return size and checksum of a file, or None where there is none.

        None, too, where the name leads through a link, or to something else than a
        regular file.
        """
        checksum = size = 0
        try:
            with os.fdopen(open_below(self.folder, name), "rb") as file:
                while chunk := file.read(_CHUNK):
                    checksum = crc32(chunk, checksum)
                    size += len(chunk)
        except (FileNotFoundError, NotADirectoryError, NotPlain):
            return None
        return Sealed(size, f"{checksum:08x}")

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

    def _make(self, folder: str) -> None:
        if not os.path.isdir(folder):
            above = os.path.dirname(folder)
            if above != folder:
                self._make(above)
            with contextlib.suppress(FileExistsError):
                self._os.mkdir(folder)
                self._not_durable.add(above)
        self._sync_what_is_left()

    def _sync_what_is_left(self) -> None:
        # What a flush that failed has left is flushed by the next save.
        for folder in sorted(self._not_durable):
            self._sync(folder)
            self._not_durable.discard(folder)

    def _create(self, path: str) -> int:
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | _BINARY
        descriptor: int = self._os.open(path, flags, 0o666)
        return descriptor

    def _check_journal(self) -> None:
        path = self.path(JOURNAL)
        try:
            check_plain(os.lstat(path), path)
        except NotPlain as error:
            rule = "the journal beside the checkpoints must be a file, and"
            raise NotPlain(error.errno, f"{rule} {error.strerror}", path) from None
        except (FileNotFoundError, NotADirectoryError):
            pass  # the first save makes it

    def _try_to_write(self, folder: str) -> None:
        try:
            # A file without a name: nothing to see and nothing to clean up.
            self._os.close(self._os.open(folder, os.O_TMPFILE | os.O_WRONLY, 0o600))
            return
        except AttributeError:  # not Linux
            pass
        except OSError as error:
            if error.errno not in (errno.ENOTSUP, errno.EISDIR, errno.EINVAL):
                raise
        mark = leftovers.Mark(self._token, up=0)
        probe = os.path.join(folder, leftovers.temporary_name(mark, ".run"))
        self._os.close(self._create(probe))
        self._os.unlink(probe)

    @contextlib.contextmanager
    def _open_journal(self) -> Iterator[int]:
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | PLAIN
        journal = self._os.open(self.path(JOURNAL), flags, 0o666)
        try:
            check_plain(os.fstat(journal), JOURNAL)
            yield journal
        finally:
            self._os.close(journal)

    def _last_byte(self, journal: int, size: int) -> bytes:
        self._os.lseek(journal, size - 1, os.SEEK_SET)
        last: bytes = self._os.read(journal, 1)
        return last

    def _write(self, file: int, data: bytes | memoryview) -> None:
        while data:
            data = data[self._os.write(file, data) :]

    def _begin_to_flush(self, file: int, start: int, end: int) -> None:
        # Linux then writes these bytes to the disk while we go on with the next ones,
        # so that there is little left for fsync, which alone makes them durable.
        with contextlib.suppress(AttributeError, OSError):  # not on every system
            advice = os.POSIX_FADV_DONTNEED
            self._os.posix_fadvise(file, start, end - start, advice)

    def _link(self, path: str, second: str) -> None:
        try:
            self._os.link(path, second)
        except FileExistsError:
            raise
        except (OSError, AttributeError):  # a file system without hard links: FAT, SMB
            self._copy(path, second)

    def _copy(self, path: str, second: str) -> None:
        target = self._create(second)
        try:
            with open(path, "rb") as source:
                while chunk := source.read(_CHUNK):
                    self._write(target, chunk)
            self._os.fsync(target)
        except BaseException:
            with contextlib.suppress(OSError):
                self._os.unlink(second)
            raise
        finally:
            self._os.close(target)

    def _sync(self, folder: str) -> None:
        if os.name == "nt":  # Windows has no fsync for folders
            return
        descriptor = self._os.open(folder, os.O_RDONLY)
        try:
            self._os.fsync(descriptor)
        finally:
            self._os.close(descriptor)


def _pieces(data: Data) -> Iterator[Data]:
    # So small that each stays in the processor's cache from checksum to write.
    return (data[start : start + _CHUNK] for start in range(0, len(data), _CHUNK))


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
        shutil.rmtree(folder, ignore_errors=True)

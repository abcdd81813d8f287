"""A temporary file, until it gets its name."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Mapping
from typing import Any

from modelcheckpoint.storage.base import Digest, NotFlushed, Part
from modelcheckpoint.storage.beneath import PLAIN
from modelcheckpoint.storage.crc32 import crc32
from modelcheckpoint.storage.directories import Directories
from modelcheckpoint.storage.staged import NOTHING_KNOWN
from modelcheckpoint.storage.writer import Writer

__all__ = ["StagedFile", "check_not_empty", "sealed"]

_CHUNK = 1 << 20


class StagedFile:
    """A temporary file, until it gets its name; see `base.Staged`.

    Args:
        path: Absolute path of the temporary file, which exists.
        final: Absolute path that it is to get, in the same folder.
        folders: Flushes that folder.
        system: Carries out the calls.
    """

    def __init__(
        self, path: str, final: str, folders: Directories, system: Any
    ) -> None:
        self.path = path
        self._final = final
        self._folders = folders
        self._os = system

    def write(self, parts: Iterable[Part]) -> Digest:
        """Write it, make it durable, and measure it meanwhile.

        Raises:
            OSError: If there is nothing to write, or it cannot be written or flushed.
        """
        file = self._os.open(self.path, os.O_WRONLY | PLAIN)
        try:
            writer = Writer(file, self._os)
            for data, known in parts:
                writer.write(data, known)
            check_not_empty(writer.size)
            writer.finish()
            self._make_name_durable()
        finally:
            self._os.close(file)
        return Digest(writer.size, f"{writer.checksum:08x}")

    def seal(self, known: Mapping[str, Digest] = NOTHING_KNOWN) -> Digest:
        """Make its contents durable, and measure them.

        Raises:
            OSError: If the file is empty, cannot be read or cannot be flushed.
        """
        digest = sealed(self.path, self._os)
        check_not_empty(digest.bytes)
        self._make_name_durable()
        return digest

    @property
    def published(self) -> bool:
        """Whether the temporary name is gone."""
        return not os.path.exists(self.path)

    def publish(self) -> None:
        """Give it its final name, in place of any file that had it.

        Raises:
            NotFlushed: If it has the name, but not durably; the next save tries again
                to make the name durable.
            OSError: If it did not get the name.
        """
        self._os.replace(self.path, self._final)
        try:
            self._folders.flush(os.path.dirname(self._final))
        except OSError as error:
            raise NotFlushed(error.errno, error.strerror, self._final) from error

    def _make_name_durable(self) -> None:
        # A rename can reach the disk before the data it names: after a power cut the
        # final name would hold zero bytes. Data first, name second, folder third. The
        # temporary name, too, is durable before the journal mentions the file: from it
        # the next run knows that the file never came, and was not deleted by somebody.
        self._folders.flush(os.path.dirname(self.path))


def sealed(path: str, system: Any) -> Digest:
    """Make a file's contents durable, and return their digest.

    Raises:
        OSError: If it is a link, or cannot be read or flushed.
    """
    checksum = size = 0
    # Windows flushes only through a descriptor opened for writing.
    file = system.open(path, os.O_RDWR | PLAIN)
    try:
        while chunk := system.read(file, _CHUNK):
            checksum = crc32(chunk, checksum)
            size += len(chunk)
        system.fsync(file)
    finally:
        system.close(file)
    return Digest(size, f"{checksum:08x}")


def check_not_empty(size: int) -> None:
    """Raise if nothing was written."""
    if size == 0:
        raise OSError(errno.EIO, "the model's save wrote nothing")

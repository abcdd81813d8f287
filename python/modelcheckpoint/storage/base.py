"""Size and checksum of what a file holds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO
from zlib import crc32

__all__ = ["Digest", "measured"]

_CHUNK = 1 << 20


@dataclass(frozen=True)
class Digest:
    """A file that is whole and on disk.

    Attributes:
        bytes: Its size.
        crc32: Its checksum, eight hexadecimal digits.
    """

    bytes: int
    crc32: str


def measured(file: BinaryIO, read: Callable[[int], None] = lambda size: None) -> Digest:
    """Return size and checksum of all that is left to read in an open file.

    Args:
        file: Open for reading.
        read: Is told of each piece, how many bytes it had.
    """
    checksum = size = 0
    while chunk := file.read(_CHUNK):
        checksum = crc32(chunk, checksum)
        size += len(chunk)
        read(len(chunk))
    return Digest(size, f"{checksum:08x}")

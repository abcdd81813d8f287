"""The digest of a checkpoint's contents: its size and a checksum."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import BinaryIO

from modelcheckpoint.storage.crc32 import crc32

__all__ = ["Digest", "Read", "measured", "tree_digest"]

_CHUNK = 1 << 20

Read = Callable[[int], None]
"""Is called with the number of bytes of each piece that was read."""


@dataclass(frozen=True)
class Digest:
    """Two numbers that identify the contents of a checkpoint.

    Attributes:
        bytes: Its size; for a tree, the size of all its files.
        crc32: Its checksum, eight hexadecimal digits.
    """

    bytes: int
    crc32: str


def measured(file: BinaryIO, read: Read = lambda size: None) -> Digest:
    """Return size and checksum of what is left to read in an open file.

    Args:
        file: Open for reading.
        read: Is called with the number of bytes of each piece.
    """
    checksum = size = 0
    while chunk := file.read(_CHUNK):
        checksum = crc32(chunk, checksum)
        size += len(chunk)
        read(len(chunk))
    return Digest(size, f"{checksum:08x}")


def tree_digest(files: Iterable[tuple[str, Digest]]) -> Digest:
    r"""Return the digest of a tree: of the sorted lines `name size crc32\n`.

    Args:
        files: Each file of the tree, in any order: its name relative to the tree, with
            `/` between its parts, and its digest.
    """
    lines, size = [], 0
    for name, digest in files:
        line = f"{name} {digest.bytes} {digest.crc32}\n"
        lines.append(line.encode("utf-8", "surrogateescape"))
        size += digest.bytes
    checksum = 0
    for encoded in sorted(lines):
        checksum = crc32(encoded, checksum)
    return Digest(size, f"{checksum:08x}")

"""`.keras` archives, laid out by Python's own zipfile without a copy of the weights."""

from __future__ import annotations

import io
import struct
import time
import zipfile
from collections.abc import Iterator, Sequence
from operator import itemgetter
from typing import Any, BinaryIO, cast

from modelcheckpoint.storage.base import Data, Part
from modelcheckpoint.storage.writer import ALIGNMENT, LARGE

__all__ = ["Member", "member", "open_member", "pack"]

_HEADER = 30
"""Bytes of a member's header, without name and extra fields (APPNOTE.TXT, 4.3.7)."""

Member = tuple[zipfile.ZipInfo, Data]
"""A file in an archive: what is said of it, and what it holds."""


def member(name: str, data: Data) -> Member:
    """Return a member that is as old as this moment."""
    # The format knows no other years, and a clock can be wrong.
    now = min(max(time.localtime()[:6], (1980, 1, 1, 0, 0, 0)), (2107, 12, 31, 0, 0, 0))
    return zipfile.ZipInfo(name, now), data


def open_member(file: BinaryIO, name: str) -> BinaryIO:
    """Return a member of an open archive as a file, in which any place is near.

    Of one that is not deflated Python's own reads, before 3.13, all that lies before a
    place to go back to it, which with many arrays takes minutes.

    Raises:
        KeyError: If there is no such member.
        zipfile.BadZipFile: If it is not what the directory says.
    """
    archive = zipfile.ZipFile(file)
    info = archive.getinfo(name)
    member = archive.open(info)  # which checks what stands before it
    if info.compress_type != zipfile.ZIP_STORED:
        return cast(BinaryIO, member)
    member.close()
    return cast(BinaryIO, io.BufferedReader(_Stored(file, info)))


def pack(members: Sequence[Member]) -> Iterator[Part]:
    """Yield the parts of an archive, the members' own data uncopied and undeflated."""
    pieces = _Pieces()
    known: dict[int, int] = {}
    with zipfile.ZipFile(pieces, "w") as archive:
        for info, data in members:
            # zipfile fills in what it is given: a second archive may be made of it.
            copied = _copy(info)
            if len(data) >= LARGE:
                copied.extra = _padding(archive.start_dir + _header_size(copied, data))
            archive.writestr(copied, data)
            if data:
                known[archive.start_dir - len(data)] = copied.CRC
    return ((piece, known.get(offset)) for offset, piece in pieces.in_order())


def _copy(info: zipfile.ZipInfo) -> zipfile.ZipInfo:
    copied = zipfile.ZipInfo(info.filename, info.date_time)
    copied.external_attr = info.external_attr or 0o600 << 16
    return copied


def _header_size(info: zipfile.ZipInfo, data: Data) -> int:
    zip64 = len(data) * 1.05 > zipfile.ZIP64_LIMIT  # as zipfile decides it
    return _HEADER + len(info.filename.encode()) + 20 * zip64


def _padding(offset: int) -> bytes:
    """Return a member's extra field that has its data begin aligned in the file.

    It is the field by which Android's zipalign does this; readers pass over it.
    """
    size = 2 + -(offset + 6) % ALIGNMENT
    return struct.pack("<HHH", 0xD935, size, ALIGNMENT).ljust(size + 4, b"\0")


class _Pieces(io.RawIOBase):
    """Takes an archive as it is written, and keeps each piece as it came."""

    def __init__(self) -> None:
        super().__init__()
        self._pieces: dict[int, Data] = {}
        self._end = self._at = 0

    def in_order(self) -> list[tuple[int, Data]]:
        return sorted(self._pieces.items(), key=itemgetter(0))

    def write(self, data: Any) -> int:
        size = len(data)
        if self._at < self._end and len(self._pieces[self._at]) != size:
            raise io.UnsupportedOperation("zipfile writes a header of another size")
        if size:
            self._pieces[self._at] = data
        self._at += size
        self._end = max(self._end, self._at)
        return size

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = offset + (0, self._at, self._end)[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def seekable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True


class _Stored(io.RawIOBase):
    """A member that is not deflated, as a file."""

    def __init__(self, file: BinaryIO, info: zipfile.ZipInfo) -> None:
        super().__init__()
        file.seek(info.header_offset + _HEADER - 4)
        # The lengths of name and extra field (APPNOTE.TXT, 4.3.7).
        lengths = struct.unpack("<HH", file.read(4))
        self._start = file.tell() + sum(lengths)
        self._file, self._size, self._at = file, info.file_size, 0

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = offset + (0, self._at, self._size)[whence]
        return self._at

    def readinto(self, buffer: Any) -> int:
        count = max(0, min(len(buffer), self._size - self._at))
        self._file.seek(self._start + self._at)
        data = self._file.read(count)
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

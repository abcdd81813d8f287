"""Lay out `.keras` archives with Python's zipfile, without copying the weights."""

from __future__ import annotations

import io
import struct
import time
import zipfile
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO, cast

from modelcheckpoint.storage.base import Data, Part
from modelcheckpoint.storage.crc32 import crc32
from modelcheckpoint.storage.writer import ALIGNMENT, LARGE

__all__ = ["Member", "member", "open_member", "pack"]

_HEADER = 30
"""Bytes of a member's header, without name and extra fields (APPNOTE.TXT, 4.3.7)."""

Member = tuple[zipfile.ZipInfo, Data]
"""A file in an archive: its directory entry and its data."""


def member(name: str, data: Data) -> Member:
    """Return a member with the current time."""
    # The format has no other years, and a clock can be wrong.
    now = min(max(time.localtime()[:6], (1980, 1, 1, 0, 0, 0)), (2107, 12, 31, 0, 0, 0))
    return zipfile.ZipInfo(name, now), data


def open_member(file: BinaryIO, name: str) -> BinaryIO:
    """Return a member of an open archive as a file in which seeking is fast.

    To seek backwards in a stored member, Python before 3.13 reads it again from its
    start, which takes minutes with many arrays.

    Raises:
        KeyError: If there is no such member.
        zipfile.BadZipFile: If it does not match the directory.
    """
    archive = zipfile.ZipFile(file)
    info = archive.getinfo(name)
    member = archive.open(info)  # checks the member's header
    if info.compress_type != zipfile.ZIP_STORED:
        return cast(BinaryIO, member)
    member.close()
    return cast(BinaryIO, io.BufferedReader(_Stored(file, info)))


def pack(members: Sequence[Member]) -> Iterator[Part]:
    """Yield the parts of an archive; the members' data is not copied or deflated.

    zipfile makes the headers and the directory. It is not handed the data, because it
    would compute the checksums with zlib, which takes five times as long as isal.
    """
    infos, at = [], 0
    for given, data in members:
        info = _of_stored(given, data, at)
        header = info.FileHeader()
        yield header, None
        if data:
            yield data, info.CRC
        infos.append(info)
        at += len(header) + len(data)
    yield _directory(infos, at), None


def _of_stored(given: zipfile.ZipInfo, data: Data, at: int) -> zipfile.ZipInfo:
    """Return the entry of a member that begins at offset `at`.

    A new one, because the given one may be used again for another archive.
    """
    info = zipfile.ZipInfo(given.filename, given.date_time)
    info.external_attr = given.external_attr or 0o600 << 16
    info.header_offset, info.CRC = at, crc32(data)
    info.file_size = info.compress_size = len(data)
    if len(data) >= LARGE:
        info.extra = _padding(at + len(info.FileHeader()))
    return info


def _directory(infos: Sequence[zipfile.ZipInfo], at: int) -> bytes:
    """Return the end of an archive, which begins at offset `at`."""
    end = _End(at)
    with zipfile.ZipFile(end, "w") as archive:
        archive.filelist.extend(infos)
    return bytes(end.written)


def _padding(offset: int) -> bytes:
    """Return the extra field that aligns a member's data in the file.

    Android's zipalign uses the same field; readers ignore it.
    """
    size = 2 + -(offset + 6) % ALIGNMENT
    return struct.pack("<HHH", 0xD935, size, ALIGNMENT).ljust(size + 4, b"\0")


class _End(io.RawIOBase):
    """The end of a file whose first `at` bytes are written elsewhere."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self.written = bytearray()
        self._at = at

    def write(self, data: Any) -> int:
        self.written += data
        return len(data)

    def tell(self) -> int:
        return self._at + len(self.written)

    def seek(self, offset: int, whence: int = 0) -> int:
        if (offset, whence) != (self.tell(), 0):
            raise io.UnsupportedOperation("zipfile writes the directory elsewhere")
        return offset

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

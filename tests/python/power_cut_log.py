"""What a disk was asked to do, in order, and what it may hold once it is unplugged."""

from __future__ import annotations

import json
import os
import struct
import subprocess
from dataclasses import dataclass

WRITE, FLUSH, MARK = b"w", b"f", b"m"

PIECE = 4096
"""Bytes in each piece of a write; every piece reaches the disk or does not."""

_HEAD = struct.Struct("<cQQ")


class Log:
    """Adds entries to a file."""

    def __init__(self, file):
        self._file = file

    def add(self, kind, offset=0, data=b""):
        self._file.write(_HEAD.pack(kind, offset, len(data)) + data)


@dataclass(frozen=True)
class Entry:
    """One entry of a log.

    Attributes:
        kind: `WRITE`, `FLUSH` or `MARK`.
        offset: On the disk.
        length: Of the data, in bytes.
        at: Where the data is in the log's file.
    """

    kind: bytes
    offset: int
    length: int
    at: int


def read_log(path):
    """Return the entries of a log, without their data."""
    entries, at, size = [], 0, os.path.getsize(path)
    with open(path, "rb") as file:
        while at < size:
            file.seek(at)
            kind, offset, length = _HEAD.unpack(file.read(_HEAD.size))
            entries.append(Entry(kind, offset, length, at + _HEAD.size))
            at += _HEAD.size + length
    return entries


def marks_in(path, entries):
    """Return, for each mark, how many entries there are up to it, and what it says.

    A mark is a line of JSON; a long one can take several entries.
    """
    marks, begun = [], b""
    with open(path, "rb") as file:
        for number, entry in enumerate(entries, 1):
            if entry.kind == MARK:
                file.seek(entry.at)
                begun += file.read(entry.length)
                if begun.endswith(b"\n"):
                    marks.append((number, json.loads(begun)))
                    begun = b""
    return marks


class Platter:
    """What was on the disk at successive moments.

    Args:
        image: Path of a file with what the disk held before the log begins. It is
            updated to what was flushed at the last moment that was requested.
        log: Path of the log.
        entries: Of the log.
    """

    def __init__(self, image, log, entries):
        self._image, self._log, self._entries = image, log, entries
        self._end = self._flushed = 0

    def cut(self, end, share, chance, path):
        """Write to `path` what the disk may hold if it is unplugged at a moment.

        Args:
            end: How many entries of the log came before; never fewer than last time.
            share: How much of what came after the last flush is there, from 0 to 1.
            chance: Chooses which pieces.
            path: Of the file, which is replaced.
        """
        assert end >= self._end
        for number in range(self._end, end):
            if self._entries[number].kind == FLUSH:
                self._apply(self._image, self._pieces(self._flushed, number))
                self._flushed = number
        self._end = end
        # The image has holes, which `cp` keeps.
        subprocess.run(["cp", "--sparse=auto", self._image, path], check=True)
        loose = list(self._pieces(self._flushed, end))
        self._apply(path, [one for one in loose if chance.random() < share])

    def _pieces(self, start, end):
        """Yield where on the disk, and where in the log, each piece begins and ends."""
        for entry in self._entries[start:end]:
            done = 0
            while entry.kind == WRITE and done < entry.length:
                offset = entry.offset + done
                count = min(entry.length - done, PIECE - offset % PIECE)
                yield offset, entry.at + done, count
                done += count

    def _apply(self, path, pieces):
        with open(self._log, "rb") as log, open(path, "r+b", buffering=0) as image:
            for offset, at, count in pieces:
                os.pwrite(image.fileno(), os.pread(log.fileno(), count, at), offset)

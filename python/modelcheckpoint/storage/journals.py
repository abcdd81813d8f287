"""The files that are the journal of a storage, read as one.

A folder has one journal, to which every run appends its lines. An object store cannot
append, so it has several journals for each run, as does a folder that was copied from a
store.
"""

from __future__ import annotations

import heapq
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from operator import itemgetter
from types import MappingProxyType
from typing import BinaryIO

__all__ = ["JOURNAL", "NOTHING", "Line", "is_journal", "lines_of", "writer_of"]

JOURNAL = "modelcheckpoint.jsonl"
"""Name of the journal of a folder, beside the checkpoints."""

NOTHING: Mapping[str, int] = MappingProxyType({})
"""The position of a reader that has read nothing."""

_LONGEST_LINE = 4 << 20
"""A line with thousands of metrics has about 100 KB; a line above this is skipped."""

_TIME = re.compile(rb'"time": ?"([^"]*)"')


@dataclass(frozen=True)
class Line:
    """A line of a journal.

    Attributes:
        data: The line, with its newline if it has one already.
        journal: Name of the file that contains it.
        end: Where it ends in that file.
    """

    data: bytes
    journal: str
    end: int


def is_journal(name: str) -> bool:
    """Return whether a file with this name is a journal, or part of one."""
    return name == JOURNAL or bool(re.fullmatch(r"modelcheckpoint\.[^/]+\.jsonl", name))


def writer_of(journal: str) -> str | None:
    """Return whose journal it is; None for the one that all runs append to."""
    return None if journal == JOURNAL else journal.rsplit(".", 2)[0]


def lines_of(
    journals: Mapping[str, BinaryIO], after: Mapping[str, int]
) -> Iterator[Line]:
    """Yield the lines of open journals, as `Storage.lines` does.

    They are ordered by their times; a line without a time stays behind the line before
    it. A line that is too long for any journal of ours is skipped.
    """
    if len(journals) == 1:
        ((name, file),) = journals.items()
        yield from _lines(name, file, after.get(name, 0))
        return
    timed = [_timed(name, file, after.get(name, 0)) for name, file in journals.items()]
    for _, line in heapq.merge(*timed, key=itemgetter(0)):
        yield line


def _timed(name: str, file: BinaryIO, after: int) -> Iterator[tuple[bytes, Line]]:
    # All times are UTC and written alike, so they sort as text.
    newest = b""
    for line in _lines(name, file, after):
        time = _TIME.search(line.data)
        newest = max(newest, time[1]) if time else newest
        yield newest, line


def _lines(name: str, file: BinaryIO, after: int) -> Iterator[Line]:
    if file.seek(0, os.SEEK_END) < after:
        after = 0
    file.seek(after)
    while data := file.readline(_LONGEST_LINE):
        if data.endswith(b"\n") or len(data) < _LONGEST_LINE:
            yield Line(data, name, file.tell())
        while len(data) == _LONGEST_LINE and not data.endswith(b"\n"):
            data = file.readline(_LONGEST_LINE)

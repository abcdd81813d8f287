"""The journal beside the checkpoints: one line of JSON for each save.

It never stands in the way: what cannot be read in it is passed over.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import BinaryIO, Union

from modelcheckpoint.records import Record, Removal
from modelcheckpoint.storage.base import Digest
from modelcheckpoint.storage.beneath import NotPlain, is_name_below, open_below
from modelcheckpoint.storage.temporary import JOURNAL

__all__ = ["Entry", "Follower", "describes", "entries", "matching", "read"]

Entry = Union[Record, Removal]

_LONGEST = 4 << 20
"""A line with thousands of metrics has some 100 KB; no longer one than this is read."""


def read(folder: str) -> Iterator[Record]:
    """Yield the records of a folder's journal, as `entries` finds them."""
    return (entry for entry in entries(folder) if isinstance(entry, Record))


def entries(folder: str) -> Iterator[Entry]:
    """Yield what a folder's journal tells, oldest first; nothing where it has none.

    Torn and foreign lines, those of a newer schema, those that name a file outside the
    folder, and a journal that is no regular file, are passed over.

    Raises:
        OSError: If there is a journal that cannot be read: as one that tells nothing
            it would let a better file be overwritten.
    """
    try:
        journal = os.fdopen(open_below(folder, JOURNAL), "rb")
    except (FileNotFoundError, NotADirectoryError, NotPlain):
        return
    with journal:
        for line in _lines(journal):
            yield from _told_by(line)


class Follower:
    """Reads a journal on from where it stopped the last time.

    So what others add while a run goes on is seen, at no more cost than it has lines.

    Args:
        folder: Absolute path of the journal's folder.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._at = 0

    def entries(self) -> Iterator[Entry]:
        """Yield what was added since the last time, oldest first, as `entries` does.

        A last line without its end is left for the next time: somebody writes it now.
        """
        try:
            journal = os.fdopen(open_below(self._folder, JOURNAL), "rb")
        except (FileNotFoundError, NotADirectoryError, NotPlain):
            self._at = 0
            return
        with journal:
            if os.fstat(journal.fileno()).st_size < self._at:  # it was begun anew
                self._at = 0
            journal.seek(self._at)
            for line in _lines(journal):
                if not line.endswith(b"\n"):
                    break
                yield from _told_by(line)
                self._at = journal.tell()


def _told_by(line: bytes) -> Iterator[Entry]:
    record = Record.from_line(line)
    if record is not None and is_name_below(record.path):
        yield record
    removal = None if record is not None else Removal.from_line(line)
    if removal is not None:
        yield removal


def _lines(journal: BinaryIO) -> Iterator[bytes]:
    while line := journal.readline(_LONGEST):
        if line.endswith(b"\n") or len(line) < _LONGEST:
            yield line
        else:  # pass over the rest of it, without holding it
            while len(line) == _LONGEST and not line.endswith(b"\n"):
                line = journal.readline(_LONGEST)


def describes(record: Record, digest: Digest) -> bool:
    """Return whether a record is of a file with this size and this checksum."""
    return (record.bytes, record.crc32) == (digest.bytes, digest.crc32)


def matching(records: Iterable[Record], path: str, digest: Digest) -> Record | None:
    """Return the newest record that describes the file `path` as it is, or None.

    The journal's line is written before the file gets its name, so the newest line of
    a name can be ahead of the file: then an older one is right.
    """
    found = None
    for record in records:
        if record.path == path and describes(record, digest):
            found = record
    return found

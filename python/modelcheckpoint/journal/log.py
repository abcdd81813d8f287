"""The journal beside the checkpoints: one line of JSON for each save.

It never blocks anything: readers skip what they cannot read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timezone
from typing import Union

from modelcheckpoint.records import Record, Removal
from modelcheckpoint.storage.base import Digest, NotPlain, Storage
from modelcheckpoint.storage.names import is_name_below

__all__ = [
    "Entry",
    "Follower",
    "describes",
    "entries",
    "entries_and_journals",
    "matching",
    "note_removals",
    "now",
    "read",
]

Entry = Union[Record, Removal]

_NO_JOURNAL = (FileNotFoundError, NotPlain)


def read(storage: Storage) -> Iterator[Record]:
    """Yield the records of a journal, in the order of `entries`."""
    return (entry for entry in entries(storage) if isinstance(entry, Record))


def entries(storage: Storage) -> Iterator[Entry]:
    """Yield the entries of a journal, oldest first; nothing if there is no journal.

    Readers skip torn and foreign lines, lines of a newer schema, lines that name a file
    outside the storage, and a journal that is not a regular file.

    Raises:
        OSError: If a journal exists but cannot be read. If it were treated as empty, a
            better file could be overwritten.
    """
    return (entry for entry, _ in entries_and_journals(storage))


def entries_and_journals(storage: Storage) -> Iterator[tuple[Entry, str]]:
    """Yield the same as `entries`, each with the name of its journal."""
    try:
        for line in storage.lines():
            for entry in _entries_of(line.data):
                yield entry, line.journal
    except _NO_JOURNAL:
        return


def now() -> str:
    """Return the time for a line that is written now: UTC, to the millisecond."""
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")


def note_removals(
    storage: Storage, records: Iterable[Record], never_came: bool = False
) -> None:
    """Record in the journal that files will be deleted, or never came.

    Raises:
        OSError: If that fails.
    """
    time = now()
    storage.append(*(Removal.of(r, never_came, time).to_line() for r in records))


class Follower:
    """Reads a journal, each time from where it stopped before.

    So it sees what others append during a run, at a cost that depends only on the new
    lines.

    Args:
        storage: The storage with the journal.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._ends: dict[str, int] = {}

    def entries(self) -> Iterator[Entry]:
        """Yield what was added since the last call, oldest first, as `entries` does.

        An incomplete last line is left for the next call: somebody is writing it.
        """
        try:
            for line in self._storage.lines(after=self._ends):
                if line.data.endswith(b"\n"):
                    yield from _entries_of(line.data)
                    self._ends[line.journal] = line.end
        except _NO_JOURNAL:
            self._ends = {}


def _entries_of(line: bytes) -> Iterator[Entry]:
    record = Record.from_line(line)
    if record is not None and is_name_below(record.path):
        yield record
    removal = None if record is not None else Removal.from_line(line)
    if removal is not None:
        yield removal


def describes(record: Record, digest: Digest) -> bool:
    """Return whether a record describes a file with this size and checksum."""
    return (record.bytes, record.crc32) == (digest.bytes, digest.crc32)


def matching(records: Iterable[Record], path: str, digest: Digest) -> Record | None:
    """Return the newest record that describes the file `path` as it is, or None.

    The journal line is written before the file gets its name, so the newest line of a
    name can be ahead of the file. Then an older line is right.
    """
    newest = None
    for record in records:
        if record.path == path and describes(record, digest):
            newest = record
    return newest

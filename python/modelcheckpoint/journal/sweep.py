"""Deleting what killed writers left, and recording which saves never completed."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from modelcheckpoint.journal import log
from modelcheckpoint.records import Record
from modelcheckpoint.storage.base import Entry, Storage, digest_of
from modelcheckpoint.storage.system import one_wait

__all__ = ["sweep", "unfinished"]


@one_wait
def sweep(storage: Storage) -> list[str]:
    """Delete what dead writers have staged, and return its names.

    What a process that is or may be alive has staged stays. If a save was killed after
    its journal line was written and before its file got its name, another line says
    that the file never came.
    """
    abandoned = storage.abandoned()
    with contextlib.suppress(OSError):  # the next save reports the disk's error
        records = unfinished(storage, abandoned)
        if records:
            log.note_removals(storage, records, never_came=True)
    deleted = []
    for entry in abandoned:
        with contextlib.suppress(OSError):
            if storage.delete(entry):
                deleted.append(entry.name)
    return deleted


def unfinished(storage: Storage, staged: Sequence[Entry]) -> list[Record]:
    """Return the records whose save got no further than one of these entries.

    Only the newest lines of a name count. What an older line describes had the name
    before a newer save took it; a tree then still exists for a moment.
    """
    records = list(log.read(storage)) if staged else []
    sizes = {record.bytes for record in records}
    digests = [digest_of(storage, e.name) for e in staged if e.bytes in sizes]
    found: list[Record] = []
    came: set[str] = set()
    for record in reversed(records):
        is_staged = any(d and log.describes(record, d) for d in digests)
        if not is_staged or _is_there(storage, record):
            came.add(record.path)
        elif record.path not in came:
            found.append(record)
    return found[::-1]


def _is_there(storage: Storage, record: Record) -> bool:
    # For example, a tree that was replaced and has a second name.
    with contextlib.suppress(OSError):
        entry = storage.entry(record.path)
        if entry is not None and entry.bytes == record.bytes:
            digest = storage.digest(record.path)
            return digest is not None and log.describes(record, digest)
    return False

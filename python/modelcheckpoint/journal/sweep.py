"""Delete what killed writers left, and note which saves came to nothing by it."""

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
    """Delete what writers that are dead have staged, and return the names of it.

    That of a process that lives, or may live, stays. A save that was killed between
    its line in the journal and the name of its file gets another line, which says that
    the file never came.
    """
    abandoned = storage.abandoned()
    with contextlib.suppress(OSError):  # a save will tell what is wrong with the disk
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
    """Return the records whose file is still one of these."""
    records = list(log.read(storage)) if staged else []
    sizes = {record.bytes for record in records}
    digests = [digest_of(storage, e.name) for e in staged if e.bytes in sizes]
    return [r for r in records if any(d and log.describes(r, d) for d in digests)]

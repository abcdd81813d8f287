"""Delete what killed writers left, and note which saves came to nothing by it."""

from __future__ import annotations

import contextlib
import os

from modelcheckpoint.journal import log
from modelcheckpoint.records import Record, Removal
from modelcheckpoint.storage import temporary
from modelcheckpoint.storage.local import LocalStorage
from modelcheckpoint.storage.system import one_wait

__all__ = ["sweep", "unfinished"]


@one_wait
def sweep(storage: LocalStorage) -> list[str]:
    """Delete the temporary files of writers that are dead, and return their names.

    Those of a process that lives, or may live, stay. A save that was killed between
    its line in the journal and the name of its file gets another line, which says that
    the file never came.
    """
    found = [
        storage.name(os.path.join(folder, name))
        for folder, level in temporary.folders(storage.folder, storage.depth)
        for name in temporary.abandoned(folder, level)
    ]
    with contextlib.suppress(OSError):  # a save will tell what is wrong with the disk
        for record in unfinished(storage, found):
            storage.append(Removal.of(record, never_came=True).to_line())
    gone = []
    for name in found:
        with contextlib.suppress(OSError):
            storage.delete(name)
            gone.append(os.path.basename(name))
    return gone


def unfinished(storage: LocalStorage, names: list[str]) -> list[Record]:
    """Return the records whose file still has one of these temporary names."""
    records = list(log.read(storage.folder)) if names else []
    sizes = {record.bytes for record in records}
    digest = [storage.measure(name) for name in names if storage.size(name) in sizes]
    return [r for r in records if any(s and log.describes(r, s) for s in digest)]

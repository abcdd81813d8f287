"""Delete checkpoints that the user chose, one by one and told in the journal."""

from __future__ import annotations

from collections.abc import Sequence

from modelcheckpoint.journal.log import note_removals
from modelcheckpoint.records import Record
from modelcheckpoint.storage.base import Entry, Storage

__all__ = ["Pruned", "prune"]

Doomed = tuple[Entry, Record]

_AT_ONCE = 500
"""So many lines are flushed at once: one at a time, thousands would take minutes."""

Pruned = tuple[list[Entry], list[OSError]]
"""The files that were deleted, and what went wrong with others."""


def prune(storage: Storage, doomed: Sequence[Doomed]) -> Pruned:
    """Delete files, and return which were, and what kept others from it.

    The journal says that a file is removed, durably, before it is: a line whose file
    is still there harms nobody, and a file that is gone without one would be called
    missing. A file that is another one by now stays, as does one behind a link.

    Raises:
        OSError: If the journal cannot be written to; then nothing is deleted.
    """
    deleted: list[Entry] = []
    errors: list[OSError] = []
    for start in range(0, len(doomed), _AT_ONCE):
        some = doomed[start : start + _AT_ONCE]
        try:
            note_removals(storage, [record for _, record in some])
        except OSError as error:
            if not start:
                raise
            errors.append(error)
            break
        for file, _ in some:
            try:
                if storage.delete(file):
                    deleted.append(file)
            except OSError as error:
                error.filename = storage.path(file.name)
                errors.append(error)
    storage.tidy()
    return deleted, errors

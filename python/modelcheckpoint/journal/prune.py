"""Deleting the checkpoints that the user chose, each recorded in the journal first."""

from __future__ import annotations

from collections.abc import Sequence

from modelcheckpoint.journal.log import note_removals
from modelcheckpoint.records import Record
from modelcheckpoint.storage.base import Entry, Storage

__all__ = ["Pruned", "prune"]

Doomed = tuple[Entry, Record]

_AT_ONCE = 500
"""How many lines are flushed at once: one by one, thousands would take minutes."""

Pruned = tuple[list[Entry], list[OSError]]
"""The files that were deleted, and the errors for other files."""


def prune(storage: Storage, doomed: Sequence[Doomed]) -> Pruned:
    """Delete files, and return which were deleted, and the errors for others.

    The journal records each removal, durably, before the file is deleted: a line whose
    file still exists does no harm, but a file that is gone without a line would be
    reported as missing. A file that was replaced in the meantime stays, as does a file
    behind a link.

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

"""Delete checkpoints that the user chose, one by one and told in the journal."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence

from modelcheckpoint.journal.scan import File, is_still
from modelcheckpoint.records import Record, Removal
from modelcheckpoint.storage.directories import Directories
from modelcheckpoint.storage.local import LocalStorage

__all__ = ["Pruned", "prune"]

Doomed = tuple[File, Record]

_AT_ONCE = 500
"""So many lines are flushed at once: one at a time, thousands would take minutes."""

Pruned = tuple[list[File], list[OSError]]
"""The files that were deleted, and what went wrong with others."""


def prune(folder: str, doomed: Sequence[Doomed]) -> Pruned:
    """Delete files, and return which were, and what kept others from it.

    The journal says that a file is removed, durably, before it is: a line whose file
    is still there harms nobody, and a file that is gone without one would be called
    missing. A file that is another one by now stays, as does one behind a link.

    Raises:
        OSError: If the journal cannot be written to; then nothing is deleted.
    """
    storage = LocalStorage(folder)
    gone: list[File] = []
    errors: list[OSError] = []
    for start in range(0, len(doomed), _AT_ONCE):
        some = doomed[start : start + _AT_ONCE]
        try:
            storage.append(*(Removal.of(record).to_line() for _, record in some))
        except OSError as error:
            if not start:
                raise
            errors.append(error)
            break
        for file, _ in some:
            try:
                if is_still(folder, file) and storage.retire(file.name, file.bytes):
                    gone.append(file)
            except OSError as error:
                error.filename = storage.path(file.name)
                errors.append(error)
    _flush(storage, gone)
    return gone, errors


def _flush(storage: LocalStorage, gone: Sequence[File]) -> None:
    # After a power cut a file may be there again, whole, and is listed again.
    folders = Directories()
    for folder in {os.path.dirname(storage.path(file.name)) for file in gone}:
        with contextlib.suppress(OSError):
            folders.flush(folder)

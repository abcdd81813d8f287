"""Have a checkpoint written: by a background thread from a snapshot, or by Keras."""

from __future__ import annotations

import os
import tempfile
from functools import partial
from typing import Any

from modelcheckpoint.formats import Format
from modelcheckpoint.formats.internals import NoMemory
from modelcheckpoint.formats.snapshot import NeedsKeras, Snapshot
from modelcheckpoint.records import Record
from modelcheckpoint.results import Receipt
from modelcheckpoint.save.background import Background
from modelcheckpoint.save.commit import Commit
from modelcheckpoint.save.draft import Draft

__all__ = ["SMALL_ARRAYS", "SMALL_BYTES", "Pipeline"]

SMALL_BYTES, SMALL_ARRAYS = 8 << 20, 1000
"""Up to here training waits for a save: it takes no more than a few tens of
milliseconds, and a callback that comes later in the list finds the file.
"""


class Pipeline:
    """Has a model's state written and committed, from a snapshot if possible.

    Everything that touches the disk, except Keras' own writing, happens on the thread
    of `background`, which no interrupt can hit.

    Args:
        format: The format of the files.
        commit: Makes them checkpoints.
        background: Runs the saves, one at a time, and keeps their outcome.

    Attributes:
        fallback: Why the last model was saved by Keras' public API while training
            waited; None if it was not.
    """

    def __init__(self, format: Format, commit: Commit, background: Background) -> None:
        self.fallback: NeedsKeras | None = None
        self._format = format
        self._commit = commit
        self._background = background
        self._snapshotter = format.snapshotter()
        self._draft: Draft | None = None

    def expect(self, model: Any) -> None:
        """Prepare for the saves of a model that is about to be trained."""
        self._snapshotter.expect(model)

    def begin(self, model: Any, record: Record) -> bool:
        """Begin to save the model's current state; return whether that is done soon.

        Later changes to the model are not in the file. No earlier save may be under
        way, because all snapshots use the same memory.

        Args:
            model: The model.
            record: The checkpoint's record for the journal.
        """
        snapshot = self._snapshot(model)
        if snapshot is None:
            self._save_by_keras(model, record)
            return True
        self._background.start(partial(self._save, record, snapshot))
        return snapshot.nbytes <= SMALL_BYTES and snapshot.arrays <= SMALL_ARRAYS

    def save_nowhere(self, model: Any) -> None:
        """Save into a temporary folder, for a worker whose file is not kept."""
        with tempfile.TemporaryDirectory() as folder:
            self._format.write(
                model, os.path.join(folder, "x" + self._format.suffixes[0])
            )

    def release(self) -> None:
        """Release the memory kept for the next save, and tidy up."""
        self._snapshotter = self._format.snapshotter()
        self._draft = None
        self._commit.storage.tidy()

    def _save(self, record: Record, snapshot: Snapshot) -> Receipt:
        # Before anything else, even if the disk has no room for the file: values that
        # are held cost training memory.
        snapshot.complete()
        return self._commit.save(record, snapshot.write_to)

    def _snapshot(self, model: Any) -> Snapshot | None:
        try:
            snapshot = self._snapshotter.take(model)
        except NeedsKeras as error:
            # The frames of its traceback would keep the model's state alive.
            self.fallback = error.with_traceback(None)
            return None
        self.fallback = None
        return snapshot

    def _save_by_keras(self, model: Any, record: Record) -> None:
        """Have Keras write on this thread; the other one stages and commits.

        An interrupt can hit between any two steps here. The temporary file is then
        deleted when the draft is dropped, by the next save at the latest.
        """
        self._draft = draft = Draft(self._commit, record)
        self._background.start(draft.open)
        self._background.wait()
        if draft.staged is None:
            return  # staging failed, which is the outcome
        error: BaseException | None = None
        try:
            path, sparingly = draft.staged.path, isinstance(self.fallback, NoMemory)
            self._format.write(model, path, sparingly)
        except BaseException as raised:
            error = raised
        self._background.forget()
        self._background.start(partial(draft.finish, error))
        if self._commit.storage.is_near:
            self._background.wait()

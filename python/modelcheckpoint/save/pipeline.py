"""Who writes a checkpoint: a background thread from a snapshot, or Keras itself."""

from __future__ import annotations

import contextlib
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
from modelcheckpoint.storage.base import Digest, Staged

__all__ = ["SMALL_ARRAYS", "SMALL_BYTES", "Pipeline"]

SMALL_BYTES, SMALL_ARRAYS = 8 << 20, 1000
"""Up to here a save is made at once: it takes no more than a few tens of milliseconds,
and a callback that comes later in the list finds the file.
"""


class Pipeline:
    """Have a model's state written and committed, by the way that is open for it.

    All that touches the disk, but for what Keras itself writes, happens on the thread
    of `background`, where no interrupt strikes.

    Args:
        format: What the files hold.
        commit: Makes them checkpoints.
        background: Does so, and has what came of it. One save at a time.

    Attributes:
        fallback: Why the last model was saved by Keras' public API, while training
            waited; None where it was not so.
    """

    def __init__(self, format: Format, commit: Commit, background: Background) -> None:
        self.fallback: NeedsKeras | None = None
        self._format = format
        self._commit = commit
        self._background = background
        self._snapshotter = format.snapshotter()
        self._draft: _Draft | None = None

    def expect(self, model: Any) -> None:
        """Prepare for the saves of a model that is about to be trained."""
        self._snapshotter.expect(model)

    def begin(self, model: Any, record: Record) -> bool:
        """Begin to save the model as it is now, and return whether that is done soon.

        What becomes of the model afterwards is not in the file. None of the earlier
        saves may be under way: what it writes is in the memory of the next snapshot.

        Args:
            model: The model.
            record: What the journal will say of it.
        """
        snapshot = self._snapshot(model)
        if snapshot is None:
            self._save_by_keras(model, record)
            return True
        write = partial(self._write, snapshot)
        self._background.start(partial(self._commit.save, record, write))
        return snapshot.nbytes <= SMALL_BYTES and snapshot.arrays <= SMALL_ARRAYS

    def save_nowhere(self, model: Any) -> None:
        """Go through the motions of a save, for a worker whose file is not kept."""
        with tempfile.TemporaryDirectory() as folder:
            self._format.write(
                model, os.path.join(folder, "x" + self._format.suffixes[0])
            )

    def release(self) -> None:
        """Give back what was kept for the next save, and tidy up."""
        self._snapshotter = self._format.snapshotter()
        self._draft = None
        self._commit.storage.tidy()

    def _snapshot(self, model: Any) -> Snapshot | None:
        try:
            snapshot = self._snapshotter.take(model)
        except NeedsKeras as error:
            # Its frames would hold what they saw of the model's state.
            self.fallback = error.with_traceback(None)
            return None
        self.fallback = None
        return snapshot

    def _write(self, snapshot: Snapshot, staged: Staged) -> Digest:
        return staged.write(snapshot.parts())

    def _save_by_keras(self, model: Any, record: Record) -> None:
        """Have Keras write on this thread, before and after which the other one works.

        An interrupt can come between any two steps here. The temporary file is then
        deleted when the draft is dropped, by the next save at the latest.
        """
        self._draft = draft = _Draft(self._commit, record)
        self._background.start(draft.open)
        self._background.wait()
        if draft.staged is None:
            return  # it could not be made: that is the outcome
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


class _Draft:
    """A temporary file that one thread makes and commits, and another one fills."""

    def __init__(self, commit: Commit, record: Record) -> None:
        self.staged: Staged | None = None
        self._commit, self._record = commit, record
        self._context = commit.stage(record.path)

    def open(self) -> None:
        self.staged = self._context.__enter__()

    def finish(self, error: BaseException | None) -> Receipt:
        """Commit what was written; where `error` came of that, delete it and raise."""
        with contextlib.ExitStack() as stack:
            stack.push(self._context)
            if error is not None:
                raise error
            assert self.staged is not None
            digest = self.staged.seal()
            return self._commit.publish(self._record, self.staged, digest)

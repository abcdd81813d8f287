"""Carry out an order: take the state, write, journal, publish, retire."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import partial
from typing import Any

from modelcheckpoint.decide.plan import Order
from modelcheckpoint.decide.retention import Keep
from modelcheckpoint.formats import Format
from modelcheckpoint.formats.internals import NoMemory
from modelcheckpoint.formats.snapshot import NeedsKeras, Snapshot, Snapshotter
from modelcheckpoint.records import Record, Removal
from modelcheckpoint.save.background import Saver
from modelcheckpoint.save.replacement import Caution, Replaced, Replacement
from modelcheckpoint.save.retirement import Retired, Retirement
from modelcheckpoint.storage.local import Digest, LocalStorage, NotFlushed

__all__ = ["SMALL_ARRAYS", "SMALL_BYTES", "Failure", "Pipeline", "Receipt", "Run"]

SMALL_BYTES, SMALL_ARRAYS = 8 << 20, 1000
"""Up to here a save is made at once: it takes no more than a few tens of milliseconds,
and a callback that comes later in the list finds the file.
"""


@dataclass(frozen=True)
class Run:
    """What all checkpoints of one run have in common.

    Attributes:
        id: Identifier of the run.
        template: `filepath` as the user gave it.
        monitor: Name of the monitored quantity.
        save_best_only: Whether each file is a best of its run.
        versions: Versions of this package, Keras and the backend.
    """

    id: str
    template: str
    monitor: str
    save_best_only: bool
    versions: Mapping[str, str]


@dataclass(frozen=True)
class Receipt:
    """A checkpoint that is durable under its final name.

    Attributes:
        order: What was ordered.
        record: Its line in the journal.
        path: Its absolute path.
        replaced: The file that had its name before, where there was one.
        retired: What became of older checkpoints that could go.
    """

    order: Order
    record: Record
    path: str
    replaced: Replaced | None
    retired: Retired


@dataclass(frozen=True)
class Failure:
    """A save that came to nothing.

    Attributes:
        order: What was ordered.
        error: Why it was not done.
    """

    order: Order
    error: BaseException


class Pipeline:
    """Turn orders into durable files, one at a time.

    After a failure at any step the file that had the name before is still there, and
    the temporary file is gone.

    Args:
        storage: Where the files go.
        format: What they hold.
        run: What they have in common.
        background: Whether training goes on while a file is written.
        keep: Which of this run's checkpoints are kept; None: all.
        best: The best checkpoint of the run so far, in an earlier process perhaps.
        caution: Which files of others are kept aside before their name is taken.

    Attributes:
        fallback: Why the last model was saved by Keras' public API, while training
            waited; None where it was not so.
    """

    def __init__(
        self,
        storage: LocalStorage,
        format: Format,
        run: Run,
        background: bool,
        keep: Keep | None = None,
        best: Record | None = None,
        caution: Caution | None = None,
    ) -> None:
        self.storage = storage
        self.format = format
        self.run = run
        self.background = background
        self.fallback: NeedsKeras | None = None
        self._snapshotter = Snapshotter(format)
        self._saver = Saver()
        self._order: Order | None = None
        self._draft: _Draft | None = None
        self._retirement = Retirement(storage, keep or Keep(), run.id, run.template)
        self._replacement = Replacement(
            storage,
            run.id,
            run.template,
            run.save_best_only,
            format.suffix,
            self._retirement,
            best,
            caution or Caution(),
        )

    @property
    def busy(self) -> bool:
        """Whether there is a save under way, or one that was not forgotten yet."""
        return self._saver.busy

    @property
    def best(self) -> Record | None:
        """The best checkpoint of the run so far, under the name that it has now."""
        return self._replacement.best

    def expect(self, model: Any) -> None:
        """Prepare for the saves of a model that is about to be trained."""
        self._snapshotter.expect(model)

    def save(self, model: Any, order: Order, mode: str, at_once: bool = False) -> None:
        """Begin to save the model as it is now; `outcome` tells what came of it.

        Args:
            model: The model; what becomes of it afterwards is not in the file.
            order: Where to, and why.
            mode: `"min"` or `"max"`.
            at_once: Return only once it is durable, or has failed.
        """
        if self.busy:  # and what it writes is in the memory of the next snapshot
            raise RuntimeError("a save is under way")
        snapshot = self._snapshot(model)
        if snapshot is None:
            self._save_by_keras(model, order, mode)
        else:
            self.save_snapshot(snapshot, order, mode, at_once)

    def save_snapshot(
        self, snapshot: Snapshot, order: Order, mode: str, at_once: bool
    ) -> None:
        """Begin to save a snapshot, as `save` does."""
        self._order = order
        finish = partial(self._finish, order=order, mode=mode, time=_now())
        self._saver.start(partial(self._by_snapshot, snapshot, order, finish))
        small = snapshot.nbytes <= SMALL_BYTES and snapshot.arrays <= SMALL_ARRAYS
        if at_once or small or not self.background:
            self._saver.wait()

    def outcome(self, wait: bool) -> Receipt | Failure | None:
        """Return what came of a save, once it has ended; it stays until `forget`.

        None while it goes on, or where there was none.
        """
        if wait:
            self._saver.wait()
        outcome = self._saver.outcome()
        if outcome is None:
            return None
        receipt, error = outcome
        assert self._order is not None  # of which this came
        return receipt if error is None else Failure(self._order, error)

    def forget(self) -> None:
        """Forget what came of the last save, so that the next one may begin."""
        self._saver.forget()

    def wait(self) -> None:
        """Return when no save is under way."""
        self._saver.wait()

    def release(self) -> None:
        """Give back what was kept for the next save, and tidy up."""
        self._snapshotter = Snapshotter(self.format)
        self._draft = None
        self.storage.tidy()

    def _snapshot(self, model: Any) -> Snapshot | None:
        try:
            snapshot = self._snapshotter.take(model)
        except NeedsKeras as error:
            # Its frames would hold what they saw of the model's state.
            self.fallback = error.with_traceback(None)
            return None
        self.fallback = None
        return snapshot

    def _by_snapshot(
        self, snapshot: Snapshot, order: Order, finish: Callable[..., Receipt]
    ) -> Receipt:
        with self.storage.temporary(order.path, self.format.suffix) as temporary:
            return finish(temporary, self.storage.write(temporary, snapshot.parts()))

    def _save_by_keras(self, model: Any, order: Order, mode: str) -> None:
        """Have Keras write on this thread; all else happens on the saver's.

        An interrupt can come between any two steps here. The temporary file is then
        deleted when the draft is dropped, by the next save at the latest.
        """
        self._order = order
        finish = partial(self._finish, order=order, mode=mode, time=_now())
        self._draft = draft = _Draft(self.storage, order.path, self.format.suffix)
        self._saver.start(draft.open)
        self._saver.wait()
        if draft.path is None:
            return  # it could not be made: that is the outcome
        error: BaseException | None = None
        try:
            self.format.write(model, draft.path, isinstance(self.fallback, NoMemory))
        except BaseException as raised:
            error = raised
        self._saver.forget()
        self._saver.start(partial(self._from_draft, draft, finish, error))
        self._saver.wait()

    def _from_draft(
        self,
        draft: _Draft,
        finish: Callable[..., Receipt],
        error: BaseException | None,
    ) -> Receipt:
        with draft:
            if error is not None:
                raise error
            assert draft.path is not None
            return finish(draft.path, self.storage.seal(draft.path))

    def _finish(
        self, temporary: str, digest: Digest, order: Order, mode: str, time: str
    ) -> Receipt:
        record = self._record(order, mode, digest, time)
        replaced = self._replacement.prepare(record)
        # The line before the name: were the process killed between a rename and a
        # later line, a good file would have a fixed name that the journal calls
        # damaged. A line whose file never came is no error to any reader.
        self.storage.append(record.to_line())
        try:
            self.storage.publish(temporary, order.path)
        except NotFlushed:
            self._replacement.done(record, replaced)
            raise
        except OSError:
            self._note_failure(temporary, record)
            raise
        self._replacement.done(record, replaced)
        # Only now: whatever happens before, as much as was asked for is there.
        retired = self._retirement.retire(record)
        return Receipt(order, record, self.storage.path(order.path), replaced, retired)

    def _note_failure(self, temporary: str, record: Record) -> None:
        if os.path.exists(temporary):  # it has not got its name
            with contextlib.suppress(OSError):
                self.storage.append(Removal.of(record, never_came=True).to_line())

    def save_nowhere(self, model: Any) -> None:
        """Go through the motions of a save, for a worker whose file is not kept."""
        with tempfile.TemporaryDirectory() as folder:
            self.format.write(model, os.path.join(folder, "x" + self.format.suffix))

    def _record(self, order: Order, mode: str, digest: Digest, time: str) -> Record:
        moment = order.moment
        return Record(
            path=order.path,
            epoch=moment.epoch,
            batch=None if moment.at_end else moment.batch,
            samples=moment.samples,
            logs=dict(moment.logs),
            monitor=self.run.monitor,
            value=order.value,
            mode=mode,
            best=order.improved,
            format=self.format.name,
            bytes=digest.bytes,
            crc32=digest.crc32,
            time=time,
            run=self.run.id,
            template=self.run.template,
            versions=self.run.versions,
            epochs_done=moment.epochs_done,  # type: ignore[arg-type]  # it is derived
            since=order.since,
            seeds=order.state.seeds,
            random=order.state.random,
            global_seed=order.state.global_seed,
            states=order.state.states,
            averaged=order.state.averaged,
            build=order.state.build,
            optimizer=order.state.optimizer,
        )


class _Draft:
    """A temporary file that one thread makes and deletes, and another one fills."""

    def __init__(self, storage: LocalStorage, name: str, suffix: str) -> None:
        self.path: str | None = None
        self._temporary = storage.temporary(name, suffix)

    def open(self) -> None:
        self.path = self._temporary.__enter__()

    def __enter__(self) -> None:
        pass

    def __exit__(self, *raised: Any) -> None:
        self._temporary.__exit__(*raised)


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")

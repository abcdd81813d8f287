"""Carry out an order: write, journal, publish."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Any

from modelcheckpoint.decide.monitor import improves
from modelcheckpoint.decide.naming import aside_name
from modelcheckpoint.decide.plan import Order
from modelcheckpoint.records import Record
from modelcheckpoint.save.formats import Format
from modelcheckpoint.storage import journal
from modelcheckpoint.storage.local import LocalStorage, Sealed

__all__ = ["Pipeline", "Receipt", "Run"]


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
        record: Its line in the journal.
        path: Its absolute path.
        aside: Where an earlier run's better checkpoint of that name is now, or None.
    """

    record: Record
    path: str
    aside: Record | None


class Pipeline:
    """Turn orders into durable files, one at a time.

    After a failure at any step the file that had the name before is still there, and
    the temporary file is gone.
    """

    def __init__(self, storage: LocalStorage, format: Format, run: Run) -> None:
        self.storage = storage
        self.format = format
        self.run = run
        self._earlier: list[Record] | None = None
        self._own: set[str] = set()

    def save(self, model: Any, order: Order, mode: str) -> Receipt:
        """Save the model as ordered, and return once it is durable."""
        with self.storage.temporary(order.path, self.format.suffix) as temporary:
            self.format.write(model, temporary)
            record = self._record(order, mode, self.storage.seal(temporary))
            aside = self._keep_better(record)
            # The line before the name: were the process killed between a rename and a
            # later line, a good file would have a fixed name that the journal calls
            # damaged. A line whose file never came is no error to any reader.
            self.storage.append(record.to_line())
            self.storage.publish(temporary, order.path)
        self._own.add(order.path)
        return Receipt(record, self.storage.path(order.path), aside)

    def save_nowhere(self, model: Any) -> None:
        """Go through the motions of a save, for a worker whose file is not kept."""
        with tempfile.TemporaryDirectory() as folder:
            self.format.write(model, os.path.join(folder, "x" + self.format.suffix))

    def _record(self, order: Order, mode: str, sealed: Sealed) -> Record:
        moment = order.moment
        return Record(
            path=order.path,
            epoch=moment.epoch,
            batch=moment.batch,
            samples=moment.samples,
            logs=dict(moment.logs),
            monitor=self.run.monitor,
            value=order.value,
            mode=mode,
            best=order.improved,
            format=self.format.name,
            bytes=sealed.bytes,
            crc32=sealed.crc32,
            time=datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
            run=self.run.id,
            template=self.run.template,
            versions=self.run.versions,
        )

    def _keep_better(self, record: Record) -> Record | None:
        """Keep aside an earlier run's better checkpoint that has this name."""
        if record.path in self._own:
            return None
        earlier = self._earlier_records()
        if not any(r.path == record.path for r in earlier):
            return None
        sealed = self.storage.measure(record.path)
        old = journal.matching(earlier, record.path, sealed) if sealed else None
        if old is None or not self._is_better(old, record, earlier):
            return None
        name = aside_name(record.path, old.run, self.format.suffix)
        kept = replace(old, path=self.storage.keep_aside(record.path, name))
        self.storage.append(kept.to_line())
        return kept

    def _is_better(self, old: Record, new: Record, earlier: list[Record]) -> bool:
        if old.monitor != new.monitor or not improves(old.value, None, new.mode):
            return False
        if improves(new.value, None, new.mode) and not improves(
            old.value, new.value, new.mode
        ):
            return False
        if self.run.save_best_only:
            return True
        # Every epoch is saved, so most files are nobody's best: keep the one that is.
        bests = [r for r in earlier if r.run == old.run and r.best]
        return bool(bests) and bests[-1].path == old.path

    def _earlier_records(self) -> list[Record]:
        if self._earlier is None:
            records = journal.read(self.storage.folder)
            self._earlier = [r for r in records if r.run != self.run.id]
        return self._earlier

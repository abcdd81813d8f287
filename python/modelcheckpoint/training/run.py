"""What lasts from one `fit` to the next, until the model changes."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from modelcheckpoint import __version__
from modelcheckpoint.decide.monitor import direction_of
from modelcheckpoint.decide.plan import Order, Plan
from modelcheckpoint.decide.triggers import Every, Seconds
from modelcheckpoint.journal.log import now
from modelcheckpoint.observe.direction import stated_direction
from modelcheckpoint.observe.keras_models import versions_of
from modelcheckpoint.records import Record
from modelcheckpoint.report.reporter import Reporter
from modelcheckpoint.settings import Settings

__all__ = ["CopiedRun", "Run"]


@dataclass(frozen=True)
class CopiedRun:
    """What a copy of a callback goes on from, in a run of its own.

    Not the identifier: by that a run knows which files it may replace and delete, and
    the original's are none of the copy's.

    Attributes:
        best: The best value so far; None before.
        since: What was counted since a save last fell due.
        best_record: Of the best checkpoint; None before.
    """

    best: float | None
    since: int
    best_record: Record | None


class Run:
    """One run: what all its checkpoints share, and what they have come to.

    Args:
        settings: Of the callback.
        reporter: Warns where nothing tells which direction of `monitor` is better.
        copied: Of the callback that this one is a copy of, or None.

    Attributes:
        id: Identifier of the run; that of an earlier one, once it was resumed.
        plan: Decides on its saves, and has the best value.
        saved_ever: Whether anything was saved in it.
        best_record: Of its best checkpoint; None before.
    """

    def __init__(
        self, settings: Settings, reporter: Reporter, copied: CopiedRun | None = None
    ) -> None:
        seconds = settings.save_seconds
        self.plan = Plan(
            settings.template,
            Every(settings.every),
            settings.monitor,
            settings.save_best_only,
            settings.initial_value_threshold,
            None if seconds is None else Seconds(seconds),
        )
        began = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
        self.id = f"{began}-{secrets.token_hex(3)}"
        self.saved_ever = False
        self.best_record: Record | None = None
        self._mode = None if settings.mode == "auto" else settings.mode
        self._settings, self._reporter = settings, reporter
        if copied is not None:
            self.plan.best, self.best_record = copied.best, copied.best_record
            self.plan.trigger.since = copied.since

    def copied(self) -> CopiedRun:
        """Return what a copy of the callback goes on from."""
        return CopiedRun(self.plan.best, self.plan.trigger.since, self.best_record)

    def mode(self, model: Any, logs: Mapping[str, Any]) -> str:
        """Return which direction of `monitor` is better, `"min"` or `"max"`.

        With `mode="auto"` this is found out once, for the whole run.

        Args:
            model: In training, whose metrics are asked first.
            logs: What is there to compare.
        """
        if self._mode is None:
            monitor = self._settings.monitor
            mode = stated_direction(model, monitor) or direction_of(monitor)
            if mode is None and monitor not in logs:
                return "min"  # there is nothing to compare
            if mode is None:
                self._reporter.unknown_direction()
            self._mode = mode or "min"
        return self._mode

    def record(self, order: Order, state: Mapping[str, Any], model: Any) -> Record:
        """Return what the journal will say of a save that begins now.

        Its size and checksum are those of a file that is yet to be written.

        Args:
            order: What was decided.
            state: What was read of the model, by the record's names.
            model: That is saved.
        """
        moment = order.moment
        return Record(
            path=order.path,
            epoch=moment.epoch,
            batch=None if moment.at_end else moment.batch,
            samples=moment.samples,
            logs=dict(moment.logs),
            monitor=self._settings.monitor,
            value=order.value,
            mode=order.mode,
            best=order.improved,
            format=self._settings.format.name,
            bytes=0,
            crc32="",
            time=now(),
            run=self.id,
            template=self._settings.filepath,
            versions={"modelcheckpoint": __version__, **versions_of(model)},
            epochs_done=moment.epochs_done,  # type: ignore[arg-type]  # it is derived
            since=order.since,
            **state,
        )

"""The run of a callback, which lasts over several `fit`s until the model changes."""

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
    """The state from which a copy of a callback continues, in a run of its own.

    The identifier is not copied: it shows which files a run may replace and delete, and
    a copy must leave the original's files alone.

    Attributes:
        best: The best value so far, or None.
        since: The count since the last due save.
        best_record: The record of the best checkpoint, or None.
    """

    best: float | None
    since: int
    best_record: Record | None


class Run:
    """One run: what all its checkpoints share, and the best of them.

    Args:
        settings: The callback's settings.
        reporter: Warns if it is unknown which direction of `monitor` is better.
        copied: The state of the callback from which this one was copied, or None.

    Attributes:
        id: Identifier of the run, taken over from an earlier run if that is resumed.
        plan: Decides on its saves, and has the best value.
        saved_ever: Whether anything was saved in it.
        best_record: The record of its best checkpoint, or None.
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
        """Return the state from which a copy of the callback continues."""
        return CopiedRun(self.plan.best, self.plan.trigger.since, self.best_record)

    def mode(self, model: Any, logs: Mapping[str, Any]) -> str:
        """Return which direction of `monitor` is better, `"min"` or `"max"`.

        With `mode="auto"` this is determined once, for the whole run.

        Args:
            model: The model in training, whose metrics are asked first.
            logs: The values that can be compared.
        """
        if self._mode is None:
            monitor = self._settings.monitor
            mode = stated_direction(model, monitor) or direction_of(monitor)
            if mode is None and monitor not in logs:
                return "min"  # nothing to compare yet
            if mode is None:
                self._reporter.unknown_direction()
            self._mode = mode or "min"
        return self._mode

    def record(self, order: Order, state: Mapping[str, Any], model: Any) -> Record:
        """Return the record of a save that begins now.

        Its size and checksum are still to be filled in.

        Args:
            order: The order to save.
            state: The state from `state_of`, by the record's field names.
            model: The model that is saved.
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
            epochs_done=moment.epochs_done,  # type: ignore[arg-type]  # derived
            since=order.since,
            **state,
        )

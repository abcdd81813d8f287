"""Decide at one moment of training whether to save: an order, or a reason not to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Union

from modelcheckpoint.decide.monitor import improves
from modelcheckpoint.decide.naming import COUNTERS, Template
from modelcheckpoint.decide.triggers import Every, Seconds

__all__ = ["Moment", "Order", "Plan", "Skip"]

Number = Union[int, float]


@dataclass(frozen=True)
class Moment:
    """A moment of training.

    Attributes:
        epoch: The epoch, from 1.
        batch: Batch of this epoch, from 1; None if batches are not watched.
        samples: Samples seen since training began; None if they are not counted.
        logs: The numbers that Keras reported.
        epochs_done: The number of complete epochs; None if unknown.
        at_end: Whether this is the end of an epoch and `save_freq` counts epochs.
    """

    epoch: int
    batch: int | None
    samples: int | None
    logs: Mapping[str, Number]
    epochs_done: int | None = None
    at_end: bool = False


@dataclass(frozen=True)
class Order:
    """An order to save the model now.

    Attributes:
        moment: The current moment of training.
        path: Name of the file, relative to the template's folder.
        missing: Fields of the template that had no value.
        value: The monitored value, or None.
        mode: Which direction of it is better, `"min"` or `"max"`.
        improved: Whether it is the best so far.
        best: The best before this one, or None.
        since: The count since the last due save.
    """

    moment: Moment
    path: str
    missing: tuple[str, ...]
    value: Number | None
    mode: str
    improved: bool
    best: float | None
    since: int | None = None


@dataclass(frozen=True)
class Skip:
    """A due save that was not ordered, because the monitored value did not improve.

    Attributes:
        moment: The current moment of training.
        value: The monitored value; None if `logs` had none.
        best: The best so far.
    """

    moment: Moment
    value: Number | None
    best: float | None


class Plan:
    """Decide at each moment whether to save, and under which name.

    Args:
        template: The file name.
        trigger: Counts the units between two saves.
        monitor: Key in `logs` that decides what is best.
        save_best_only: Whether only an improvement is saved.
        best: The value that the first save must beat, or None.
        seconds: Measures the time between two saves, or None.

    Attributes:
        best: The best value so far, or None.
        waits: Whether a save waits for the end of this epoch.
    """

    def __init__(
        self,
        template: Template,
        trigger: Every,
        monitor: str,
        save_best_only: bool,
        best: float | None,
        seconds: Seconds | None = None,
    ) -> None:
        self.template = template
        self.trigger = trigger
        self.monitor = monitor
        self.save_best_only = save_best_only
        self.best = best
        self.seconds = seconds
        self.waits = False

    def start(self, now: float | None = None) -> None:
        """Begin a training; a postponed save of an interrupted one is forgotten.

        Args:
            now: Seconds of a monotonic clock, here and below.
        """
        self.waits = False
        if self.seconds is not None and now is not None:
            self.seconds.start(now)

    def go_on(self, best: float | None, mode: str, since: int | None) -> None:
        """Continue from where another training was saved.

        Args:
            best: The best value that it saved up to there, or None.
            mode: `"min"` or `"max"`.
            since: The count since its last due save.
        """
        if improves(best, self.best, mode):
            self.best = best
        self.trigger.since = min(since or 0, self.trigger.interval - 1)

    def due(self, amount: int, now: float | None = None) -> bool:
        """Count `amount` epochs, batches or samples; return whether a save is due.

        With `now`, a save can also be due by time.
        """
        counted = self.trigger.advance(amount)
        if self.seconds is None or now is None:
            return counted
        return self.seconds.is_due(now) or counted

    def in_epoch(self, moment: Moment, mode: str) -> Order | Skip | None:
        """Decide on a save that fell due in the middle of an epoch.

        It is None if the decision or the name needs a key, such as `val_loss`, that
        exists only at the epoch's end: then one save is made there.
        """
        needed = set(self.template.fields) - set(COUNTERS)
        if self.save_best_only:
            needed.add(self.monitor)
        if needed - set(moment.logs):
            self.waits = True
            return None
        return self._decide(moment, mode)

    def at_epoch_end(
        self, moment: Moment, mode: str, due: bool = False
    ) -> Order | Skip | None:
        """Decide on a save that is `due` now, or was postponed to the epoch's end."""
        return self.at_exit(moment, mode) if due or self.waits else None

    def at_exit(self, moment: Moment, mode: str) -> Order | Skip:
        """Decide on the last save of a training."""
        self.waits = False
        return self._decide(moment, mode)

    def begun(self, now: float) -> None:
        """Note that a save has begun, and training continues."""
        if self.seconds is not None:
            self.seconds.restart(now)

    def saved(self, order: Order) -> None:
        """Note that an order was carried out: only then is its value the best.

        A failed save leaves the best as it was, so the next value that is better than
        the one on disk is saved.
        """
        if order.improved and order.value is not None:
            self.best = float(order.value)

    def _decide(self, moment: Moment, mode: str) -> Order | Skip:
        value = moment.logs.get(self.monitor)
        improved = improves(value, self.best, mode)
        if self.save_best_only and not improved:
            return Skip(moment, value, self.best)
        name = self.template.fill(_fields(moment))
        return Order(
            moment,
            name.path,
            name.missing,
            value,
            mode,
            improved,
            self.best,
            self.trigger.since,
        )


def _fields(moment: Moment) -> dict[str, Number]:
    # A metric can be called `batch` or `samples`, and a loop may put the number of the
    # batch, from 0, into `logs`. In a name the counters are always ours.
    counts = {name: getattr(moment, name) for name in COUNTERS}
    values = {key: value for key, value in moment.logs.items() if key not in counts}
    known = {name: count for name, count in counts.items() if count is not None}
    return {**values, **known}

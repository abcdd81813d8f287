"""Decide at one moment of training: an order to save, or the reason not to."""

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
    """Where training stands.

    Attributes:
        epoch: From 1.
        batch: Batch of this epoch, from 1; None where batches are not watched.
        samples: Seen since training began; None where they are not counted.
        logs: What Keras reported, numbers only.
        epochs_done: How many epochs are complete; None where that is not known.
        at_end: Whether this is the end of an epoch, and epochs are what is counted.
    """

    epoch: int
    batch: int | None
    samples: int | None
    logs: Mapping[str, Number]
    epochs_done: int | None = None
    at_end: bool = False


@dataclass(frozen=True)
class Order:
    """Save the model, now.

    Attributes:
        moment: Where training stands.
        path: Name of the file, relative to the template's folder.
        missing: Fields of the template that had no value.
        value: The monitored value, None where there is none.
        mode: Which direction of it is better, `"min"` or `"max"`.
        improved: Whether it is the best so far.
        best: The best before this one, None where there was none.
        since: What was counted since a save last fell due.
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
    """A save fell due and was not ordered: the monitored value did not allow it.

    Attributes:
        moment: Where training stands.
        value: The monitored value; None where `logs` had none.
        best: The best so far.
    """

    moment: Moment
    value: Number | None
    best: float | None


class Plan:
    """Decide at each moment whether to save, and under which name.

    Args:
        template: The file name.
        trigger: Counts what lies between two saves.
        monitor: Key in `logs` that decides what is best.
        save_best_only: Whether only an improvement is saved.
        best: The value that the first must beat, or None.
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
        """Begin a training; a save that an interrupted one waited for is forgotten.

        Args:
            now: Seconds of a clock that is never set back, here and below.
        """
        self.waits = False
        if self.seconds is not None and now is not None:
            self.seconds.start(now)

    def go_on(self, best: float | None, mode: str, since: int | None) -> None:
        """Take up where another training was saved.

        Args:
            best: The best value of what it saved up to there; None if there is none.
            mode: `"min"` or `"max"`.
            since: What was counted since a save last fell due.
        """
        if improves(best, self.best, mode):
            self.best = best
        self.trigger.since = min(since or 0, self.trigger.interval - 1)

    def due(self, amount: int, now: float | None = None) -> bool:
        """Count `amount` epochs, batches or samples; return whether to `decide`.

        With `now`, also if it is time.
        """
        counted = self.trigger.advance(amount)
        if self.seconds is None or now is None:
            return counted
        return self.seconds.is_due(now) or counted

    def in_epoch(self, moment: Moment, mode: str) -> Order | Skip | None:
        """Decide on a save that fell due in the middle of an epoch.

        None where the decision or the name needs a key, such as `val_loss`, that
        there is only at the epoch's end: the save is then taken there, once.
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
        """Decide on a save that is `due` now, or that waited for the epoch's end."""
        return self.at_exit(moment, mode) if due or self.waits else None

    def at_exit(self, moment: Moment, mode: str) -> Order | Skip:
        """Decide on the last save of a training."""
        self.waits = False
        return self._decide(moment, mode)

    def begun(self, now: float) -> None:
        """Take note that a save was begun, and training goes on."""
        if self.seconds is not None:
            self.seconds.restart(now)

    def saved(self, order: Order) -> None:
        """Take note that an order was carried out: only then is its value the best.

        A save that failed leaves the best as it was, so that the next value which is
        better than what is on disk is tried again.
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
    # A metric can be called `batch` or `samples`, too, and a loop may put the number of
    # the batch, from 0, into `logs`: in a name the counters are always ours.
    counts = {name: getattr(moment, name) for name in COUNTERS}
    values = {key: value for key, value in moment.logs.items() if key not in counts}
    known = {name: count for name, count in counts.items() if count is not None}
    return {**values, **known}

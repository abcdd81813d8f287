"""Make a running `fit` start at another epoch.

Keras' own BackupAndRestore does it by these private names, after `on_train_begin`:
Keras 3 looks at `model._initial_epoch`, Keras 2 asks `model._training_state`. Neither
is set back by Keras, and the next `fit` would train nothing.
"""

from __future__ import annotations

from typing import Any

__all__ = ["Start", "start_at", "started", "take_back"]


class Start(int):
    """The epoch at which to start, from 0: how many are done.

    Attributes:
        samples: Seen up to there; None where nobody knows.
    """

    samples: int | None = None

    @property
    def moment(self) -> tuple[int, int]:
        """How far the training was; of two the later one is larger."""
        return int(self), self.samples or 0


class _TrainingState:
    """What Keras 2 asks where a training goes on."""

    def __init__(self, start: Start) -> None:
        self.start = start

    def maybe_load_initial_counters_from_ckpt(
        self, steps: Any, initial_epoch: int, mode: Any
    ) -> tuple[int, int]:
        """Return the epoch and the batch at which to start, from 0."""
        return int(self.start), 0


def start_at(model: Any, epoch: int, samples: int | None) -> Start:
    """Ask for a first epoch, from 0; whether Keras listens is seen when it begins."""
    start = Start(epoch)
    start.samples = samples
    if hasattr(model, "_initial_epoch"):
        model._initial_epoch = start
    elif hasattr(model, "_training_state"):
        model._training_state = _TrainingState(start)
    return start


def started(model: Any) -> Start | None:
    """Return what was asked for here, by whichever callback, or None."""
    start = getattr(model, "_initial_epoch", None)
    state = getattr(model, "_training_state", None)
    start = state.start if isinstance(state, _TrainingState) else start
    return start if isinstance(start, Start) else None


def take_back(model: Any, start: Start | None) -> None:
    """Take back what was asked: the next `fit` starts where its caller says.

    What another callback has asked for since, or BackupAndRestore, stays.
    """
    if start is None or started(model) is not start:
        return
    if getattr(model, "_initial_epoch", None) is start:
        model._initial_epoch = None
    else:
        model._training_state = None

"""Have a `fit` that has begun start at another epoch than its first.

Keras' own BackupAndRestore does it by these private names, after `on_train_begin`:
Keras 3 looks at `model._initial_epoch`, Keras 2 asks `model._training_state`. Neither
is set back by Keras, and the next `fit` would train nothing.
"""

from __future__ import annotations

from typing import Any

__all__ = ["start_as_asked", "start_at"]


class _Epoch(int):
    """An epoch that was asked for here, and not by Keras' BackupAndRestore."""


class _TrainingState:
    """What Keras 2 asks where a training goes on."""

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch

    def maybe_load_initial_counters_from_ckpt(
        self, steps: Any, initial_epoch: int, mode: Any
    ) -> tuple[int, int]:
        """Return the epoch and the batch at which to start, from 0."""
        return self.epoch, 0


def start_at(model: Any, epoch: int) -> None:
    """Ask for a first epoch, from 0; whether Keras listens is seen when it begins."""
    if hasattr(model, "_initial_epoch"):
        model._initial_epoch = _Epoch(epoch)
    elif hasattr(model, "_training_state") and model._training_state is None:
        model._training_state = _TrainingState(epoch)


def start_as_asked(model: Any) -> None:
    """Take back what was asked here: each `fit` starts where its caller says."""
    if isinstance(getattr(model, "_initial_epoch", None), _Epoch):
        model._initial_epoch = None
    if isinstance(getattr(model, "_training_state", None), _TrainingState):
        model._training_state = None

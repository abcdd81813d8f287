"""Make a running `fit` start at another epoch.

Keras' own BackupAndRestore uses the same private names, which Keras reads after
`on_train_begin`: Keras 3 `model._initial_epoch`, Keras 2 `model._training_state`. Keras
resets neither of them, and then the next `fit` would train nothing.
"""

from __future__ import annotations

from typing import Any

__all__ = ["Start", "start_at", "started", "take_back"]


class Start(int):
    """The epoch at which to start, from 0, which is the number of epochs done.

    Attributes:
        samples: The samples seen up to there; None if unknown.
    """

    samples: int | None = None

    @property
    def moment(self) -> tuple[int, int]:
        """Epochs done and samples seen; of two starts the later one is larger."""
        return int(self), self.samples or 0


class _TrainingState:
    """The object that Keras 2 asks where to continue a training."""

    def __init__(self, start: Start) -> None:
        self.start = start

    def maybe_load_initial_counters_from_ckpt(
        self, steps: Any, initial_epoch: int, mode: Any
    ) -> tuple[int, int]:
        """Return the epoch and the batch at which to start, from 0."""
        return int(self.start), 0


def start_at(model: Any, epoch: int, samples: int | None) -> Start:
    """Request a first epoch, from 0; only its start shows whether Keras complies."""
    start = Start(epoch)
    start.samples = samples
    if hasattr(model, "_initial_epoch"):
        model._initial_epoch = start
    elif hasattr(model, "_training_state"):
        model._training_state = _TrainingState(start)
    return start


def started(model: Any) -> Start | None:
    """Return the start that a callback of ours, this or another, requested, or None."""
    start = getattr(model, "_initial_epoch", None)
    state = getattr(model, "_training_state", None)
    start = state.start if isinstance(state, _TrainingState) else start
    return start if isinstance(start, Start) else None


def take_back(model: Any, start: Start | None) -> None:
    """Withdraw a request, so that the next `fit` starts where its caller says.

    A later request by another callback, or by BackupAndRestore, stays.
    """
    if start is None or started(model) is not start:
        return
    if getattr(model, "_initial_epoch", None) is start:
        model._initial_epoch = None
    else:
        model._training_state = None

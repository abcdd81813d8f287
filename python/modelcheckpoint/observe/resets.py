"""Hear of it before a Keras metric is set back to zero.

`evaluate()` in the middle of an epoch, or a callback that calls `reset_metrics()`,
wipes out what a metric has gathered, and Keras tells nobody. So the metric's
`reset_state`, a public method, is one that tells, for as long as anybody listens.

Nothing else does: Keras calls the hooks of those callbacks alone that `evaluate()` was
given, and what it leaves in the metric looks like samples of the training. Where whole
epochs are counted no batch is watched, so that only this tells them apart.
"""

from __future__ import annotations

import weakref
from typing import Any, Protocol

__all__ = ["Listener", "hear_resets"]


class Listener(Protocol):
    """Somebody who wants to look at a metric before it is set back."""

    def before_reset(self) -> None:
        """Look; what is raised here would end the training."""


def hear_resets(metric: Any, listener: Listener) -> None:
    """Call `listener.before_reset()` before each `metric.reset_state()`.

    The listener is held weakly: when it is gone, so is what stands in `reset_state`.
    """
    announced = vars(metric).get("reset_state")
    if not isinstance(announced, _Announced):
        announced = _Announced(metric)
        # Not by setattr, which in Keras tracks what it is given.
        vars(metric)["reset_state"] = announced
    announced.listeners.add(listener)


class _Announced:
    """A metric's `reset_state` that first tells those who listen."""

    def __init__(self, metric: Any) -> None:
        self.listeners: weakref.WeakSet[Listener] = weakref.WeakSet()
        self._metric = metric
        self._reset = metric.reset_state

    def __call__(self) -> None:
        listeners = list(self.listeners)
        for listener in listeners:
            listener.before_reset()
        if not listeners:
            vars(self._metric).pop("reset_state", None)
        self._reset()

    def __reduce__(self) -> Any:
        # A copied or pickled metric resets itself, and nobody listens.
        return getattr, (self._metric, "reset_state")

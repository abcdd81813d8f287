"""Call listeners before a Keras metric is reset.

`evaluate()` in the middle of an epoch, or a callback that calls `reset_metrics()`,
erases a metric's values, and Keras does not announce it. So the metric's `reset_state`,
a public method, is replaced by one that calls its listeners first, while there are any.

There is no other way: Keras calls only the hooks of callbacks that were passed to
`evaluate()`, and its samples in the metric look like those of the training. If whole
epochs are counted, no batch is watched, and only this distinguishes them.
"""

from __future__ import annotations

import weakref
from typing import Any, Protocol

__all__ = ["Listener", "hear_resets"]


class Listener(Protocol):
    """An object that reads a metric before it is reset."""

    def before_reset(self) -> None:
        """Read the metric; an error raised here would end the training."""


def hear_resets(metric: Any, listener: Listener) -> None:
    """Call `listener.before_reset()` before each `metric.reset_state()`.

    The listener is held weakly. Without listeners `reset_state` is the original again.
    """
    announced = vars(metric).get("reset_state")
    if not isinstance(announced, _Announced):
        announced = _Announced(metric)
        # Not with `setattr`, because Keras tracks the values of attributes.
        vars(metric)["reset_state"] = announced
    announced.listeners.add(listener)


class _Announced:
    """A metric's `reset_state` that calls its listeners first."""

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
        # A copied or pickled metric has its own `reset_state` and no listeners.
        return getattr, (self._metric, "reset_state")

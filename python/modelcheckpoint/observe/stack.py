"""Which running fits does a callback serve already?

Keras calls no hook when a `fit` ends by an exception, so a callback cannot know from
its hooks whether an earlier `fit` still runs. The stack knows.
"""

from __future__ import annotations

import sys
from typing import Any

__all__ = ["fits_that_call"]


def fits_that_call(callback: Any) -> int:
    """Return how many running fits, one inside the other, have this callback.

    Each has a local variable `callbacks`, which is Keras' list of them. A `fit` on
    another thread is not seen.
    """
    found: dict[int, Any] = {}
    frame = sys._getframe(1) if hasattr(sys, "_getframe") else None
    while frame is not None:
        held = frame.f_locals.get("callbacks")
        if hasattr(held, "on_train_batch_end") and _holds(held, callback):
            found[id(held)] = held
        frame = frame.f_back
    return len(found)


def _holds(callback_list: Any, callback: Any) -> bool:
    held = getattr(callback_list, "callbacks", None)
    return isinstance(held, (list, tuple)) and any(one is callback for one in held)

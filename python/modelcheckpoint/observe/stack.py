"""Find the running fits that have a callback, on the stack.

Keras calls no hook when a `fit` ends by an exception, so a callback cannot know from
its hooks whether an earlier `fit` still runs. The stack shows it.

The stack is searched when a training begins and when a signal ends one, but never at a
save. Up to Python 3.12, reading the local variables of a running function keeps their
values alive until they are read again. TensorFlow's `fit` would keep the iterator of an
epoch until the save after the next one, which waited up to 5 seconds for its threads.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Iterator
from types import CodeType, FrameType
from typing import Any

__all__ = ["TrainingOnStack", "callbacks_beside", "fit_runs", "fits_that_call"]

_KERAS = ("keras", "tf_keras")


def fits_that_call(callback: Any) -> int:
    """Return how many running fits, one inside the other, have this callback.

    Each has a local variable `callbacks`, Keras' list of them. A `fit` on another
    thread is not found.
    """
    return len(_lists_with(callback))


def callbacks_beside(callback: Any) -> list[Any]:
    """Return all callbacks of the innermost running fit that has this one."""
    lists = _lists_with(callback)
    return list(lists[0].callbacks) if lists else []


def fit_runs(model: Any) -> bool:
    """Return whether Keras' own `fit` of this model runs on the current thread.

    `params` does not show this: it stays after a `fit`, and a custom loop that calls
    the hooks may set it.
    """
    return any(
        frame.f_code.co_name == "fit"
        and _package(frame) in _KERAS
        and frame.f_locals.get("self") is model
        for frame in _stack(sys._getframe(1))
    )


class TrainingOnStack:
    """The training that begins now, to find out later whether it still runs.

    A `fit` runs as long as it is on the stack; a custom loop runs as long as its
    function is. The stack is that of the thread which calls `runs`.

    Args:
        callback: The training's callback; it is not kept alive.
    """

    def __init__(self, callback: Any) -> None:
        self._callback = weakref.ref(callback)
        in_fit = fits_that_call(callback) > 0
        self._loop = None if in_fit else _user_code()

    def runs(self) -> bool:
        """Return whether the training still runs."""
        callback = self._callback()
        if callback is None:
            return False
        if self._loop is None:
            return fits_that_call(callback) > 0
        return self._loop in map(_identity, _stack(sys._getframe(1)))


def _user_code() -> tuple[int, CodeType] | None:
    """Identify the innermost frame that is neither ours nor Keras'."""
    for frame in _stack(sys._getframe(1)):
        if _package(frame) not in ("modelcheckpoint", *_KERAS):
            return _identity(frame)
    return None


def _package(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0]


def _stack(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back


def _identity(frame: FrameType) -> tuple[int, CodeType]:
    # Not the frame itself, which would keep its function's variables alive.
    return id(frame), frame.f_code


def _lists_with(callback: Any) -> list[Any]:
    """Return Keras' lists of callbacks that hold this one, the innermost first."""
    lists: dict[int, Any] = {}
    for frame in _stack(sys._getframe(1)):
        candidate = frame.f_locals.get("callbacks")
        if hasattr(candidate, "on_train_batch_end") and _holds(candidate, callback):
            lists[id(candidate)] = candidate
    return list(lists.values())


def _holds(callback_list: Any, callback: Any) -> bool:
    members = getattr(callback_list, "callbacks", None)
    return isinstance(members, (list, tuple)) and any(
        member is callback for member in members
    )

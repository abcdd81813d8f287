"""Hold back Ctrl-C and SIGTERM until a callback has saved.

The first signal is only noted, and gives every signal its handler back, so that a
second one acts at once. When all that watch have saved, the signal is sent once more,
and does what it would have done. There is one handler of ours for each signal, however
many callbacks watch. Where none of their trainings runs any more (Keras tells no
callback that a `fit` ended by an exception) a signal passes through at once.
"""

from __future__ import annotations

import ctypes
import os
import signal
import threading
import weakref
from collections.abc import Callable
from types import FrameType
from typing import Any

__all__ = ["ExitSignals"]

SIGNALS = (signal.SIGINT, signal.SIGTERM)

_ENOUGH = 1024
"""Bytes that hold C's `struct sigaction`, which has 16 to 152."""


class ExitSignals:
    """Watches for a signal that is going to end the process, for one training.

    Args:
        runs: Tells whether the training still runs; called in a signal's handler.

    Attributes:
        noted: The signal that came and waits, or None.
    """

    def __init__(self, runs: Callable[[], bool]) -> None:
        self.runs = runs
        self.noted: signal.Signals | None = None
        weakref.finalize(self, _tidy).atexit = False

    def watch(self) -> bool:
        """Begin to watch, and return whether that is possible: on the main thread."""
        if threading.current_thread() is not threading.main_thread():
            return False
        for watcher in [w for w in _watchers if not w.runs()]:
            _watchers.discard(watcher)
        _watchers.add(self)
        for number in SIGNALS:
            _install(number)
        return True

    def stop(self) -> None:
        """End to watch; a signal that waits for this callback alone acts now.

        Raises:
            KeyboardInterrupt: As `hand_on` does.
        """
        _watchers.discard(self)
        _tidy()
        self.hand_on()

    def hand_on(self) -> None:
        """Let the signal act that was noted, if nobody else has to save before.

        Raises:
            KeyboardInterrupt: As the handler that was there before does. Another may
                not return at all, or return, and then training goes on.
        """
        noted, self.noted = self.noted, None
        _watchers.discard(self)
        if noted is not None and not any(w.noted and w.runs() for w in _watchers):
            signal.raise_signal(noted)


class _Handler:
    """Our handler of one signal, in the place of another."""

    def __init__(self, number: signal.Signals, before: Any, c_before: Any) -> None:
        self.number = number
        self._before, self._c_before = before, c_before
        self._process = os.getpid()

    def __call__(self, number: int, frame: FrameType | None) -> None:
        # A forked child, a loader of data say, has nothing to save.
        here = os.getpid() == self._process
        running = [w for w in _watchers if here and w.runs()]
        is_last = signal.getsignal(self.number) is self
        _restore_all()
        for watcher in running:
            watcher.noted = self.number
        if not running and is_last:
            signal.raise_signal(self.number)
        elif not running and callable(self._before):  # one that came later calls us
            self._before(number, frame)

    def restore(self) -> None:
        signal.signal(
            self.number, signal.SIG_DFL if self._before is None else self._before
        )
        if self._c_before is not None:  # under R this is none that Python knows of
            _sigaction(self.number, self._c_before)


_watchers: weakref.WeakSet[ExitSignals] = weakref.WeakSet()


def _install(number: signal.Signals) -> None:
    """Take the place of a signal's handler, unless it is ours or ignores the signal."""
    before, c_before = signal.getsignal(number), _sigaction(number)
    unknown = before is None and c_before is None  # and so could not be given back
    if not (before is signal.SIG_IGN or isinstance(before, _Handler) or unknown):
        signal.signal(number, _Handler(number, before, c_before))


def _restore_all() -> None:
    """Give the signals their handlers back, but for those that others have taken."""
    for number in SIGNALS:
        handler = signal.getsignal(number)
        if isinstance(handler, _Handler):
            handler.restore()


def _tidy() -> None:
    """Give the signals their handlers back where nobody watches any more."""
    on_main = threading.current_thread() is threading.main_thread()
    if on_main and not any(True for _ in _watchers):  # its length counts the dead, too
        _restore_all()


def _sigaction(number: int, new: Any = None) -> Any:
    """Return what C has as a signal's handler, or set it; None where C has no such."""
    try:
        function = ctypes.CDLL(None).sigaction
    except (AttributeError, OSError, TypeError):  # Windows
        return None
    old = ctypes.create_string_buffer(_ENOUGH)
    return old if function(int(number), new, old) == 0 else None

"""Hold back Ctrl-C and SIGTERM until a callback has saved.

The first signal is only noted, and all signals get their previous handlers back, so a
second one acts at once. When all watchers have saved, the signal is sent again and does
what it would have done. We install one handler for each signal, however many callbacks
watch. If none of their trainings runs any more (Keras calls no hook when a `fit` ends
by an exception), a signal passes through at once.
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
"""Bytes, enough for C's `struct sigaction`, which has 16 to 152."""


class ExitSignals:
    """Watches, for one training, for a signal that is going to end the process.

    Args:
        runs: Returns whether the training still runs; called in a signal handler.

    Attributes:
        noted: The signal that was received and is held back, or None.
    """

    def __init__(self, runs: Callable[[], bool]) -> None:
        self.runs = runs
        self.noted: signal.Signals | None = None
        weakref.finalize(self, _tidy).atexit = False

    def watch(self) -> bool:
        """Begin to watch; return whether that is possible: only on the main thread."""
        if threading.current_thread() is not threading.main_thread():
            return False
        for watcher in [w for w in _watchers if not w.runs()]:
            _watchers.discard(watcher)
        _watchers.add(self)
        for number in SIGNALS:
            _install(number)
        return True

    def note(self, number: signal.Signals) -> None:
        """Note a signal that another process received as if this one had.

        It is noted for every watcher that has not noted one itself. The handlers stay
        in place, because the signal may be on its way to this process, too.
        """
        for watcher in [w for w in _watchers if w.runs()]:
            watcher.noted = watcher.noted or number

    def stop(self) -> None:
        """Stop watching; a signal that waits only for this callback acts now.

        Raises:
            KeyboardInterrupt: See `hand_on`.
        """
        self.hand_on()

    def hand_on(self) -> None:
        """Let the noted signal act, unless another watcher has to save first.

        Raises:
            KeyboardInterrupt: If the previous handler raises it. Another handler may
                never return; if it does return, training continues.
        """
        noted, self.noted = self.noted, None
        _watchers.discard(self)
        _tidy()  # after a signal of another process our handlers are still installed
        if noted is not None and not any(w.noted and w.runs() for w in _watchers):
            signal.raise_signal(noted)


class _Handler:
    """Our handler of one signal, in place of the previous one."""

    def __init__(self, number: signal.Signals, before: Any, c_before: Any) -> None:
        self.number = number
        self._before, self._c_before = before, c_before
        self._process = os.getpid()

    def __call__(self, number: int, frame: FrameType | None) -> None:
        # A forked child, such as a data loader, has nothing to save.
        here = os.getpid() == self._process
        running = [w for w in _watchers if here and w.runs()]
        is_last = signal.getsignal(self.number) is self
        _restore_all()
        for watcher in running:
            watcher.noted = self.number
        if not running and is_last:
            signal.raise_signal(self.number)
        elif not running and callable(self._before):  # a later handler has called us
            self._before(number, frame)

    def restore(self) -> None:
        signal.signal(
            self.number, signal.SIG_DFL if self._before is None else self._before
        )
        if self._c_before is not None:  # Python does not know R's handler
            _sigaction(self.number, self._c_before)


_watchers: weakref.WeakSet[ExitSignals] = weakref.WeakSet()


def _install(number: signal.Signals) -> None:
    """Replace a signal's handler, unless it is ours or ignores the signal."""
    before, c_before = signal.getsignal(number), _sigaction(number)
    unknown = before is None and c_before is None  # could not be restored
    if not (before is signal.SIG_IGN or isinstance(before, _Handler) or unknown):
        signal.signal(number, _Handler(number, before, c_before))


def _restore_all() -> None:
    """Restore the signals' handlers, except where others have replaced ours."""
    for number in SIGNALS:
        handler = signal.getsignal(number)
        if isinstance(handler, _Handler):
            handler.restore()


def _tidy() -> None:
    """Restore the signals' handlers if nobody watches any more."""
    on_main = threading.current_thread() is threading.main_thread()
    if on_main and not any(True for _ in _watchers):  # `len` counts dead ones, too
        _restore_all()


def _sigaction(number: int, new: Any = None) -> Any:
    """Return C's action for a signal, and set `new`; None without `sigaction`."""
    try:
        function = ctypes.CDLL(None).sigaction
    except (AttributeError, OSError, TypeError):  # Windows
        return None
    old = ctypes.create_string_buffer(_ENOUGH)
    return old if function(int(number), new, old) == 0 else None

"""For how long something is tried that fails and could yet succeed."""

from __future__ import annotations

import contextlib
import errno
import math
import os
import threading
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

__all__ = ["Patience", "upload_timeout"]

Answer = TypeVar("Answer")

_VARIABLE = "MODELCHECKPOINT_UPLOAD_TIMEOUT"
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 5.0


class Patience:
    """Tries again what fails, until it succeeds, time is up or somebody is in a hurry.

    By itself it has none: what fails is not tried again.
    """

    def __init__(self) -> None:
        self._seconds = 0.0
        self._in_a_hurry = False
        self._ends = math.inf
        self._heard = time.monotonic()
        self._change = threading.Condition()

    @contextlib.contextmanager
    def for_a_while(self, seconds: float) -> Iterator[None]:
        """Have patience in a block, of so many seconds with each thing in it."""
        with self._change:
            self._seconds, self._in_a_hurry, self._ends = seconds, False, math.inf
            self._heard = time.monotonic()
        try:
            yield
        finally:
            self._seconds = 0.0

    def hurry(self) -> None:
        """Try nothing anew: somebody waits for what is tried now."""
        with self._change:
            self._in_a_hurry = True
            self._change.notify_all()

    def end_in(self, seconds: float) -> None:
        """Be done in so many seconds, one way or the other."""
        with self._change:
            self._ends = time.monotonic() + seconds
            self._change.notify_all()

    def quiet(self) -> float:
        """Return for how many seconds nothing has gone forward."""
        return time.monotonic() - self._heard

    def check(self) -> None:
        """Note that something goes forward.

        Raises:
            TimeoutError: If the time is over within which to be done.
        """
        self._heard = time.monotonic()
        if time.monotonic() > self._ends:
            what = f"the store did not confirm it in the time that {_VARIABLE} allows"
            raise TimeoutError(errno.ETIMEDOUT, what)

    def tried(self, what: Callable[[], Answer]) -> Answer:
        """Return what comes of a call, which is made again where the store fails.

        Raises:
            OSError: Of the last try; at once where another one would not help.
        """
        begun, pause = time.monotonic(), _FIRST_PAUSE
        while True:
            try:
                answer = what()
                self._heard = time.monotonic()
                return answer
            except OSError as error:
                if error.errno != errno.EIO or not self._pause(begun, pause):
                    raise
            pause = min(2 * pause, _LONGEST_PAUSE)

    def tried_within(self, seconds: float, what: Callable[[], Answer]) -> Answer:
        """Return what comes of a call, as `tried`, with patience of so many seconds."""
        with self.for_a_while(seconds):
            return self.tried(what)

    def _pause(self, begun: float, pause: float) -> bool:
        """Wait a while, and return whether there is time for another try."""
        with self._change:
            self._change.wait_for(lambda: self._is_over(begun), timeout=pause)
            return not self._is_over(begun)

    def _is_over(self, begun: float) -> bool:
        ends = min(begun + self._seconds, self._ends)
        return self._in_a_hurry or time.monotonic() > ends


def upload_timeout() -> float:
    """Return for how many seconds the end of a training waits for the store.

    Raises:
        ValueError: If the environment says something else than a time.
    """
    text = os.environ.get(_VARIABLE) or "600"
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not seconds >= 0:
        raise ValueError(f"{_VARIABLE} must be a number of seconds >= 0, not {text!r}.")
    return seconds

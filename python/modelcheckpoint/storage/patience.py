"""How long a request that fails is retried."""

from __future__ import annotations

import contextlib
import errno
import math
import threading
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

__all__ = ["NOT_IN_TIME", "Patience"]

Answer = TypeVar("Answer")

NOT_IN_TIME = (
    "the store did not confirm it in the time that MODELCHECKPOINT_UPLOAD_TIMEOUT "
    "allows"
)

_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 5.0


class Patience:
    """Retries what fails, until it succeeds, time is up or somebody is in a hurry.

    Outside a `for_a_while` block, nothing is retried.
    """

    def __init__(self) -> None:
        self._seconds = 0.0
        self._in_a_hurry = False
        self._ends = math.inf
        self._heard = time.monotonic()
        self._change = threading.Condition()

    @contextlib.contextmanager
    def for_a_while(self, seconds: float) -> Iterator[None]:
        """Retry each thing within the block for this many seconds."""
        with self._change:
            self._seconds, self._in_a_hurry, self._ends = seconds, False, math.inf
            self._heard = time.monotonic()
        try:
            yield
        finally:
            self._seconds = 0.0

    def hurry(self) -> None:
        """Stop retrying: somebody waits for the current attempt."""
        with self._change:
            self._in_a_hurry = True
            self._change.notify_all()

    def end_in(self, seconds: float) -> None:
        """Succeed or fail within this many seconds."""
        with self._change:
            self._ends = time.monotonic() + seconds
            self._change.notify_all()

    def quiet(self) -> float:
        """Return for how many seconds there has been no progress."""
        return time.monotonic() - self._heard

    def check(self) -> None:
        """Note that there is progress.

        Raises:
            TimeoutError: If the time limit of `end_in` has passed.
        """
        self._heard = time.monotonic()
        if time.monotonic() > self._ends:
            raise TimeoutError(errno.ETIMEDOUT, NOT_IN_TIME)

    def tried(self, what: Callable[[], Answer]) -> Answer:
        """Return the result of a call, which is repeated if the store fails.

        Raises:
            OSError: From the last attempt; at once if another attempt would not help.
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
        """Return the result of a call, as `tried` does, with retries for this long."""
        with self.for_a_while(seconds):
            return self.tried(what)

    def _pause(self, begun: float, pause: float) -> bool:
        """Wait a while, and return whether there is time for another attempt."""
        with self._change:
            self._change.wait_for(lambda: self._is_over(begun), timeout=pause)
            return not self._is_over(begun)

    def _is_over(self, begun: float) -> bool:
        ends = min(begun + self._seconds, self._ends)
        return self._in_a_hurry or time.monotonic() > ends

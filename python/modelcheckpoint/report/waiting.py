"""A line on a terminal while something takes its time."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator

__all__ = ["waiting"]

_GRACE = 1.0
"""Seconds in which what is cut short can say so itself."""


@contextlib.contextmanager
def waiting(
    text: Callable[[float, float], str], limit: float
) -> Iterator[Callable[[], bool]]:
    """Show a line again and again, on a terminal, and take it away at the end.

    Args:
        text: The line, given how many seconds are over, and the limit.
        limit: Seconds after which nobody waits any longer.

    Yields:
        What is to be called now and then, and returns whether the time is over.
    """
    begun, shown = time.monotonic(), ""

    def is_over() -> bool:
        nonlocal shown
        seconds = time.monotonic() - begun
        if sys.stdout.isatty():
            shown = text(seconds, limit)
            print(f"\r{shown}", end="", flush=True)
        return seconds > limit + _GRACE

    yield is_over
    if shown:
        print(f"\r{' ' * len(shown)}\r", end="", flush=True)

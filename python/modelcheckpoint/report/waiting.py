"""A line on a terminal while something takes time."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator

__all__ = ["waiting"]

_GRACE = 1.0
"""Seconds for a store whose time is over to report this itself."""


@contextlib.contextmanager
def waiting(
    text: Callable[[float, float], str], limit: float
) -> Iterator[Callable[[], bool]]:
    """Show and update a line on a terminal, and remove it at the end.

    Args:
        text: Returns the line, given the seconds that have passed and the limit.
        limit: Seconds after which the wait ends.

    Yields:
        A function to call regularly, which returns whether the time is over.
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

"""Is a save due? Counting epochs, batches or samples."""

from __future__ import annotations

__all__ = ["Every"]


class Every:
    """Fall due each time `interval` units have passed since it last fell due.

    The count starts again at 0 whenever it falls due, so what went beyond the
    interval is not carried over: with an interval of 10 and steps of 4 it falls due
    at 12, 24, 36, as a Keras user expects from `period`.

    Args:
        interval: Units between two saves, >= 1.
    """

    def __init__(self, interval: int) -> None:
        self.interval = interval
        self.since = 0

    def advance(self, amount: int) -> bool:
        """Count `amount` units more, and return whether a save is due now."""
        self.since += amount
        if self.since < self.interval:
            return False
        self.since = 0
        return True

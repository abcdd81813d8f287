"""Is a save due? Counts epochs, batches, samples or seconds."""

from __future__ import annotations

__all__ = ["Every", "Seconds"]


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


class Seconds:
    """Fall due once so many seconds have passed since the last save, or the beginning.

    Falling due, too, begins the count anew, whether or not a save comes of it: what
    is not better, or fails, is not tried again after every batch.

    Args:
        interval: Seconds between two saves, > 0.
    """

    def __init__(self, interval: float) -> None:
        self.interval = interval
        self.since: float | None = None

    def start(self, now: float) -> None:
        """Begin to count, if that was not begun already.

        Args:
            now: Seconds of a clock that is never set back, here and below.
        """
        if self.since is None:
            self.since = now

    def restart(self, now: float) -> None:
        """Begin the count anew: there was a save."""
        self.since = now

    def is_due(self, now: float) -> bool:
        """Return whether a save is due now."""
        if self.since is None or now - self.since < self.interval:
            return False
        self.since = now
        return True

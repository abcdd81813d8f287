"""Decide whether a save is due by counting epochs, batches, samples or seconds."""

from __future__ import annotations

__all__ = ["Every", "Seconds", "steps_until"]

_LONGEST = 1.0
"""The most seconds between two looks at a clock, because steps can become slower."""


class Every:
    """Fall due each time `interval` units have passed since it last fell due.

    The count restarts at 0 each time, so an excess over the interval is not carried
    over: with an interval of 10 and steps of 4 it falls due at 12, 24, 36, as a Keras
    user expects from `period`.

    Args:
        interval: Units between two saves, >= 1.
    """

    def __init__(self, interval: int) -> None:
        self.interval = interval
        self.since = 0

    def advance(self, amount: int) -> bool:
        """Count `amount` more units, and return whether a save is due now."""
        self.since += amount
        if self.since < self.interval:
            return False
        self.since = 0
        return True


class Seconds:
    """Fall due once `interval` seconds have passed since the last save or the start.

    Each due time restarts the count, even without a successful save: a save that fails,
    or is skipped because nothing improved, is not retried after every batch.

    Args:
        interval: Seconds between two saves, > 0.
    """

    def __init__(self, interval: float) -> None:
        self.interval = interval
        self.since: float | None = None

    def start(self, now: float) -> None:
        """Begin to count, unless that has already begun.

        Args:
            now: Seconds of a monotonic clock, here and below.
        """
        if self.since is None:
            self.since = now

    def restart(self, now: float) -> None:
        """Restart the count after a save."""
        self.since = now

    def is_due(self, now: float) -> bool:
        """Return whether a save is due now."""
        if self.since is None or now - self.since < self.interval:
            return False
        self.since = now
        return True

    def left(self, now: float) -> float:
        """Return the seconds until a save is due; 0 if it is due now."""
        since = now if self.since is None else self.since
        return max(since + self.interval - now, 0.0)


def steps_until(seconds: float, steps: int, passed: float) -> int:
    """Return the number of steps until the next look at the clock, at least 1.

    They should take half of the remaining time, but no more than a second. They are at
    most twice as many as the last time, because steps may become slower.

    Args:
        seconds: The remaining time.
        steps: The number of steps since the last look.
        passed: The seconds that these took.
    """
    pause = min(seconds / 2, _LONGEST)
    wanted = pause * steps / passed if passed > 0 else 2 * steps
    return max(1, min(int(wanted), 2 * steps))

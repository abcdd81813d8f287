"""The samples of one epoch, from the float32 in which Keras counts them."""

from __future__ import annotations

__all__ = ["EXACT", "EpochCount"]

EXACT = 2**24
"""Up to here a float32, which Keras counts in, holds every whole number."""


class EpochCount:
    """The samples of one epoch, from a float32 that grows by each batch's size.

    From 2^24 on that float no longer holds every whole number. Then, if the batches
    had one size so far, that size is added; if not, the float is all there is, and
    `inexact` says so.

    Attributes:
        samples: How many so far.
        inexact: Whether this is only roughly so.
        missed: Whether there were batches whose size nobody knows.
    """

    def __init__(self, start: float = 0.0) -> None:
        self.samples = 0
        self.inexact = self.missed = False
        self._raw: float | None = start
        self._size: float | None = None
        self._even = True

    @property
    def follows(self) -> bool:
        """Whether the float is known from which the next batches are counted."""
        return self._raw is not None

    def leave(self) -> None:
        """The float is set back, and may then count what is no training."""
        self._raw = None

    def follow(self, raw: float) -> None:
        """Count from this float on."""
        self._raw = raw

    def update(self, raw: float, batches: int = 1) -> int:
        """Take in the float after `batches` more batches; return the samples they had.

        With `batches=0` nobody knows how many they were, perhaps none.
        """
        before, self._raw = self._raw, raw
        if before is None or raw < before or (raw == before < EXACT and batches):
            self.missed = True
            return 0
        grown = raw - before
        if raw < EXACT:
            self._learn(grown, batches)
        elif self._even and self._size is not None and batches:
            expected = self._size * batches
            # A last, smaller batch differs by more than the float's own step.
            step = raw * 2**-23
            grown = expected if abs(grown - expected) <= step else grown
        elif grown:
            self.inexact = True
        self.samples += round(grown)
        return round(grown)

    def _learn(self, grown: float, batches: int) -> None:
        if batches < 1:
            return
        size = grown / batches
        if self._size is None:
            self._size = size
        elif size != self._size:
            self._even = False

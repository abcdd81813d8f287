"""Count the samples of one epoch from the float32 in which Keras counts them."""

from __future__ import annotations

__all__ = ["EXACT", "EpochCount"]

EXACT = 2**24
"""Up to here a float32, in which Keras counts, holds every whole number."""


class EpochCount:
    """The samples of one epoch, from a float32 that grows by each batch's size.

    From 2^24 on the float no longer holds every whole number. Then, if all batches so
    far had the same size, that size is added. If not, the float is used as it is, and
    `inexact` is set.

    Attributes:
        samples: The number so far.
        inexact: Whether this number is only approximate.
        missed: Whether there were batches of unknown size.
    """

    def __init__(self, start: float = 0.0) -> None:
        self.samples = 0
        self.inexact = self.missed = False
        self._raw: float | None = start
        self._size: float | None = None
        self._even = True

    @property
    def follows(self) -> bool:
        """Whether the float is known from which to count the next batches."""
        return self._raw is not None

    def leave(self) -> None:
        """Stop following the float: it is reset, and may then count an evaluation."""
        self._raw = None

    def follow(self, raw: float) -> None:
        """Count from this float on."""
        self._raw = raw

    def update(self, raw: float, batches: int = 1) -> int:
        """Note the float after `batches` more batches; return their samples.

        `batches=0` means an unknown number of batches, perhaps none.
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

"""How often one can save if training may take so much longer by it, and no more."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

LIMIT = 0.035
"""The share of wall time that checkpoints may add, as in CheckFreq (FAST '21)."""


def shortest_interval(added: Sequence[float], busy: Sequence[float]) -> float:
    """Return how many seconds must lie between two saves.

    Args:
        added: By how many seconds each save lengthened training, of several runs.
        busy: For how many seconds each save was under way; a second one would wait.
    """
    return max(median(added) / LIMIT, median(busy))


def added_by_saves(laps: Sequence[Sequence[float]]) -> float:
    """Return by how much a save lengthened training.

    The epochs that follow a save are compared with those that follow none, the first
    batch with the first, and so on. The median over several epochs, for each batch,
    leaves out what else the machine did meanwhile.

    Args:
        laps: For each epoch the seconds between the ends of batches, from the last one
            of the epoch before. The second epoch was saved, the fourth, and so on. What
            follows the first save is passed over: it sets everything up.
    """
    after, others = laps[4::2], laps[5::2]
    return sum(map(median, zip(*after))) - sum(map(median, zip(*others)))

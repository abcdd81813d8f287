"""How often a model can be saved if that may lengthen training by a given share."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

LIMIT = 0.035
"""The share of wall time that checkpoints may add, as in CheckFreq (FAST '21)."""


def shortest_interval(added: Sequence[float], busy: Sequence[float]) -> float:
    """Return how many seconds must pass between two saves.

    Args:
        added: By how many seconds each save lengthened training, in several runs.
        busy: For how many seconds each save was in progress; a second one would wait.
    """
    return max(median(added) / LIMIT, median(busy))


def added_by_saves(laps: Sequence[Sequence[float]]) -> float:
    """Return by how many seconds a save lengthened training.

    Epochs that follow a save are compared with epochs that follow none, batch by batch.
    For each batch, the median over several epochs excludes what else the machine did.

    Args:
        laps: For each epoch, the seconds from one end of a batch to the next; the first
            includes the save after the previous epoch. Every second epoch was saved.
            What follows the first save is skipped, as that save sets everything up.
    """
    after, others = laps[4::2], laps[5::2]
    return sum(map(median, zip(*after))) - sum(map(median, zip(*others)))

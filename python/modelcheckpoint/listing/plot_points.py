"""The points of a plot: each save in a folder's journal."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from modelcheckpoint.decide.matching import Originals, Save
from modelcheckpoint.records import Record

__all__ = ["COLOURS", "EARLIER", "Point", "curve", "curve_of", "drawable"]

COLOURS = 5
"""So many runs can be told apart."""

EARLIER = "earlier runs"
"""What the first runs are called where there are more."""

_LONGEST = 24


@dataclass(frozen=True)
class Point:
    """One save.

    Attributes:
        epoch: Where it is drawn: at its epoch, and within that by the batch.
        value: Of the monitored quantity; NaN where there is none.
        run: Identifier of its run.
        series: What stands in the legend for its run: its identifier, or, of the first
            ones where there are many, `EARLIER`.
        monitor: Name of the monitored quantity.
        name: Name of its file, None where that is gone.
        best: Whether it is the best that is there.
    """

    epoch: float
    value: float
    run: str
    series: str
    monitor: str
    name: str | None
    best: bool


def curve(
    history: Iterable[Record], kept: Sequence[Record], best: Record | None
) -> list[Point]:
    """Return a point for each save, in the order of saving.

    Only what has the monitor of the newest file that is there, or was, counts: values
    of several quantities have no common axis. What was kept aside is one save.

    Args:
        history: The records of the journal, oldest first.
        kept: Those that describe a file.
        best: The best of these.
    """
    originals = Originals()
    saves: dict[Save, Record] = {}
    for record in history:
        saves.setdefault(originals.add(record), record)
    monitors = [record.monitor for record in (*saves.values(), *kept)]
    saves = {s: r for s, r in saves.items() if r.monitor == monitors[-1]}
    names = {originals.of(record): record.path for record in kept}
    top = None if best is None else originals.of(best)
    return _points([(r, names.get(save), save == top) for save, r in saves.items()])


def curve_of(rows: Sequence[Any]) -> list[Point]:
    """Return a point for each of these checkpoints, where no journal is at hand.

    Only what has the monitor of the last one counts. A file that is in several lists of
    one folder is one point.
    """
    monitored = [row for row in rows if row.monitor is not None]
    saves: dict[tuple[Any, ...], Any] = {}
    for row in reversed(monitored):
        if row.monitor == monitored[-1].monitor:
            saves.setdefault((row.path, row.name, row.epoch, row.batch), row)
    return _points([(row, row.name, row.best) for row in reversed(saves.values())])


def drawable(points: Iterable[Point]) -> list[Point]:
    """Return the points that have a place over the axis of the epochs."""
    return [point for point in points if math.isfinite(point.epoch)]


def _points(saves: Sequence[tuple[Any, str | None, bool]]) -> list[Point]:
    drawn = [save for save, _, _ in saves]
    series, lengths = _series(drawn), _lengths(drawn)
    return [
        Point(
            epoch=_place(save, lengths),
            value=_float(save.value),
            run=save.run,
            series=series[save.run],
            monitor=save.monitor,
            name=name,
            best=best,
        )
        for save, name, best in saves
    ]


def _series(drawn: Sequence[Any]) -> dict[str, str]:
    runs = list(dict.fromkeys(record.run for record in drawn))
    own = runs if len(runs) <= COLOURS else runs[1 - COLOURS :]
    earlier = dict.fromkeys(runs[: len(runs) - len(own)], EARLIER)
    return {**earlier, **{run: run[:_LONGEST] for run in own}}


def _lengths(drawn: Sequence[Any]) -> dict[str, int]:
    """Return the highest batch of each run."""
    lengths: dict[str, int] = {}
    for record in drawn:
        if record.batch is not None:
            lengths[record.run] = max(lengths.get(record.run, 1), record.batch)
    return lengths


def _place(record: Any, lengths: dict[str, int]) -> float:
    # How many batches an epoch has no journal tells: at least so many as were seen.
    epoch = _float(record.epoch)
    if record.batch is None:
        return epoch
    return epoch - 1 + _float(record.batch) / lengths[record.run]


def _float(value: float | None) -> float:
    try:
        return float("nan") if value is None else float(value)
    except OverflowError:
        return float("nan")

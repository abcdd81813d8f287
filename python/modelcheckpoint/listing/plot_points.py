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
"""How many runs can be distinguished."""

EARLIER = "earlier runs"
"""The name of the first runs if there are more."""

_LONGEST = 24


@dataclass(frozen=True)
class Point:
    """One save.

    Attributes:
        epoch: Where it is drawn: at its epoch, and within the epoch at its batch.
        value: Of the monitored quantity; NaN if there is none.
        run: Identifier of its run.
        series: The name of its run in the legend: its identifier, or `EARLIER` for the
            first runs if there are many.
        monitor: Name of the monitored quantity.
        name: Name of its file; None if the file is gone.
        best: Whether it is the best one that exists.
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

    Only saves with the monitor of the newest existing file count (of the newest save,
    if no file exists), because values of several quantities have no common axis. A file
    that was kept aside counts as one save.

    Args:
        history: The records of the journal, oldest first.
        kept: The records that describe an existing file.
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
    """Return a point for each of these checkpoints, without a journal.

    Only checkpoints with the monitor of the last one count. A file that is in several
    lists of one folder is one point.
    """
    monitored = [row for row in rows if row.monitor is not None]
    saves: dict[tuple[Any, ...], Any] = {}
    for row in reversed(monitored):
        if row.monitor == monitored[-1].monitor:
            saves.setdefault((row.path, row.name, row.epoch, row.batch), row)
    return _points([(row, row.name, row.best) for row in reversed(saves.values())])


def drawable(points: Iterable[Point]) -> list[Point]:
    """Return the points that have a place on the epoch axis."""
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
    # No journal says how many batches an epoch has: at least as many as were seen.
    epoch = _float(record.epoch)
    if record.batch is None:
        return epoch
    return epoch - 1 + _float(record.batch) / lengths[record.run]


def _float(value: float | None) -> float:
    try:
        return float("nan") if value is None else float(value)
    except OverflowError:
        return float("nan")

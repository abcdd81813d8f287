"""The points that a picture of a folder shows: each save that its journal tells of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from modelcheckpoint.decide.matching import Originals, Save, newest
from modelcheckpoint.records import Record

__all__ = ["COLOURS", "EARLIER", "Point", "curve"]

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
    history: Iterable[Record], there: Sequence[Record], best: Record | None
) -> list[Point]:
    """Return a point for each save, in the order of saving.

    Only what has the monitor of the newest file that is there, or was, counts: values
    of several quantities have no common axis. What was kept aside is one save.

    Args:
        history: The records of the journal, oldest first.
        there: Those that describe a file.
        best: The best of these.
    """
    originals = Originals()
    saves: dict[Save, Record] = {}
    for record in history:
        saves.setdefault(originals.add(record), record)
    last = newest(list(there)) or newest(list(saves.values()))
    saves = {s: r for s, r in saves.items() if last and r.monitor == last.monitor}
    drawn = list(saves.values())
    names = {originals.of(record): record.path for record in there}
    series, lengths = _series(drawn), _lengths(drawn)
    top = None if best is None else originals.of(best)
    return [
        Point(
            epoch=_place(record, lengths),
            value=_float(record.value),
            run=record.run,
            series=series[record.run],
            monitor=record.monitor,
            name=names.get(save),
            best=save == top,
        )
        for save, record in saves.items()
    ]


def _series(drawn: Sequence[Record]) -> dict[str, str]:
    runs = list(dict.fromkeys(record.run for record in drawn))
    own = runs if len(runs) <= COLOURS else runs[1 - COLOURS :]
    earlier = dict.fromkeys(runs[: len(runs) - len(own)], EARLIER)
    return {**earlier, **{run: run[:_LONGEST] for run in own}}


def _lengths(drawn: Sequence[Record]) -> dict[str, int]:
    """Return the highest batch of each run."""
    lengths: dict[str, int] = {}
    for record in drawn:
        if record.batch is not None:
            lengths[record.run] = max(lengths.get(record.run, 1), record.batch)
    return lengths


def _place(record: Record, lengths: dict[str, int]) -> float:
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

"""The columns in which checkpoints are shown to people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from modelcheckpoint.listing.text import number_text, size_text, time_text

__all__ = ["Column", "legend", "table"]


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        head: Its name.
        cells: Its texts; a file's name is as it is, and may hold anything.
        right: Whether its texts end below each other, as numbers do.
    """

    head: str
    cells: list[str]
    right: bool = False


def table(found: Sequence[Any]) -> list[Column]:
    """Return the columns that tell something of these checkpoints.

    They are called as in the data frame; a single monitor heads its values.

    Batches, and more than one monitor, are shown only where there are any.
    """
    monitors = {one.monitor for one in found if one.monitor is not None}
    columns = [
        Column("", [_mark(one) for one in found]),
        Column("name", [one.name for one in found]),
        Column("epoch", [_whole(one.epoch) for one in found], right=True),
    ]
    if any(one.batch is not None for one in found):
        columns.append(Column("batch", [_whole(one.batch) for one in found], True))
    if len(monitors) > 1:
        columns.append(Column("monitor", [one.monitor or "" for one in found]))
    if monitors:
        head = "value" if len(monitors) > 1 else next(iter(monitors))
        columns.append(Column(head, [number_text(one.value) for one in found], True))
    columns += [
        Column("bytes", [size_text(one.bytes) for one in found], True),
        Column("time", [time_text(one.time) for one in found]),
    ]
    return columns


def legend(found: Sequence[Any], in_table: int | None = None) -> str:
    """Return what the marks in the first column mean, of those that are there.

    Args:
        found: The checkpoints.
        in_table: How many of them, the last ones, the table has; None: all.
    """
    marks = {_mark(one) for one in found}
    hidden = 0 if in_table is None else len(found) - in_table
    parts = [
        f"* best by {one.monitor}" + (f": {one.name}" if place < hidden else "")
        for place, one in enumerate(found)
        if one.best
    ]
    parts += [f"{mark} {means}" for mark, means in _MEANS.items() if mark in marks]
    return "; ".join(parts)


_MARKS = {"recorded": "", "changed": "!", "unknown": "?"}
_MEANS = {"!": "not as the journal says", "?": "not in the journal"}


def _mark(one: Any) -> str:
    return "*" if one.best else _MARKS[one.status]


def _whole(value: int | None) -> str:
    return "" if value is None else str(value)

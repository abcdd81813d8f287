"""The table in which checkpoints are shown to people, and what its marks mean."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from modelcheckpoint.listing.checkpoint import COLUMNS
from modelcheckpoint.listing.table import Cells
from modelcheckpoint.listing.text import shown

__all__ = ["legend", "narrowed", "table"]

_NARROW, _NARROWEST = 24, 10
"""How narrow the column of the names gets before others do, and after that."""


def table(rows: Sequence[Any], encoding: str | None = "utf-8") -> list[Cells]:
    """Return the columns that tell something of these checkpoints.

    They are called as in the data frame; a single monitor heads its values. What could
    move a terminal's cursor is escaped.

    Args:
        rows: The checkpoints.
        encoding: Of the terminal.
    """
    monitors = {row.monitor for row in rows if row.monitor is not None}
    heads = {"value": monitors.pop()} if len(monitors) == 1 else {}
    cells = [Cells("", [_mark(row) for row in rows])]
    for column in COLUMNS:
        if column.shown and column.shown(rows):
            head = shown(heads.get(column.name, column.name), encoding)
            texts = [shown(text, encoding) for text in column.texts(rows)]
            cells.append(Cells(head, texts, column.right))
    return cells


def narrowed(columns: Sequence[Cells], width: int) -> list[Cells]:
    """Return a table that fits in this width: the names give way, then the monitors."""
    if _room(columns, width) < _NARROW:
        columns = [c.shortened(15) if c.head == "monitor" else c for c in columns]
    room = max(_room(columns, width), _NARROWEST)
    return [c.shortened(room) if c.head == "name" else c for c in columns]


def _room(columns: Sequence[Cells], width: int) -> int:
    return width - sum(c.width + 2 for c in columns if c.head != "name")


def legend(rows: Sequence[Any], in_table: int | None = None) -> str:
    """Return what the marks in the first column mean, of those that are there.

    Args:
        rows: The checkpoints.
        in_table: How many of them, the last ones, the table has; None: all.
    """
    hidden = 0 if in_table is None else len(rows) - in_table
    best: dict[str, list[str]] = {}
    for place, row in enumerate(rows):
        if row.best:
            best.setdefault(row.monitor, []).extend([row.name] * (place < hidden))
    parts = [
        f"* best by {monitor}" + (f": {', '.join(names)}" if names else "")
        for monitor, names in best.items()
    ]
    marks = {_mark(row) for row in rows}
    parts += [f"{mark} {means}" for mark, means in _MEANS.items() if mark in marks]
    return "; ".join(parts)


_MARKS = {"changed": "!", "unknown": "?"}
_MEANS = {"!": "not as the journal says", "?": "not in the journal"}


def _mark(row: Any) -> str:
    return "*" if row.best else _MARKS.get(row.status, "")

"""The printed table of checkpoints, and the meaning of its marks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from modelcheckpoint.display.table import GAP, Cells, shorten
from modelcheckpoint.display.text import shown
from modelcheckpoint.listing.checkpoint import COLUMNS

__all__ = ["legend", "narrowed", "table"]

_LEAST_TELLING = ("time", "bytes", "monitor", "batch")
"""The columns that are omitted if a table is too wide, in this order."""

_HEAD, _NARROWEST = 15, 10
"""The least widths of the values' head and of the names' column."""


def table(rows: Sequence[Any], encoding: str | None = "utf-8") -> list[Cells]:
    """Return the columns that are informative for these checkpoints.

    They have the names of the data frame; if there is a single monitor, its name is the
    head of the values. Characters that could move a terminal's cursor are escaped.

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
            cells.append(Cells(head, texts, column.right, column.name))
    return cells


def narrowed(columns: Sequence[Cells], width: int) -> tuple[list[Cells], list[str]]:
    """Return a table that fits this width, and the names of the omitted columns.

    The values' head and the names are shortened only if that is not enough.
    """
    kept = list(columns)
    for name in _LEAST_TELLING:
        if _width(kept) > width:
            kept = [column for column in kept if column.name != name]
    left_out = [column.name for column in columns if column not in kept]
    if _width(kept) > width:
        kept = [_with_short_head(c) if c.name == "value" else c for c in kept]
    others = sum(column.width + GAP for column in kept if column.name != "name")
    room = max(width - others, _NARROWEST)
    return [c.shortened(room) if c.name == "name" else c for c in kept], left_out


def _width(columns: Sequence[Cells]) -> int:
    return sum(column.width + GAP for column in columns) - GAP


def _with_short_head(column: Cells) -> Cells:
    return replace(column, head=shorten(column.head, _HEAD))


def legend(rows: Sequence[Any], in_table: int | None = None) -> str:
    """Return the meaning of the marks that occur in the first column.

    Args:
        rows: The checkpoints.
        in_table: How many of the last ones the table shows; None for all.
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

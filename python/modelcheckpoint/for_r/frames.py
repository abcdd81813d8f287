"""Tables for R and from R: a vector for each column, not an object for each cell.

A column for R has its name, what it holds, its values, and which of them are known,
because reticulate does not convert a list with a None to a vector. All numbers are
floats, because a whole number above 2^31 becomes 0 in R.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

from modelcheckpoint.journal.verify import Verification
from modelcheckpoint.listing.checkpoint import COLUMNS, metric_columns, time_of
from modelcheckpoint.listing.checkpoint_list import CheckpointList
from modelcheckpoint.listing.plot_legend import Entry, colours_of, legend
from modelcheckpoint.listing.plot_points import Point, drawable

__all__ = ["curve_frames", "list_frames", "rows_of", "text_for_r", "verification_frame"]

Frame = list[dict[str, Any]]

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def list_frames(rows: CheckpointList) -> dict[str, Any]:
    """Return the columns of checkpoints, their folder, and their curve."""
    frame = [
        _column(column.name, column.kind, [getattr(row, column.name) for row in rows])
        for column in COLUMNS
    ]
    for name, numbers in metric_columns(rows).items():
        frame.append(_column(name, "number", numbers))
    folder, curve = text_for_r(rows.folder), curve_frames(rows.curve)
    return {"columns": frame, "folder": folder, "curve": curve}


def curve_frames(points: Sequence[Point]) -> dict[str, Frame]:
    """Return the columns of the points, with colours, and of their legend."""
    kinds = {"epoch": "number", "value": "number", "best": "flag"}
    colours = colours_of(points)
    frame = _frame(Point, points, kinds)
    frame.append(_column("colour", "text", [colours[p.series] for p in points]))
    return {"points": frame, "legend": _frame(Entry, legend(drawable(points)), {})}


def verification_frame(rows: Sequence[Verification]) -> Frame:
    """Return the columns of verifications."""
    records = [row.record for row in rows]
    times = [record and time_of(record.time) for record in records]
    kinds = {"epoch": "count", "value": "number", "bytes": "size"}
    return [
        *(_column(n, "text", _values(rows, n)) for n in ("path", "status", "reason")),
        *(_column(name, kind, _values(records, name)) for name, kind in kinds.items()),
        _column("time", "time", times),
        _column("run", "text", _values(records, "run")),
    ]


def rows_of(columns: Mapping[str, Mapping[str, Sequence[Any]]]) -> list[Any]:
    """Return the rows of a data frame from R; None stands for NA.

    Args:
        columns: By the names of a list's columns; each has its `values` and whether
            they are `known`.
    """
    kinds = {column.name: column.kind for column in COLUMNS}
    lists = [
        [
            _FROM_R[kinds[name]](value) if known else None
            for value, known in zip(column["values"], column["known"])
        ]
        for name, column in columns.items()
    ]
    return [SimpleNamespace(**dict(zip(columns, row))) for row in zip(*lists)]


def text_for_r(text: str) -> str:
    """Return text that R can hold, because a file name may not be UTF-8."""
    return text.encode("utf-8", "backslashreplace").decode()


def _frame(kind: type, rows: Sequence[Any], kinds: Mapping[str, str]) -> Frame:
    names = [field.name for field in fields(kind)]
    return [_column(n, kinds.get(n, "text"), _values(rows, n)) for n in names]


def _values(rows: Sequence[Any], name: str) -> list[Any]:
    return [getattr(row, name, None) for row in rows]


def _column(name: str, kind: str, values: Iterable[Any]) -> dict[str, Any]:
    values = list(values)
    in_r, convert, unknown = _TO_R[kind]
    return {
        "name": text_for_r(name),
        "kind": in_r,
        "values": [unknown if value is None else convert(value) for value in values],
        "known": [value is not None for value in values],
    }


def _float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:  # a whole number beyond all floats
        return math.inf if value > 0 else -math.inf


def _int(value: float) -> int | None:
    return int(value) if math.isfinite(value) else None


def _time(seconds: float) -> datetime | None:
    try:
        return _EPOCH + timedelta(seconds=seconds)
    except (OverflowError, ValueError):
        return None


_NUMBER: tuple[str, Callable[[Any], Any], Any] = ("number", _float, math.nan)
_TO_R: dict[str, tuple[str, Callable[[Any], Any], Any]] = {
    "text": ("text", text_for_r, ""),
    "flag": ("flag", bool, False),
    "count": _NUMBER,
    "number": _NUMBER,
    "size": _NUMBER,
    "time": ("time", datetime.timestamp, math.nan),
}
"""For each kind of column: its name in R, its values, and the value if unknown."""

_FROM_R: dict[str, Callable[[Any], Any]] = {
    "text": str,
    "flag": bool,
    "count": _int,
    "number": float,
    "size": _int,
    "time": _time,
}

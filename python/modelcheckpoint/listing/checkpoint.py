"""One checkpoint in a folder: what is known about it, column by column."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, Union

from modelcheckpoint.decide.matching import Described
from modelcheckpoint.display.html import fields_html
from modelcheckpoint.listing.columns import (
    always,
    attribute,
    column,
    columns_of,
    described,
    known,
    of_line,
    several,
)
from modelcheckpoint.records import Record
from modelcheckpoint.storage.base import Entry, Storage

__all__ = [
    "COLUMNS",
    "Checkpoint",
    "metric_columns",
    "recorded",
    "time_of",
    "unrecorded",
]

Number = Union[int, float]

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


@described
@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that exists; what is unknown about it is None."""

    path: str = column("text", "Absolute path of the file.")
    name: str = column("text", "Its name relative to the folder, with `/`.", always)
    status: str = column(
        "text",
        '`"recorded"`: the journal has a line with this name and this size; '
        '`"changed"`: it has lines with this name, but none with this size; '
        '`"unknown"`: it has no line with this name (Keras itself may have written '
        "the file).",
    )
    epoch: int | None = of_line("count", "Epoch in which it was saved, from 1.", always)
    batch: int | None = of_line(
        "count",
        "Batch of that epoch, from 1, if it was not saved at the epoch's end.",
        known("batch"),
    )
    samples: int | None = of_line("count", "Samples that training had seen.")
    logs: Mapping[str, Number] = attribute(
        "The numbers that Keras reported at that moment.", hash=False
    )
    monitor: str | None = of_line(
        "text", "Name of the monitored quantity.", several("monitor")
    )
    value: Number | None = of_line("number", "Its value.", known("monitor"))
    mode: str | None = of_line(
        "text", '`"min"` or `"max"`: which direction of `monitor` is better.'
    )
    best: bool = column(
        "flag",
        "Whether it is the best of the list, by `value`, among the checkpoints with "
        "the same `monitor` as the newest.",
    )
    format: str | None = of_line(
        "text",
        '`"keras"`, `"weights.h5"`, `"hdf5"`, `"hdf5-weights"`, `"orbax"` or '
        '`"orbax-weights"`. If the journal does not say, `.h5`, `.hdf5` and `.orbax` '
        "can contain a model or weights.",
    )
    bytes: int = column(
        "size", "Size of the file, or of all files in the folder.", always
    )
    crc32: str | None = of_line(
        "text",
        "Checksum in the journal, eight hexadecimal digits; it was not compared with "
        "the file (`verify_checkpoints()` does that).",
    )
    time: datetime | None = of_line(
        "time",
        "When it was saved, UTC; if the journal does not say, when the file was "
        "written.",
        always,
    )
    run: str | None = of_line("text", "Identifier of the run that wrote it.")
    aside: bool = column(
        "flag",
        "Whether it was kept under this second name when another checkpoint took its "
        "first name.",
    )
    record: Record | None = attribute(
        "The line of the journal that describes it.", repr=False, compare=False
    )
    file: Entry = attribute("What was seen of the file.", repr=False, compare=False)

    def _repr_html_(self) -> str:
        values = {k: v for k, v in vars(self).items() if k not in ("record", "file")}
        return fields_html(values, self.name)


COLUMNS = columns_of(Checkpoint)
"""The columns that every list has."""


def metric_columns(checkpoints: Sequence[Checkpoint]) -> dict[str, list[float | None]]:
    """Return the values of each metric; None for a checkpoint without it.

    A metric with the name of another column gets the prefix `logs.`.
    """
    columns: dict[str, list[float | None]] = {}
    names = dict.fromkeys(name for c in checkpoints for name in c.logs)
    taken = {column.name for column in COLUMNS}
    for name in names:
        head = name
        while head in taken:
            head = f"logs.{head}"
        taken.add(head)
        values = [c.logs.get(name) for c in checkpoints]
        columns[head] = [None if value is None else float(value) for value in values]
    return columns


def recorded(storage: Storage, file: Entry, line: Described, best: bool) -> Checkpoint:
    """Return a checkpoint that a journal line describes."""
    record = line.record
    written = {c.name: _WRITTEN[c.kind](getattr(record, c.name)) for c in _OF_LINE}
    return Checkpoint(
        **_of_file(storage, file),
        **written,
        status="recorded",
        logs={name: _known(value) for name, value in record.logs.items()},
        best=best,
        aside=line.aside,
        record=record,
    )


def unrecorded(storage: Storage, file: Entry, named: bool) -> Checkpoint:
    """Return a checkpoint that no line describes, though one may have its name."""
    unknown: dict[str, Any] = {c.name: None for c in _OF_LINE}
    unknown.update(format=_format_of(file.name), time=_modified(file.modified))
    return Checkpoint(
        **_of_file(storage, file),
        **unknown,
        status="changed" if named else "unknown",
        logs={},
        best=False,
        aside=False,
        record=None,
    )


def _of_file(storage: Storage, file: Entry) -> dict[str, Any]:
    path = storage.path(file.name)
    return {"path": path, "name": file.name, "bytes": file.bytes, "file": file}


def _format_of(name: str) -> str | None:
    return next((f for f in ("keras", "weights.h5") if name.endswith(f".{f}")), None)


def _count(value: int | None) -> int | None:
    # A foreign line can hold a number that no table can.
    return value if value is not None and 0 <= value < 2**53 else None


def _known(value: Number | None) -> Number:
    """Return a number as a float can hold it; NaN if it is None."""
    if value is None:
        return math.nan
    try:
        float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
    return value


def time_of(text: str) -> datetime | None:
    """Return the time in a journal line, UTC; None if it is not a time."""
    try:
        time = datetime.fromisoformat(text)
        if time.tzinfo is None:
            return time.replace(tzinfo=timezone.utc)
        return time.astimezone(timezone.utc)
    except (ValueError, OverflowError):
        return None


def _modified(modified: int) -> datetime | None:
    try:
        return _EPOCH + timedelta(microseconds=modified // 1000)
    except OverflowError:
        return None


def _value(value: Number | None) -> Number | None:
    return None if value is None else _known(value)


def _same(value: Any) -> Any:
    return value


_OF_LINE = [column for column in COLUMNS if column.of_line]
_WRITTEN: dict[str, Callable[[Any], Any]] = {
    "text": _same,
    "flag": _same,
    "count": _count,
    "number": _value,
    "time": time_of,
}
"""Converters for the values of a journal line, by kind of column."""

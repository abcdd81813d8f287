"""One checkpoint that is there, and a list of them."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Union, overload

from modelcheckpoint.decide import matching
from modelcheckpoint.journal.scan import Contents, File
from modelcheckpoint.listing.plot_points import Point, curve
from modelcheckpoint.listing.table import Column, legend, table
from modelcheckpoint.listing.text import quantity, shown
from modelcheckpoint.records import Record

if TYPE_CHECKING:
    from typing import SupportsIndex

    from pandas import DataFrame

__all__ = ["Checkpoint", "CheckpointList", "catalogue"]

Number = Union[int, float]

_SHOWN = 20
"""How many checkpoints a list shows of itself."""

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that is there; None stands for what is not known of it.

    Attributes:
        path: Absolute path of the file.
        name: Its name relative to the folder, with `/`.
        status: `"recorded"`: the journal has a line of this name and this size;
            `"changed"`: it has lines of this name, and none has this size;
            `"unknown"`: it has no line of this name, as where Keras itself wrote it.
        epoch: Epoch in which it was saved, from 1.
        batch: Batch of that epoch, from 1; None when saved at the epoch's end.
        samples: Samples that training had seen.
        logs: The numbers that Keras reported at that moment.
        monitor: Name of the monitored quantity.
        value: Its value.
        mode: `"min"` or `"max"`: which direction of `monitor` is better.
        best: Whether it is the best of the list: by `value`, among those with the
            `monitor` of the newest.
        format: `"keras"`, `"weights.h5"`, `"hdf5"` or `"hdf5-weights"`. Where the
            journal does not tell, `.h5` and `.hdf5` can be either.
        bytes: Size of the file.
        crc32: Checksum that the journal has, eight hexadecimal digits; nobody has
            compared it with the file (`verify_checkpoints` does).
        time: When it was saved, UTC; when the file was written where the journal does
            not tell.
        run: Identifier of the run that wrote it.
        aside: Whether it was kept under this second name when another checkpoint took
            its first.
        record: The line of the journal from which this is.
        file: What was seen of the file.
    """

    path: str
    name: str
    status: str
    epoch: int | None
    batch: int | None
    samples: int | None
    logs: Mapping[str, Number] = field(hash=False)
    monitor: str | None
    value: Number | None
    mode: str | None
    best: bool
    format: str | None
    bytes: int
    crc32: str | None
    time: datetime | None
    run: str | None
    aside: bool
    record: Record | None = field(repr=False, compare=False)
    file: File = field(repr=False, compare=False)


class CheckpointList(list[Checkpoint]):
    """The checkpoints of a folder, in the order of saving; a list in every way.

    Attributes:
        folder: Absolute path.
        curve: A point for each save that the journal tells of, also of files that are
            gone; what `plot_checkpoints` draws.
    """

    def __init__(
        self,
        found: Iterable[Checkpoint] = (),
        folder: str = "",
        curve: Sequence[Point] = (),
    ) -> None:
        super().__init__(found)
        self.folder = folder
        self.curve = list(curve)

    def to_dataframe(self) -> DataFrame:
        """Return a pandas data frame with one row for each checkpoint.

        It has a column for each attribute but `logs`, then one for each metric in
        `logs`; a metric that has the name of such a column is called `logs.<name>`.
        With no checkpoints the columns and their types are the same.

        Raises:
            ImportError: If there is no pandas.
        """
        from modelcheckpoint.listing.frame import frame_of

        return frame_of(self)

    @overload
    def __getitem__(self, index: SupportsIndex) -> Checkpoint: ...
    @overload
    def __getitem__(self, index: slice) -> CheckpointList: ...
    def __getitem__(self, index: Any) -> Any:
        found = super().__getitem__(index)
        if isinstance(index, slice):
            return CheckpointList(found, self.folder, self.curve)
        return found

    def __repr__(self) -> str:
        head = f"<{quantity(len(self))}>"
        if self.folder:
            head += f" {shown(self.folder)}"
        if not self:
            return head
        left = len(self) - _SHOWN
        if left > 0:
            head += f", and the last {_SHOWN} of them"
        some = self[-_SHOWN:]
        lines = [head, *_aligned(table(some)), shown(legend(self, len(some)))]
        return "\n".join(filter(None, lines))

    __str__ = __repr__


def catalogue(folder: str, found: Contents) -> CheckpointList:
    """Return the checkpoints of a folder, in the order of saving.

    Files that the journal does not describe come first, by the time at which they were
    written: nothing tells when they were saved.
    """
    entries = found.entries
    sizes = {file.name: file.bytes for file in found.files}
    told = matching.described(entries, sizes)
    records = [one.record for one in told]
    best = matching.best(records)
    files = {file.name: file for file in found.files}
    listed = [
        _recorded(folder, files.pop(one.record.path), one, one.record is best)
        for one in told
    ]
    named = {entry.path for entry in entries if isinstance(entry, Record)}
    others = [
        _unrecorded(folder, file, file.name in named)
        for file in sorted(files.values(), key=lambda file: (file.modified, file.name))
    ]
    history = [entry for entry in entries if isinstance(entry, Record)]
    points = curve(history, records, best)
    return CheckpointList([*others, *listed], folder, points)


def _recorded(
    folder: str, file: File, told: matching.Described, best: bool
) -> Checkpoint:
    record = told.record
    return Checkpoint(
        path=os.path.join(folder, *file.name.split("/")),
        name=file.name,
        status="recorded",
        epoch=_count(record.epoch),
        batch=_count(record.batch),
        samples=_count(record.samples),
        logs={name: _known(value) for name, value in record.logs.items()},
        monitor=record.monitor,
        value=None if record.value is None else _known(record.value),
        mode=record.mode,
        best=best,
        format=record.format,
        bytes=file.bytes,
        crc32=record.crc32,
        time=_time(record.time),
        run=record.run,
        aside=told.aside,
        record=record,
        file=file,
    )


def _unrecorded(folder: str, file: File, named: bool) -> Checkpoint:
    return Checkpoint(
        path=os.path.join(folder, *file.name.split("/")),
        name=file.name,
        status="changed" if named else "unknown",
        epoch=None,
        batch=None,
        samples=None,
        logs={},
        monitor=None,
        value=None,
        mode=None,
        best=False,
        format=_format_of(file.name),
        bytes=file.bytes,
        crc32=None,
        time=_written(file.modified),
        run=None,
        aside=False,
        record=None,
        file=file,
    )


def _format_of(name: str) -> str | None:
    return next((f for f in ("keras", "weights.h5") if name.endswith(f".{f}")), None)


def _count(value: int | None) -> int | None:
    # A foreign line can hold a number that no table does.
    return value if value is not None and 0 <= value < 2**53 else None


def _known(value: Number | None) -> Number:
    """Return a number as one that a float can hold; NaN where it is none."""
    if value is None:
        return math.nan
    try:
        float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
    return value


def _time(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
        if found.tzinfo is None:
            return found.replace(tzinfo=timezone.utc)
        return found.astimezone(timezone.utc)
    except (ValueError, OverflowError):
        return None


def _written(modified: int) -> datetime | None:
    try:
        return _EPOCH + timedelta(microseconds=modified // 1000)
    except OverflowError:
        return None


def _aligned(columns: Sequence[Column]) -> list[str]:
    """Return the lines of a table, each column as wide as its longest text."""
    padded = []
    for column in columns:
        cells = [column.head, *map(shown, column.cells)]
        width = max(map(len, cells))
        pad = str.rjust if column.right else str.ljust
        padded.append([pad(cell, width) for cell in cells])
    return ["  ".join(row).rstrip() for row in zip(*padded)]

"""The checkpoints of a folder, as a list."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, overload

from modelcheckpoint.decide import matching
from modelcheckpoint.decide.monitor import best_record
from modelcheckpoint.display.table import aligned
from modelcheckpoint.display.text import quantity, shown
from modelcheckpoint.journal.scan import Contents
from modelcheckpoint.listing.checkpoint import Checkpoint, recorded, unrecorded
from modelcheckpoint.listing.checkpoint_html import checkpoints_html
from modelcheckpoint.listing.checkpoint_table import legend, table
from modelcheckpoint.listing.plot_points import Point, curve
from modelcheckpoint.records import Record
from modelcheckpoint.storage.base import Storage

if TYPE_CHECKING:
    from typing import SupportsIndex

    from pandas import DataFrame

__all__ = ["CheckpointList", "catalogue"]

_SHOWN = 20
"""How many checkpoints a printed list shows."""


class CheckpointList(list[Checkpoint]):
    """The checkpoints of a folder, in the order of saving; a list in every way.

    Attributes:
        folder: Absolute path.
        curve: A point for each save in the journal, also of deleted files; what
            `plot_checkpoints` draws.
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
        `logs`; a metric with the name of another column is called `logs.<name>`.
        Without checkpoints, the columns and their types are the same.

        Raises:
            ImportError: If pandas is not installed.
        """
        from modelcheckpoint.listing.frame import frame_of

        return frame_of(self)

    @overload
    def __getitem__(self, index: SupportsIndex) -> Checkpoint: ...
    @overload
    def __getitem__(self, index: slice) -> CheckpointList: ...
    def __getitem__(self, index: Any) -> Any:
        item = super().__getitem__(index)
        if isinstance(index, slice):
            return CheckpointList(item, self.folder, self.curve)
        return item

    def _repr_html_(self) -> str:
        return checkpoints_html(self, self.folder, min(len(self), _SHOWN))

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
        lines = [head, *aligned(table(some)), shown(legend(self, len(some)))]
        return "\n".join(line.rstrip() for line in lines if line)


def catalogue(storage: Storage, contents: Contents) -> CheckpointList:
    """Return the checkpoints of a folder, in the order of saving.

    Files that the journal does not describe come first, by the time at which they were
    written, because nothing says when they were saved.
    """
    entries = contents.entries
    sizes = {file.name: file.bytes for file in contents.files}
    lines = matching.described(entries, sizes)
    records = [line.record for line in lines]
    best = best_record(records)
    files = {file.name: file for file in contents.files}
    listed = [
        recorded(storage, files.pop(line.record.path), line, line.record is best)
        for line in lines
    ]
    named = {entry.path for entry in entries if isinstance(entry, Record)}
    others = [
        unrecorded(storage, file, file.name in named)
        for file in sorted(files.values(), key=lambda file: (file.modified, file.name))
    ]
    history = [entry for entry in entries if isinstance(entry, Record)]
    points = curve(history, records, best)
    return CheckpointList([*others, *listed], storage.root, points)

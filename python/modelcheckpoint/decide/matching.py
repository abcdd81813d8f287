"""Which record describes a file, which file is the newest, and which is the best?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Union

from modelcheckpoint.decide.aside_names import is_aside_name
from modelcheckpoint.decide.monitor import improves
from modelcheckpoint.records import Record, Removal

__all__ = [
    "Described",
    "Originals",
    "Save",
    "best",
    "described",
    "newest",
    "value_of",
]

Number = Union[int, float]
Content = tuple[int, str, str, str]
Save = tuple[str, Content]


@dataclass(frozen=True)
class Described:
    """A file that is there, and what the journal says of it.

    Attributes:
        record: The line that describes it.
        aside: Whether it is a second name, under which a later run kept it.
    """

    record: Record
    aside: bool


def described(
    entries: Iterable[Record | Removal], sizes: Mapping[str, int]
) -> list[Described]:
    """Return what the journal says of each file, in the order of saving.

    Of a file that is the newest line of its name that has its size, before those that
    a later line calls removed: where names and sizes stay the same, a save that never
    came would otherwise stand for the one before it. What was kept aside has the place
    of its first line.

    Args:
        entries: Of the journal, oldest first.
        sizes: Of the files that are there, by name.
    """
    originals = Originals()
    places: dict[Save, int] = {}
    there: dict[str, dict[tuple[int, str, str], Record]] = {}
    gone: dict[str, dict[tuple[int, str, str], Record]] = {}
    for place, entry in enumerate(entries):
        key = (entry.bytes, entry.crc32, entry.run)
        if isinstance(entry, Removal):
            ended = there.get(entry.removed, {}).pop(key, None)
            if ended is not None:
                gone.setdefault(entry.removed, {})[key] = ended
            continue
        places.setdefault(originals.add(entry), place)
        if sizes.get(entry.path) == entry.bytes:
            lines = there.setdefault(entry.path, {})
            lines.pop(key, None)  # the newest is the last
            lines[key] = entry
    chosen = [_last(there[name]) or _last(gone.get(name, {})) for name in there]
    saves = [(originals.of(record), record) for record in chosen if record is not None]
    found = [(places[save], save[0] != r.path, r) for save, r in saves]
    # The second name before the first one, should both be there.
    ordered = sorted(found, key=lambda one: (one[0], not one[1]))
    return [Described(record, aside) for _, aside, record in ordered]


class Originals:
    """Knows which lines are of one save: that of a file, and of its second name."""

    def __init__(self) -> None:
        self._first: dict[Content, str] = {}

    def add(self, record: Record) -> Save:
        """Take note of a line, the newest, and return what it is of."""
        self._first.setdefault(_content(record), record.path)
        return self.of(record)

    def of(self, record: Record) -> Save:
        """Return what a line is of: the file's first name, and what it holds."""
        path = record.path
        if ".run-" in path and is_aside_name(path, record.run):
            path = self._first.get(_content(record), path)
        return path, _content(record)


def newest(records: Sequence[Record]) -> Record | None:
    """Return the last of some records, which are in the order of saving."""
    return records[-1] if records else None


def best(
    records: Sequence[Record], monitor: str | None = None, mode: str | None = None
) -> Record | None:
    """Return the best of some records, or None where none has a value.

    Of equal values the earlier is the better, as it is in training. NaN and the
    infinities are never the best.

    Args:
        records: In the order of saving.
        monitor: What is compared, a key of `logs`; None: what the newest monitors.
        mode: `"min"` or `"max"`; None: as the newest record that monitors it says.
    """
    if monitor is None:
        last = newest(records)
        monitor = last.monitor if last else ""
    if mode is None:
        modes = [r.mode for r in records if r.monitor == monitor]
        mode = modes[-1] if modes else "min"
    found: Record | None = None
    value: Number | None = None
    for record in records:
        other = value_of(record, monitor)
        if improves(other, value, mode):
            found, value = record, other
    return found


def value_of(record: Record, monitor: str) -> Number | None:
    """Return what a record knows of a metric, or None."""
    if record.monitor == monitor and record.value is not None:
        return record.value
    return record.logs.get(monitor)


def _content(record: Record) -> Content:
    return record.bytes, record.crc32, record.time, record.run


def _last(lines: dict[tuple[int, str, str], Record]) -> Record | None:
    return next(reversed(lines.values()), None)

"""Which record describes a file, which file is the newest, and which is the best?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Union

from modelcheckpoint.decide.monitor import improves
from modelcheckpoint.records import Record, Removal

__all__ = ["Described", "best", "described", "newest", "value_of"]

Number = Union[int, float]


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
    first: dict[tuple[int, str, str, str], tuple[int, str]] = {}
    there: dict[str, dict[tuple[int, str, str], Record]] = {}
    gone: dict[str, dict[tuple[int, str, str], Record]] = {}
    for place, entry in enumerate(entries):
        key = (entry.bytes, entry.crc32, entry.run)
        if isinstance(entry, Removal):
            ended = there.get(entry.removed, {}).pop(key, None)
            if ended is not None:
                gone.setdefault(entry.removed, {})[key] = ended
            continue
        first.setdefault(_save_of(entry), (place, entry.path))
        if sizes.get(entry.path) == entry.bytes:
            lines = there.setdefault(entry.path, {})
            lines.pop(key, None)  # the newest is the last
            lines[key] = entry
    chosen = [_last(there[name]) or _last(gone.get(name, {})) for name in there]
    places = [(*first[_save_of(r)], r) for r in chosen if r is not None]
    ordered = sorted(places, key=lambda place: (place[0], place[1] == place[2].path))
    return [Described(r, name != r.path) for _, name, r in ordered]


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


def _save_of(record: Record) -> tuple[int, str, str, str]:
    """Return what a record has in common with that of its file's second name."""
    return record.bytes, record.crc32, record.time, record.run


def _last(lines: dict[tuple[int, str, str], Record]) -> Record | None:
    return next(reversed(lines.values()), None)

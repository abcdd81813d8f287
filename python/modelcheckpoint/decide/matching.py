"""Which journal record describes a file, and which file is the newest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from modelcheckpoint.decide.aside_names import is_aside_name
from modelcheckpoint.records import Record, Removal

__all__ = ["Described", "Originals", "Save", "content", "described"]

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
        self._first.setdefault(content(record), record.path)
        return self.of(record)

    def of(self, record: Record) -> Save:
        """Return what a line is of: the file's first name, and what it holds."""
        path = record.path
        if ".run-" in path and is_aside_name(path, record.run):
            path = self._first.get(content(record), path)
        return path, content(record)


def content(record: Record) -> Content:
    """Return what is the same in all lines of one save, whatever the file's name."""
    return record.bytes, record.crc32, record.time, record.run


def _last(lines: dict[tuple[int, str, str], Record]) -> Record | None:
    return next(reversed(lines.values()), None)

"""Find the journal record that describes a file, and the order of the files."""

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
    """An existing file, as the journal describes it.

    Attributes:
        record: The line that describes it.
        aside: Whether its name is a second name, under which a later run kept it.
    """

    record: Record
    aside: bool


def described(
    entries: Iterable[Record | Removal], sizes: Mapping[str, int]
) -> list[Described]:
    """Return the journal's description of each file, in the order of saving.

    A file is described by the newest line with its name and size. Lines that a later
    line calls removed count only if there is no other: otherwise, with constant names
    and sizes, a save that never came would stand for the one before it. A file that was
    kept aside has the place of its first line.

    Args:
        entries: The entries of the journal, oldest first.
        sizes: The sizes of the existing files, by name.
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
    # If both names exist, the second comes before the first.
    ordered = sorted(found, key=lambda one: (one[0], not one[1]))
    return [Described(record, aside) for _, aside, record in ordered]


class Originals:
    """Knows which lines belong to one save: a file's, and that of its second name."""

    def __init__(self) -> None:
        self._first: dict[Content, str] = {}

    def add(self, record: Record) -> Save:
        """Note a line, the newest so far, and return its save."""
        self._first.setdefault(content(record), record.path)
        return self.of(record)

    def of(self, record: Record) -> Save:
        """Return the save of a line: the file's first name, and its content."""
        path = record.path
        if ".run-" in path and is_aside_name(path, record.run):
            path = self._first.get(content(record), path)
        return path, content(record)


def content(record: Record) -> Content:
    """Return the values that all lines of one save share, whatever the file's name."""
    return record.bytes, record.crc32, record.time, record.run


def _last(lines: dict[tuple[int, str, str], Record]) -> Record | None:
    return next(reversed(lines.values()), None)

"""Find the checkpoints to resume from, and those that led to one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Union

from modelcheckpoint.decide.matching import Originals, Save
from modelcheckpoint.decide.naming import Template, same_names
from modelcheckpoint.records import Record, Removal

__all__ = ["candidates", "lineage"]

Entry = Union[Record, Removal]


def candidates(
    entries: Iterable[Entry], template: Template, format: str
) -> list[Record]:
    """Return the records of a template's checkpoints in a journal, newest first.

    A file that was kept aside is as old as its first line.

    Args:
        entries: The entries of the journal, oldest first.
        template: The continuing callback's template; the folder may have moved.
        format: The format that the files must have.
    """
    originals = Originals()
    places: dict[Save, int] = {}
    found: list[tuple[int, Record]] = []
    for entry in entries:
        if isinstance(entry, Removal) or entry.format != format:
            continue
        if same_names(entry.template, template.text):
            place = places.setdefault(originals.add(entry), len(places))
            found.append((place, entry))
    ordered = sorted(found, key=lambda one: one[0])  # stable: the second name is last
    return [record for _, record in reversed(ordered)]


def lineage(entries: Iterable[Entry], last: Record) -> list[Record]:
    """Return the checkpoints that led to `last`, oldest first, including itself.

    These are the durable ones of its run that precede it both in the journal and in
    training. Checkpoints that were abandoned, because training continued from an
    earlier one, do not count.
    """
    run: dict[Removal, Record] = {}
    for entry in entries:
        if isinstance(entry, Removal):
            run.pop(entry, None)
        elif entry.run == last.run:
            run.pop(Removal.of(entry), None)  # the same file again: now it is newer
            run[Removal.of(entry)] = entry
    earlier = list(run)
    this = Removal.of(last)
    found = [last]
    for file in reversed(earlier[: earlier.index(this)] if this in run else earlier):
        if _lies_before(run[file], found[-1]):
            found.append(run[file])
    return found[::-1]


def _lies_before(one: Record, other: Record) -> bool:
    # If an epoch is repeated, its batches are counted again, but samples continue.
    if one.samples is not None and other.samples is not None:
        return one.samples < other.samples
    return _moment(one) < _moment(other)


def _moment(record: Record) -> tuple[int, int, int]:
    return record.epoch, record.batch or 0, record.epochs_done

"""Which checkpoint to resume from, and which checkpoints led to it."""

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
    """Return what this template's checkpoints are in a journal, newest first.

    What was kept aside is as old as its first line: it was no newer checkpoint then.

    Args:
        entries: What the journal tells, oldest first.
        template: Of the callback that goes on; the folder may have moved meanwhile.
        format: What the files must hold.
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
    """Return the checkpoints that led to `last`, oldest first, itself among them.

    Those of its run that were durable, and that lie before it both in the journal and
    in training: what was trained, and then given up as the training went on from an
    earlier checkpoint, does not count.
    """
    run: dict[Removal, Record] = {}
    for entry in entries:
        if isinstance(entry, Removal):
            run.pop(entry, None)
        elif entry.run == last.run:
            run.pop(Removal.of(entry), None)  # the same file, once more: it is newer
            run[Removal.of(entry)] = entry
    earlier = list(run)
    this = Removal.of(last)
    found = [last]
    for file in reversed(earlier[: earlier.index(this)] if this in run else earlier):
        if _lies_before(run[file], found[-1]):
            found.append(run[file])
    return found[::-1]


def _lies_before(one: Record, other: Record) -> bool:
    # Samples go on where an epoch begins anew, in which the batches are counted again.
    if one.samples is not None and other.samples is not None:
        return one.samples < other.samples
    return _moment(one) < _moment(other)


def _moment(record: Record) -> tuple[int, int, int]:
    return record.epoch, record.batch or 0, record.epochs_done

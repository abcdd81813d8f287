"""Decide which checkpoints to delete: all that no rule keeps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from modelcheckpoint.decide.matching import content
from modelcheckpoint.decide.monitor import best_places
from modelcheckpoint.records import Record

__all__ = ["Keep", "second_names", "settled", "superseded", "to_delete"]


@dataclass(frozen=True)
class Keep:
    """What to keep; False if nothing is set, and so nothing is deleted.

    Attributes:
        latest: How many of the newest to keep, >= 1, or None.
        best: How many of the best by the monitored value to keep, >= 1, or None.
        every: Keep the last of each epoch that is a multiple of this, >= 1, or None.
    """

    latest: int | None = None
    best: int | None = None
    every: int | None = None

    def __bool__(self) -> bool:
        return (self.latest, self.best, self.every) != (None, None, None)


def to_delete(records: Sequence[Record], keep: Keep) -> list[Record]:
    """Return the records whose files may go, oldest first.

    A checkpoint stays if any part of `keep` keeps it. The newest and the best are never
    returned, whatever `keep` says. If it is false, nothing is returned.

    The best is determined in the direction of a record's `mode`, among the records of
    one `monitor`; with several monitors, the best of each stay. Of equal values the
    earlier one is better, as in training. NaN, the infinities and missing values are
    never the best.

    Args:
        records: Oldest first, one for each file.
        keep: What to keep.
    """
    if not keep or len(records) <= (keep.latest or 1):
        return []
    kept = _newest_and_best(records, keep)
    kept.update(_lasting(records, keep.every) if keep.every else ())
    return [record for place, record in enumerate(records) if place not in kept]


def settled(records: Sequence[Record], keep: Keep) -> list[Record]:
    """Return the records that stay for good: no later decision needs them.

    They are kept as the last of their epoch, are no longer among the newest or the
    best, and are alone in that epoch. If the caller drops them from now on, it need not
    hold as many records as there are files.

    Args:
        records: Oldest first, one for each file, without the result of `to_delete`.
        keep: What to keep.
    """
    if not keep.every:
        return []
    needed = _newest_and_best(records, keep)
    epochs = Counter(record.epoch for record in records)
    return [
        record
        for place, record in enumerate(records)
        if place not in needed and epochs[record.epoch] == 1
    ]


def second_names(records: Sequence[Record]) -> list[Record]:
    """Return the records of second names whose first name is among the records, too.

    If a run is killed between giving a file a second name and writing the new file, one
    file is left under two names. It must not count as two checkpoints.
    """
    firsts = {content(record) for record in records if record.kept_by is None}
    return [r for r in records if r.kept_by is not None and content(r) in firsts]


def superseded(kept_aside: Sequence[Record]) -> list[Record]:
    """Return those records of files kept aside whose files may go, oldest first.

    The best of each monitor stays.

    Args:
        kept_aside: Oldest first, one for each file.
    """
    best = set(best_places(kept_aside, 1))
    return [record for place, record in enumerate(kept_aside) if place not in best]


def _newest_and_best(records: Sequence[Record], keep: Keep) -> set[int]:
    newest = range(len(records) - (keep.latest or 1), len(records))
    return {*newest, *best_places(records, keep.best or 1)}


def _lasting(records: Iterable[Record], every: int) -> list[int]:
    """Return the places of the last records of epochs that are multiples of `every`."""
    last = {r.epoch: place for place, r in enumerate(records) if r.epoch % every == 0}
    return list(last.values())

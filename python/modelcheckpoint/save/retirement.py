"""Delete the checkpoints of a run that nobody asked to keep."""

from __future__ import annotations

from collections.abc import Sequence

from modelcheckpoint.decide.aside_names import is_aside_name
from modelcheckpoint.decide.naming import same_names
from modelcheckpoint.decide.retention import (
    Keep,
    second_names,
    settled,
    superseded,
    to_delete,
)
from modelcheckpoint.journal import log
from modelcheckpoint.records import Record, Removal
from modelcheckpoint.results import Retired
from modelcheckpoint.storage.base import Storage
from modelcheckpoint.storage.system import one_wait

__all__ = ["Retirement"]


class Retirement:
    """The checkpoints of one run that are still there, of which some may go.

    Only files are touched that lines of this run name, that no other run has written
    since, and that have the size that their line tells. What this run wrote before, in
    another process perhaps, is found in the journal by the run's identifier. Beside
    them, of the files of this template that runs have kept aside for each other, all
    but the best may go.

    Once the journal was read, a save costs as much as there are checkpoints whose fate
    is open, however many there ever were.

    Args:
        storage: Where they are.
        keep: What is kept.
        run: Identifier of the run.
        template: Of its file names.
    """

    def __init__(self, storage: Storage, keep: Keep, run: str, template: str) -> None:
        self._storage = storage
        self._keep = keep
        self._run = run
        self._template = template
        self._journal = log.Follower(storage)
        self._is_first_look = True
        self._there: dict[str, Record] = {}
        self._for_good: dict[str, Record] = {}
        self._kept_aside: dict[str, Record] = {}
        self._announced: set[str] = set()

    def add(self, record: Record) -> None:
        """Take note of a checkpoint of this run, the newest."""
        if self._keep:
            self._forget(record.path)
            self._there[record.path] = record

    def stays(self, newest: Record) -> bool | None:
        """Return whether the checkpoint whose name the newest takes is to be kept.

        None where nothing was asked for, so that all that have a name are.
        """
        if not self._keep:
            return None
        if self._look() is not None:
            return True  # so it cannot be told what else there is
        if newest.path in self._for_good:
            return True
        old = self._there.get(newest.path)
        pool = [*self._there.values(), newest]
        return old is not None and old not in to_delete(pool, self._keep)

    def keep_as(self, kept: Record, path: str) -> None:
        """Take note that the checkpoint `path` of this run has a second name, too."""
        self._forget(kept.path)  # of an older checkpoint, which is gone
        if path in self._for_good:
            self._for_good[kept.path] = kept
        elif self._keep:
            # Beside the first name: the order is that of saving.
            places = list(self._there.items())
            after = next((i for i, p in enumerate(places, 1) if p[0] == path), None)
            places.insert(len(places) if after is None else after, (kept.path, kept))
            self._there = dict(places)

    def retire(self, newest: Record) -> Retired:
        """Delete what may go, now that a new checkpoint is durable."""
        if not self._keep:
            return Retired()
        unread = self._look()
        self.add(newest)
        doomed = [*self._doomed(), *self._superseded(newest)]
        if unread is not None:  # so it cannot be told whose they are by now
            return Retired(undeleted=_all(doomed, unread))
        retired = self._delete(doomed)
        for record in settled(list(self._there.values()), self._keep):
            self._forget(record.path)
            self._for_good[record.path] = record
        return retired

    def _look(self) -> OSError | None:
        """Learn from the journal what was written since the last look."""
        try:
            for entry in self._journal.entries():
                if isinstance(entry, Removal):
                    self._take_removal(entry)
                elif is_aside_name(entry.path, entry.run):
                    self._take_kept_aside(entry)
                elif entry.run != self._run:
                    self._forget(entry.path)  # it is another run's by now
                elif self._is_first_look:
                    self.add(entry)
        except OSError as error:
            return error
        self._is_first_look = False
        return None

    def _take_kept_aside(self, entry: Record) -> None:
        if entry.run != entry.kept_by:  # one run has kept it for another
            self._forget(entry.path)
            if same_names(entry.template, self._template):
                self._kept_aside[entry.path] = entry
        elif entry.run == self._run and self._is_first_look:
            first = (r.path for r in self._there.values() if _is_same(r, entry))
            self.keep_as(entry, next(first, ""))

    def _take_removal(self, removal: Removal) -> None:
        known = {**self._kept_aside, **self._there}
        record = known.get(removal.removed)
        if not self._is_first_look or record is None or Removal.of(record) != removal:
            return
        # A run that was killed between this line and the deletion left the file.
        if self._is_there(record):
            self._announced.add(record.path)
        else:
            self._forget(record.path)

    def _doomed(self) -> list[Record]:
        if not self._unwanted():
            return []
        # What somebody deleted or overwrote is neither the newest nor the best of what
        # there is: if it were counted, the last good file could go.
        for record in list(self._there.values()):
            if not self._is_there(record):
                self._forget(record.path)
        return self._unwanted()

    def _unwanted(self) -> list[Record]:
        doubles = second_names(list(self._there.values()))
        paths = {record.path for record in doubles}
        others = [r for r in self._there.values() if r.path not in paths]
        return [*doubles, *to_delete(others, self._keep)]

    def _superseded(self, newest: Record) -> list[Record]:
        for record in list(self._kept_aside.values()):
            if not self._is_there(record):
                self._forget(record.path)
        alike = (r for r in self._kept_aside.values() if r.format == newest.format)
        return superseded(list(alike))

    def _is_there(self, record: Record) -> bool:
        try:
            entry = self._storage.entry(record.path)
        except OSError:  # behind a link, say: to delete it will fail, and tell why
            return True
        return entry is not None and entry.bytes == record.bytes

    @one_wait
    def _delete(self, doomed: list[Record]) -> Retired:
        try:
            self._announce([r for r in doomed if r.path not in self._announced])
        except OSError as error:
            return Retired(undeleted=_all(doomed, error))
        deleted, undeleted = [], []
        for record in doomed:
            try:
                entry = self._storage.entry(record.path)
                is_its = entry is not None and entry.bytes == record.bytes
                if entry and is_its and self._storage.delete(entry):
                    deleted.append(record.path)
            except OSError as error:
                undeleted.append((record.path, error))
            else:
                self._forget(record.path)
        return Retired(tuple(deleted), tuple(undeleted))

    def _announce(self, records: Sequence[Record]) -> None:
        # Before the file goes: were the process killed between the two, a file would
        # be missing of which nobody knows who deleted it.
        if records:
            log.note_removals(self._storage, records)
            self._announced.update(record.path for record in records)

    def _forget(self, path: str) -> None:
        for known in (self._there, self._for_good, self._kept_aside):
            known.pop(path, None)
        self._announced.discard(path)


def _is_same(one: Record, other: Record) -> bool:
    return (one.bytes, one.crc32, one.time) == (other.bytes, other.crc32, other.time)


def _all(records: Sequence[Record], error: OSError) -> tuple[tuple[str, OSError], ...]:
    return tuple((record.path, error) for record in records)

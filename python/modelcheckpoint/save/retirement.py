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
    """The existing checkpoints of one run, some of which may be deleted.

    A file is touched only if a line of this run names it, no other run has written it
    since, and its size is that of the line. Files that this run saved earlier, perhaps
    in another process, are found in the journal by the run's identifier. In addition,
    of the files of this template that runs have kept aside for each other, all but the
    best may go.

    Once the journal has been read, the cost of a save depends on the number of
    checkpoints that are not decided for good, not on how many there ever were.

    Args:
        storage: The storage of the files.
        keep: What to keep.
        run: Identifier of the run.
        template: The template of its file names.
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
        """Note a checkpoint of this run, the newest."""
        if self._keep:
            self._forget(record.path)
            self._there[record.path] = record

    def stays(self, newest: Record) -> bool | None:
        """Return whether to keep the checkpoint whose name the newest takes.

        It is None if nothing was requested: then every file that has its name is kept.
        """
        if not self._keep:
            return None
        if self._look() is not None:
            return True  # the journal is unreadable, so it is unknown what else exists
        if newest.path in self._for_good:
            return True
        old = self._there.get(newest.path)
        pool = [*self._there.values(), newest]
        return old is not None and old not in to_delete(pool, self._keep)

    def keep_as(self, kept: Record, path: str) -> None:
        """Note that the checkpoint `path` of this run has a second name, too."""
        self._forget(kept.path)  # an older checkpoint of that name, which is gone
        if path in self._for_good:
            self._for_good[kept.path] = kept
        elif self._keep:
            # Next to the first name, because the order is that of saving.
            places = list(self._there.items())
            after = next((i for i, p in enumerate(places, 1) if p[0] == path), None)
            places.insert(len(places) if after is None else after, (kept.path, kept))
            self._there = dict(places)

    def retire(self, newest: Record) -> Retired:
        """Delete the files that may go, now that a new checkpoint is durable."""
        if not self._keep:
            return Retired()
        unread = self._look()
        self.add(newest)
        doomed = [*self._doomed(), *self._superseded(newest)]
        if unread is not None:  # the files may belong to another run by now
            return Retired(undeleted=_all(doomed, unread))
        retired = self._delete(doomed)
        for record in settled(list(self._there.values()), self._keep):
            self._forget(record.path)
            self._for_good[record.path] = record
        return retired

    def _look(self) -> OSError | None:
        """Read the lines added to the journal since the last time."""
        try:
            for entry in self._journal.entries():
                if isinstance(entry, Removal):
                    self._take_removal(entry)
                elif is_aside_name(entry.path, entry.run):
                    self._take_kept_aside(entry)
                elif entry.run != self._run:
                    self._forget(entry.path)  # it belongs to another run now
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
        # A file that somebody deleted or overwrote must not count as the newest or the
        # best, or the last good file could be deleted.
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
        except OSError:  # behind a link, say; deleting it will fail and report why
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
        # Before the file goes: if the process were killed in between, a file would be
        # missing, and nobody would know who deleted it.
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

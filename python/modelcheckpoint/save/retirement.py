"""Delete the checkpoints of a run that nobody asked to keep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from modelcheckpoint.decide.naming import is_aside_name
from modelcheckpoint.decide.retention import Keep, settled, to_delete
from modelcheckpoint.records import Record, Removal
from modelcheckpoint.storage.journal import Follower
from modelcheckpoint.storage.local import LocalStorage
from modelcheckpoint.storage.system import one_wait

__all__ = ["Retired", "Retirement"]


@dataclass(frozen=True)
class Retired:
    """What became of the checkpoints that could go.

    Attributes:
        deleted: Names of those that are gone.
        undeleted: Names of those that could not be deleted, each with the reason.
    """

    deleted: tuple[str, ...] = ()
    undeleted: tuple[tuple[str, OSError], ...] = ()


class Retirement:
    """The checkpoints of one run that are still there, of which some may go.

    Only files are touched that lines of this run name, that no other run has written
    since, and that have the size that their line tells. What this run wrote before, in
    another process perhaps, is found in the journal by the run's identifier.

    Once the journal was read, a save costs as much as there are checkpoints whose fate
    is open, however many there ever were.

    Args:
        storage: Where they are.
        keep: What is kept.
        run: Identifier of the run.
    """

    def __init__(self, storage: LocalStorage, keep: Keep, run: str) -> None:
        self._storage = storage
        self._keep = keep
        self._run = run
        self._journal = Follower(storage.folder)
        self._is_first_look = True
        self._there: dict[str, Record] = {}
        self._announced: set[str] = set()

    def add(self, record: Record) -> None:
        """Take note of a checkpoint of this run, the newest."""
        if self._keep:
            self._forget(record.path)
            self._there[record.path] = record

    def retire(self, newest: Record) -> Retired:
        """Delete what may go, now that a new checkpoint is durable."""
        if not self._keep:
            return Retired()
        unread = self._look()
        self.add(newest)
        doomed = self._doomed()
        if unread is not None:  # so it cannot be told whose they are by now
            return Retired(undeleted=_all(doomed, unread))
        retired = self._delete(doomed)
        for record in settled(list(self._there.values()), self._keep):
            self._forget(record.path)
        return retired

    def _look(self) -> OSError | None:
        """Learn from the journal what was written since the last look."""
        try:
            for entry in self._journal.entries():
                if isinstance(entry, Removal):
                    self._take_removal(entry)
                elif entry.run != self._run or is_aside_name(entry.path, entry.run):
                    self._forget(entry.path)  # it is another run's by now
                elif self._is_first_look:
                    self.add(entry)
        except OSError as error:
            return error
        self._is_first_look = False
        return None

    def _take_removal(self, removal: Removal) -> None:
        record = self._there.get(removal.removed)
        if not self._is_first_look or record is None or Removal.of(record) != removal:
            return
        # A run that was killed between this line and the deletion left the file.
        if self._is_there(record):
            self._announced.add(record.path)
        else:
            self._forget(record.path)

    def _doomed(self) -> list[Record]:
        if not to_delete(list(self._there.values()), self._keep):
            return []
        # What somebody deleted or overwrote is neither the newest nor the best of what
        # there is: if it were counted, the last good file could go.
        for record in list(self._there.values()):
            if not self._is_there(record):
                self._forget(record.path)
        return to_delete(list(self._there.values()), self._keep)

    def _is_there(self, record: Record) -> bool:
        return self._storage.size(record.path) == record.bytes

    def _delete(self, doomed: list[Record]) -> Retired:
        try:
            self._announce([r for r in doomed if r.path not in self._announced])
        except OSError as error:
            return Retired(undeleted=_all(doomed, error))
        deleted, undeleted = [], []
        with one_wait():
            for record in doomed:
                try:
                    if self._storage.retire(record.path, record.bytes):
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
            self._storage.append(*(Removal.of(r).to_line() for r in records))
            self._announced.update(record.path for record in records)

    def _forget(self, path: str) -> None:
        self._there.pop(path, None)
        self._announced.discard(path)


def _all(records: Sequence[Record], error: OSError) -> tuple[tuple[str, OSError], ...]:
    return tuple((record.path, error) for record in records)

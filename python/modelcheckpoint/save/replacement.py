"""Keep aside the file whose name a new checkpoint takes, if it must not be lost."""

from __future__ import annotations

import errno
from dataclasses import dataclass, replace

from modelcheckpoint.decide.aside_names import UNKNOWN_RUN, aside_name
from modelcheckpoint.decide.monitor import is_to_outlast
from modelcheckpoint.decide.naming import Template
from modelcheckpoint.journal import log
from modelcheckpoint.records import Record
from modelcheckpoint.results import Replaced
from modelcheckpoint.save.retirement import Retirement
from modelcheckpoint.storage.base import Digest, Storage

__all__ = ["Caution", "Replacement", "keep_aside"]


@dataclass(frozen=True)
class Caution:
    """Which files of others to keep aside even if nothing shows that they are better.

    Attributes:
        unknown: Whether to keep files that no line of the journal describes.
        known: Whether to keep files of other runs.
    """

    unknown: bool = False
    known: bool = False


class Replacement:
    """Gives a file a second name if it must not be lost when its name is taken.

    This applies to files that this run still has to keep (its best, and those that
    retention counts), to a better checkpoint of an earlier run, and to files that
    `caution` covers.

    Args:
        storage: The storage of the files.
        run: Identifier of this run.
        template: The template of the file names.
        save_best_only: Whether each file is the best of its run when saved.
        suffix: The suffix of the file names.
        retirement: Knows which files this run has to keep.
        best: The best checkpoint of this run so far.
        caution: Which other files are kept.

    Attributes:
        best: The best checkpoint of this run so far, under its current name.
    """

    def __init__(
        self,
        storage: Storage,
        run: str,
        template: str,
        save_best_only: bool,
        suffix: str,
        retirement: Retirement,
        best: Record | None,
        caution: Caution,
    ) -> None:
        self._storage = storage
        self._run = run
        # With one fixed name, each checkpoint is meant to replace the previous one.
        self._has_fields = bool(Template(template).fields)
        self._save_best_only = save_best_only
        self._suffix = suffix
        self._retirement = retirement
        self.best = best
        self._caution = caution
        self._own: dict[str, Record] = {}
        self._others: list[Record] | None = None

    def prepare(self, new: Record) -> Replaced | None:
        """Keep aside the file with the name that the new checkpoint is about to get.

        Raises:
            OSError: If the journal cannot be read, or the file cannot be kept.
        """
        others = self._other_records()
        own = self._own.get(new.path)
        if own is not None:
            return self._prepare_own(own, new)
        if self._storage.entry(new.path) is None:
            return None
        return self._prepare_other(new, others)

    def done(self, new: Record, replaced: Replaced | None) -> None:
        """Note that the new checkpoint has its name."""
        kept = None
        if replaced is not None and replaced.own and replaced.kept is not None:
            kept = self._own_under(replaced)
            self._own[kept.path] = kept
            self._retirement.keep_as(kept, new.path)
        if new.best:
            self.best = new
        elif kept is not None and self._is_best(new.path):
            self.best = kept
        self._own[new.path] = new
        self._retirement.add(new)

    def _prepare_own(self, own: Record, new: Record) -> Replaced | None:
        entry = self._storage.entry(own.path)
        if not self._has_fields or entry is None or entry.bytes != own.bytes:
            return None
        stays = self._retirement.stays(new)
        if stays is None:  # retention is not used, but the best is kept all the same
            stays = self._is_best(own.path) and not new.best
        if not stays:
            return Replaced(own, None, own=True)
        digest = Digest(own.bytes, own.crc32)
        return Replaced(own, self._keep(own, own.path, digest), own=True)

    def _prepare_other(self, new: Record, others: list[Record]) -> Replaced | None:
        known = any(record.path == new.path for record in others)
        if not (known or self._caution.unknown):
            return None
        digest = self._storage.digest(new.path)
        if digest is None:
            return None
        old = log.matching(others, new.path, digest)
        if old is None:  # somebody else's, or an upload of ours reported as failed
            old = log.matching(log.read(self._storage), new.path, digest)
            if old is not None and old.run == self._run:
                return None
        if old is None:
            if not self._caution.unknown:
                return None
            return Replaced(None, self._keep(None, new.path, digest))
        better = is_to_outlast(old, new, others, self._save_best_only)
        if not (better or self._caution.known):
            return None
        return Replaced(old, self._keep(old, new.path, digest), better=better)

    def _keep(self, old: Record | None, path: str, digest: Digest) -> str:
        run = UNKNOWN_RUN if old is None else old.run
        name = aside_name(path, run, self._suffix)
        second = keep_aside(self._storage, path, name, digest)
        if old is not None:
            line = replace(old, path=second, kept_by=self._run).to_line()
            self._storage.append(line)
        return second

    def _own_under(self, replaced: Replaced) -> Record:
        assert replaced.record is not None
        assert replaced.kept is not None
        return replace(replaced.record, path=replaced.kept, kept_by=self._run)

    def _is_best(self, path: str) -> bool:
        return self.best is not None and self.best.path == path

    def _other_records(self) -> list[Record]:
        """Return the records of other runs, as of when this one began to save.

        Checkpoints that this run saved in an earlier process are its own.
        """
        if self._others is None:
            records = list(log.read(self._storage))
            newest = {record.path: record for record in records}
            self._own = {p: r for p, r in newest.items() if r.run == self._run}
            self._others = [r for r in records if r.run != self._run]
        return self._others


def keep_aside(
    storage: Storage, name: str, aside: tuple[str, str], digest: Digest
) -> str:
    """Give a file a second name, and return that name.

    If a killed run has already given the same contents a second name, that one is
    returned.

    Args:
        storage: The storage of the file.
        name: The name of the file.
        aside: Beginning and end of the second name; if it is taken, a number goes
            between them.
        digest: The digest of the file.
    """
    for number in range(1, 10_000):
        second = ("" if number == 1 else f"-{number}").join(aside)
        try:
            storage.copy(name, second)
        except FileExistsError:
            # The folder was flushed when the new file was staged beside it.
            if storage.digest(second) != digest:
                continue
        return second
    raise FileExistsError(errno.EEXIST, "no name is free", storage.path(name))

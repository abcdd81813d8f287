"""A checkpoint that one thread stages and commits, and another one writes."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

from modelcheckpoint.records import Record
from modelcheckpoint.results import Receipt
from modelcheckpoint.save.commit import Commit
from modelcheckpoint.storage.base import Digest, Staged
from modelcheckpoint.storage.staged import NOTHING_KNOWN

__all__ = ["Draft"]


class Draft:
    """A checkpoint that is staged and committed on one thread, and written on another.

    Args:
        commit: Stages and commits it.
        record: Its record for the journal.

    Attributes:
        staged: The staged file or folder to write; None before `open`.
    """

    def __init__(self, commit: Commit, record: Record) -> None:
        self.staged: Staged | None = None
        self._commit, self._record = commit, record
        self._context = commit.stage(record.path)

    def open(self) -> None:
        """Stage the file or folder."""
        self.staged = self._context.__enter__()

    def finish(
        self, error: BaseException | None, known: Mapping[str, Digest] = NOTHING_KNOWN
    ) -> Receipt:
        """Commit the checkpoint; if writing failed, delete it and raise `error`.

        Args:
            error: The error raised while writing it, or None.
            known: See `Staged.seal`.
        """
        with contextlib.ExitStack() as stack:
            stack.push(self._context)
            if error is not None:
                raise error
            assert self.staged is not None
            digest = self.staged.seal(known)
            return self._commit.publish(self._record, self.staged, digest)

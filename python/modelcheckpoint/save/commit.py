"""How a file becomes a checkpoint, whoever writes its bytes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace

from modelcheckpoint.decide.retention import Keep
from modelcheckpoint.journal import log
from modelcheckpoint.records import Record
from modelcheckpoint.results import Receipt
from modelcheckpoint.save.replacement import Caution, Replacement
from modelcheckpoint.save.retirement import Retirement
from modelcheckpoint.storage.base import Digest, NotFlushed, Staged, Storage

__all__ = ["Commit"]


class Commit:
    """Make files the checkpoints of one run, one at a time.

    The steps, and their order, are the same for each:

    1. its bytes are durable in a temporary file, and their digest is known;
    2. what must not be lost to the name is kept aside, under a second one;
    3. the journal gets its line;
    4. the file gets its name, in place of any file that had it;
    5. what nobody asked to keep is deleted.

    After a failure before the fourth step the name is as it was, and the temporary file
    is gone. After the fourth nothing undoes the new checkpoint: what could not be
    deleted is part of the receipt.

    Args:
        storage: Where the files go.
        run: Identifier of the run.
        template: `filepath` as the user gave it.
        suffix: Of the file names.
        save_best_only: Whether each file is a best of its run.
        keep: Which of this run's checkpoints are kept; None: all.
        best: The best checkpoint of the run so far, in an earlier process perhaps.
        caution: Which files of others are kept aside before their name is taken.
    """

    def __init__(
        self,
        storage: Storage,
        run: str,
        template: str,
        suffix: str,
        *,
        save_best_only: bool = False,
        keep: Keep | None = None,
        best: Record | None = None,
        caution: Caution | None = None,
    ) -> None:
        self.storage = storage
        self._suffix = suffix
        self._never_came: list[Record] = []
        self._retirement = Retirement(storage, keep or Keep(), run, template)
        self._replacement = Replacement(
            storage,
            run,
            template,
            save_best_only,
            suffix,
            self._retirement,
            best,
            caution or Caution(),
        )

    @property
    def best(self) -> Record | None:
        """The best checkpoint of the run so far, under the name that it has now."""
        return self._replacement.best

    def save(self, record: Record, write: Callable[[Staged], Digest]) -> Receipt:
        """Go through all steps, and return what came of them.

        Args:
            record: What the journal will say of the checkpoint; its size and checksum
                are filled in here.
            write: Writes the staged file that it gets, and returns its digest.

        Raises:
            NotFlushed: If it has its name, but a power cut could still take that away.
            OSError: If a step before failed, `write` included.
        """
        with self.stage(record.path) as staged:
            return self.publish(record, staged, write(staged))

    def stage(self, name: str) -> AbstractContextManager[Staged]:
        """Begin a file that is to get a name; it is discarded unless published."""
        return self.storage.staged(name, self._suffix)

    def publish(self, record: Record, staged: Staged, digest: Digest) -> Receipt:
        """Go through all steps but the first, which is done; raises as `save` does."""
        record = replace(record, bytes=digest.bytes, crc32=digest.crc32)
        replaced = self._replacement.prepare(record)
        self._note_failures()
        # The line before the name: were the process killed between a rename and a
        # later line, a good file would have a fixed name that the journal calls
        # damaged. A line whose file never came is no error to any reader.
        self.storage.append(record.to_line())
        try:
            staged.publish()
        except NotFlushed:
            self._replacement.done(record, replaced)
            raise
        except OSError:
            if not staged.published:
                self._never_came.append(record)
                with contextlib.suppress(OSError):  # or it is noted at the next save
                    self._note_failures()
            raise
        self._replacement.done(record, replaced)
        # Only now: whatever happens before, as much as was asked for is there.
        return Receipt(record, replaced, self._retirement.retire(record))

    def _note_failures(self) -> None:
        """Note the files that never came, which the journal would call missing."""
        if self._never_came:
            log.note_removals(self.storage, self._never_came, never_came=True)
            self._never_came = []

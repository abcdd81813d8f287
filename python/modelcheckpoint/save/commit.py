"""Make a file a checkpoint, whoever writes its bytes."""

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
    """Makes files the checkpoints of one run, one at a time.

    The steps and their order are always the same:

    1. The bytes are durable in a temporary file, and their digest is known.
    2. A file with this name that must not be lost is kept aside, under a second name.
    3. The journal gets its line.
    4. The file gets its name, in place of any file that had it.
    5. Checkpoints that nobody asked to keep are deleted.

    If a step before the fourth fails, the name still has the file it had before, and
    the temporary file is gone. After the fourth step nothing undoes the new checkpoint;
    the receipt lists files that could not be deleted.

    Args:
        storage: The storage of the files.
        run: Identifier of the run.
        template: `filepath` as the user gave it.
        suffix: The suffix of the file names.
        save_best_only: Whether each file is the best of its run when saved.
        keep: Which of this run's checkpoints to keep; None for all.
        best: The best checkpoint of the run so far, perhaps from an earlier process.
        caution: Which files of others to keep aside before their name is taken.
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
        """The best checkpoint of the run so far, under its current name."""
        return self._replacement.best

    def save(self, record: Record, write: Callable[[Staged], Digest]) -> Receipt:
        """Go through all steps, and return the receipt.

        Args:
            record: The checkpoint's record; its size and checksum are filled in here.
            write: Writes the staged file, and returns its digest.

        Raises:
            NotFlushed: If the file has its name, but a power cut could still undo that.
            OSError: If a step before that failed, including `write`.
        """
        with self.stage(record.path) as staged:
            return self.publish(record, staged, write(staged))

    def stage(self, name: str) -> AbstractContextManager[Staged]:
        """Begin a file that will get this name; it is discarded unless published."""
        return self.storage.staged(name, self._suffix)

    def publish(self, record: Record, staged: Staged, digest: Digest) -> Receipt:
        """Go through all steps after the first; raises as `save` does."""
        record = replace(record, bytes=digest.bytes, crc32=digest.crc32)
        replaced = self._replacement.prepare(record)
        self._note_failures()
        # The line before the name: if the process were killed between a rename and a
        # later line, a fixed name would have a good file that the journal calls
        # damaged. A line whose file never came does no harm to any reader.
        self.storage.append(record.to_line())
        try:
            staged.publish()
        except NotFlushed:
            self._replacement.done(record, replaced)
            raise
        except OSError:
            if not staged.published:
                self._never_came.append(record)
                with contextlib.suppress(OSError):  # or the next save notes it
                    self._note_failures()
            raise
        self._replacement.done(record, replaced)
        # Only now, so that the requested number of checkpoints exists at any time.
        return Receipt(record, replaced, self._retirement.retire(record))

    def _note_failures(self) -> None:
        """Note the files that never came, or the journal would call them missing."""
        if self._never_came:
            log.note_removals(self.storage, self._never_came, never_came=True)
            self._never_came = []

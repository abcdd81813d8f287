"""A save that every process takes part in: each writes its part, the chief commits."""

from __future__ import annotations

import contextlib
import errno
import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import astuple
from functools import partial
from typing import Any

from modelcheckpoint.errors import CheckpointError, is_interrupt
from modelcheckpoint.formats import Format
from modelcheckpoint.formats.snapshot import room_for
from modelcheckpoint.records import Record
from modelcheckpoint.results import Receipt, Retired
from modelcheckpoint.save.background import Background
from modelcheckpoint.save.commit import Commit
from modelcheckpoint.save.draft import Draft
from modelcheckpoint.storage.base import Digest, NotFlushed
from modelcheckpoint.storage.staged_tree import sealed_part
from modelcheckpoint.training.agreement import Agreement
from modelcheckpoint.training.folder import not_shared

__all__ = ["CollectivePipeline"]

End = Callable[[], None]

_BYTES_A_SECOND = 20e6
"""The slowest rate at which a process reads and flushes while others wait for it."""


class CollectivePipeline:
    """Like `Pipeline`, for a model that is in parts in several processes.

    All write into one folder that the chief has staged. The chief alone commits it, and
    reports the result to the others. A failure in one process makes the save fail in
    all; an error names a process that is missing.

    Args:
        format: A format whose checkpoints have parts.
        commit: Makes the folders checkpoints.
        background: Waits for the end of each save; one save at a time.
        agreement: The processes' agreement on the saves of this callback alone.
    """

    fallback = None

    def __init__(
        self,
        format: Format,
        commit: Commit,
        background: Background,
        agreement: Agreement,
    ) -> None:
        self._format = format
        self._commit = commit
        self._background = background
        self._agreement = agreement
        self._to_commit = 0.0

    def expect(self, model: Any) -> None:
        """Prepare for the saves of a model that is about to be trained."""
        self._format.snapshotter().expect(model)
        self._to_commit = room_for(model) / _BYTES_A_SECOND

    def begin(self, model: Any, record: Record) -> bool:
        """Begin to save the model's current state; return whether that is done soon.

        Every process must call this, in the same order. An error becomes the outcome of
        the save, in every process.
        """
        draft = Draft(self._commit, record) if self._agreement.chief else None
        try:
            folder = self._folder(draft)
            write = partial(self._format.write_part, model, folder)
            end = self._agreement.each(partial(write, self._agreement.seconds))
            finish = partial(self._finish, folder, draft, end)
        except BaseException as error:
            if is_interrupt(error):
                _give_up(draft, error)
            finish = partial(_give_up, draft, error)
        self._background.forget()
        self._background.start(finish)
        return False

    def save_nowhere(self, model: Any) -> None:
        """Do nothing: every process takes part in each save."""

    def release(self) -> None:
        """Tidy up."""
        self._commit.storage.tidy()

    def _folder(self, draft: Draft | None) -> str:
        """Return the folder that the chief has staged, which all processes see."""
        storage = self._commit.storage
        name = self._agreement.told(partial(self._stage, draft))[0]
        folder = storage.path(name)
        sees = self._agreement.told(lambda: "yes" if os.path.isdir(folder) else "")
        unseen = [rank for rank, text in enumerate(sees) if not text]
        if unseen:
            raise self._agreement.failed(not_shared(unseen, storage.root))
        return folder

    def _stage(self, draft: Draft | None) -> str:
        if draft is None:
            return ""
        self._background.start(draft.open)  # on a thread that no interrupt can hit
        self._background.wait()
        if draft.staged is None:
            outcome = self._background.outcome()
            assert outcome is not None
            assert outcome[1] is not None
            raise outcome[1]
        name = os.path.relpath(draft.staged.path, self._commit.storage.root)
        return name.replace(os.sep, "/")

    def _sealed(self, folder: str, end: End) -> str:
        """Wait for all parts, make this process' part durable, and measure it."""
        end()
        mine = partial(self._format.is_in_part, process=self._agreement.rank)
        digests = sealed_part(folder, mine).items()
        return json.dumps({name: astuple(digest) for name, digest in digests})

    def _finish(self, folder: str, draft: Draft | None, end: End) -> Receipt:
        try:
            texts = self._agreement.told(
                partial(self._sealed, folder, end), self._to_commit
            )
        except BaseException as error:
            _give_up(draft, error)
        if draft is None:
            return _told(self._agreement.told(lambda: "", self._to_commit)[0])
        join = partial(self._format.join_parts, folder)
        committed = _Committed(draft, join, _digests(texts))
        try:
            self._agreement.told(committed.act, self._to_commit)
        except CheckpointError:
            if not committed.is_done:
                raise
            # The checkpoint is complete, though a process is gone that has not read
            # this. The next round names it.
        return committed.receipt()


class _Committed:
    """The chief's commit, and its result for itself and for the others.

    Args:
        draft: The draft that all processes have written.
        join: Makes one checkpoint of its parts.
        known: The digests that the processes have measured.
    """

    def __init__(
        self, draft: Draft, join: Callable[[], None], known: Mapping[str, Digest]
    ) -> None:
        self._draft, self._join, self._known = draft, join, known
        self._receipt: Receipt | None = None
        self._unflushed: NotFlushed | None = None

    def act(self) -> str:
        """Commit the draft, and return the result as a text for `_told`."""
        error: BaseException | None = None
        try:
            self._join()
        except BaseException as raised:
            error = raised
        try:
            self._receipt = self._draft.finish(error, self._known)
        except NotFlushed as raised:
            self._unflushed = raised
            return json.dumps([None, str(raised)])
        return json.dumps([self._receipt.record.to_line(), None])

    @property
    def is_done(self) -> bool:
        """Whether the checkpoint has its name."""
        return self._receipt is not None or self._unflushed is not None

    def receipt(self) -> Receipt:
        """Return the chief's own receipt; raise if the checkpoint is not durable."""
        if self._unflushed is not None:
            raise self._unflushed
        assert self._receipt is not None
        return self._receipt


def _digests(texts: Iterable[str]) -> dict[str, Digest]:
    """Return the digests of all processes' files, by name."""
    parts = [json.loads(text) for text in texts]
    return {name: Digest(*digest) for part in parts for name, digest in part.items()}


def _told(text: str) -> Receipt:
    """Return the receipt of a checkpoint from the chief's text on its commit."""
    line, unflushed = json.loads(text)
    if unflushed is not None:
        raise NotFlushed(errno.EIO, unflushed)
    record = Record.from_line(line)
    if record is None:
        raise CheckpointError("Process 0 has another version of modelcheckpoint.")
    return Receipt(record, None, Retired())


def _give_up(draft: Draft | None, error: BaseException) -> Receipt:
    """Discard the staged folder, and raise."""
    if draft is not None:
        with contextlib.suppress(type(error)):
            draft.finish(error)
    raise error

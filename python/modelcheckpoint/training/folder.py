"""Open the folder in which a training saves; check that all processes see it."""

from __future__ import annotations

import contextlib
import json
import os
import time

from modelcheckpoint.decide.naming import Template
from modelcheckpoint.errors import without_number
from modelcheckpoint.journal.sweep import sweep
from modelcheckpoint.records import Record
from modelcheckpoint.storage import absolute, storage_for
from modelcheckpoint.storage.base import Storage
from modelcheckpoint.training.agreement import Agreement

__all__ = ["check_shared", "not_shared", "open_folder"]

_LONGEST = 90.0
"""Seconds within which a file must be visible; NFS caches folders for 60."""


def open_folder(template: Template, writes: bool) -> Storage:
    """Return the storage of a template's folder.

    Args:
        template: The callback's template.
        writes: Whether this process is to write there. If so, writing is tried, and
            leftovers of dead writers are deleted.

    Raises:
        OSError: If the folder cannot be written to.
    """
    storage = storage_for(absolute(template.folder), template.depth)
    if writes:
        name = None if template.fields else template.fill({}).path
        try:
            storage.check(name, template.given_folder)
        except OSError as error:
            raise without_number(error) from error.__cause__
        sweep(storage)
    return storage


def check_shared(agreement: Agreement, storage: Storage, record: Record | None) -> None:
    """Check that each process sees a file that process 0 has just put into its folder.

    Args:
        agreement: The agreement of the processes.
        storage: The storage of the template's folder, as this process sees it.
        record: The record of a checkpoint that all must see, too, or None.

    Raises:
        CheckpointError: If one of them does not see it. All processes raise it.
    """
    if agreement.alone:
        return
    with contextlib.ExitStack() as stack:
        texts = agreement.told(lambda: _put(stack, agreement, storage))
        folder, staged = json.loads(texts[0])
        within = min(agreement.seconds / 2, _LONGEST)
        sees = agreement.told(lambda: _sees_within(within, storage, staged, record))
        unseen = [rank for rank, text in enumerate(sees) if not text]
        if unseen:
            raise agreement.failed(not_shared(unseen, folder))


def not_shared(unseen: list[int], folder: str) -> str:
    """Return a message on which processes do not see a folder, and what to do."""
    several = len(unseen) > 1
    ranks = ", ".join(map(str, unseen))
    who = f"Processes {ranks} do not" if several else f"Process {ranks} does not"
    return (
        f"{who} see the files that process 0 has in {folder}. The folder of `filepath` "
        "must be shared by all processes that train the model: let it be on a network "
        "file system, or an address in an object store."
    )


def _put(stack: contextlib.ExitStack, agreement: Agreement, storage: Storage) -> str:
    """Have process 0 stage a file; return the folder and the file's name as text.

    In an object store it stages none: nobody could see it, and an address is the same
    place everywhere.
    """
    name = None
    if agreement.chief and storage.is_near:
        staged = stack.enter_context(storage.staged("shared", ".run"))
        name = os.path.basename(staged.path)
    return json.dumps([storage.root, name])


def _sees_within(
    seconds: float, storage: Storage, staged: str | None, record: Record | None
) -> str:
    """Return "yes" once this process sees the files, or "" if that takes too long."""
    ends, pause = time.monotonic() + seconds, 0.05
    while not _sees(storage, staged, record):
        if time.monotonic() > ends:
            return ""
        time.sleep(pause)
        pause = min(2 * pause, 1.0)
    return "yes"


def _sees(storage: Storage, staged: str | None, record: Record | None) -> bool:
    if staged is not None and not _is_staged(storage, staged):
        return False
    if record is None:
        return True
    entry = storage.entry(record.path)
    return entry is not None and entry.bytes == record.bytes


def _is_staged(storage: Storage, name: str) -> bool:
    return any(entry.name == name for entry in storage.unpublished(name))

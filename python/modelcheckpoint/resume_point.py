"""The checkpoint from which a training can continue."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

from modelcheckpoint.decide.lineage import candidates, lineage
from modelcheckpoint.decide.monitor import last_best
from modelcheckpoint.decide.naming import Template
from modelcheckpoint.decide.other_checkpoints import Others, others
from modelcheckpoint.journal import log
from modelcheckpoint.journal.scan import contents
from modelcheckpoint.journal.verify import Verification, Verifier
from modelcheckpoint.records import Record
from modelcheckpoint.storage.base import Storage

__all__ = ["ResumePoint", "could_resume", "others_in", "resume_point"]


@dataclass(frozen=True)
class ResumePoint:
    """The checkpoint from which a training can continue.

    Attributes:
        record: The record of the newest intact one; None if there is none.
        chain: The checkpoints that led to it, oldest first, including itself.
        damaged: Newer ones that had to be skipped.
    """

    record: Record | None
    chain: Sequence[Record]
    damaged: Sequence[Verification]

    def best(self, monitor: str) -> Record | None:
        """Return the best of the chain by `monitor`, or None."""
        return last_best(self.chain, monitor)


def resume_point(storage: Storage, template: Template, format: str) -> ResumePoint:
    """Return the newest intact checkpoint of a template.

    Args:
        storage: Of the template's folder.
        template: Of the callback that is to continue.
        format: What the file must hold.
    """
    entries = list(log.entries(storage))
    damaged: list[Verification] = []
    looks: dict[str, Verification | None] = {}
    verifier = Verifier(storage)
    for record in candidates(entries, template, format):
        if record.path not in looks:
            looks[record.path] = verifier.verify(record.path)
            look = looks[record.path]
            if look is not None and look.status == "damaged":
                damaged.append(look)
        look = looks[record.path]
        if look is not None and look.proves(record):
            return ResumePoint(record, lineage(entries, record), damaged)
    return ResumePoint(None, [], damaged)


def others_in(storage: Storage, template: Template, format: str) -> Others | None:
    """Return the checkpoints in a folder that a run cannot continue from, or None.

    Args:
        storage: Of the template's folder, which does not have to exist.
        template: Of the callback that is to continue.
        format: What the file must hold.
    """
    try:
        seen = contents(storage, template.depth)
    except (FileNotFoundError, NotADirectoryError):
        return None
    files = {file.name: (file.bytes, file.modified) for file in seen.files}
    return others(files, seen.entries, template, format)


def could_resume(storage: Storage, template: Template, format: str) -> Record | None:
    """Return the newest checkpoint to continue from, judged only by its size."""
    for record in candidates(log.entries(storage), template, format):
        with contextlib.suppress(OSError):
            entry = storage.entry(record.path)
            if entry is not None and entry.bytes == record.bytes:
                return record
    return None

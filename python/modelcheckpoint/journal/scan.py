"""The contents of a storage of checkpoints; only the journal is opened."""

from __future__ import annotations

from dataclasses import dataclass

from modelcheckpoint.formats import SUFFIXES
from modelcheckpoint.journal import log
from modelcheckpoint.records import Record
from modelcheckpoint.storage.base import Entry, Storage

__all__ = ["Contents", "contents"]


@dataclass(frozen=True)
class Contents:
    """A storage at one moment.

    Attributes:
        files: The files with the name of a checkpoint.
        entries: The entries of the journal, oldest first.
    """

    files: list[Entry]
    entries: list[log.Entry]


def contents(storage: Storage, depth: int = 0) -> Contents:
    """Return what is in a storage, as deep below its root as the journal's names go.

    Links are not followed, and unpublished files are skipped.

    Args:
        storage: Where to look.
        depth: How many folders deep to look at least.

    Raises:
        OSError: If the storage or its journal cannot be read.
    """
    before = storage.journal_version()
    entries = list(log.entries(storage))
    names = (entry.path for entry in entries if isinstance(entry, Record))
    deepest = max((name.count("/") for name in names), default=0)
    files = list(storage.entries(SUFFIXES, max(depth, deepest)))
    if storage.journal_version() != before:
        # A line comes before its name, so by now each file that was seen has its line.
        entries = list(log.entries(storage))
    return Contents(files, entries)

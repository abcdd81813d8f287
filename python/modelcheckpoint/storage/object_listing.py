"""What a store says of the objects that it has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from modelcheckpoint.storage.base import Entry
from modelcheckpoint.storage.journals import is_journal

__all__ = ["JOURNALS", "entry_of", "journals_in"]

JOURNALS = "modelcheckpoint."
"""How the names of journals begin."""


def journals_in(library: Any, store: Any) -> list[Entry]:
    """Return the journals in a store, by their names."""
    # However many checkpoints there are: the names before and behind are not asked
    # for, and a page has a thousand.
    found: list[Entry] = []
    for page in library.list(store, offset=JOURNALS, chunk_size=1000):
        found += (entry_of(one) for one in page if is_journal(one["path"]))
        if not page[-1]["path"].startswith(JOURNALS):
            break
    return sorted(found, key=lambda entry: entry.name)


def entry_of(found: Mapping[str, Any]) -> Entry:
    """Return what the library says of an object as an entry."""
    # Of the tag a listing has no quotation marks, an object itself has them.
    version = ((found["e_tag"] or "").strip('"'), found["version"])
    modified = found["last_modified"].timestamp()
    return Entry(found["path"], found["size"], int(modified * 10**9), version)

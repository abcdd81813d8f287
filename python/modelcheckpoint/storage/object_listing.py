"""Listings of the objects in a store."""

from __future__ import annotations

import errno
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from modelcheckpoint.storage.base import Entry
from modelcheckpoint.storage.journals import is_journal

__all__ = ["JOURNALS", "entries_in", "entry_of", "journals_in", "members_in"]

JOURNALS = "modelcheckpoint."
"""The prefix of journals' names."""


def entries_in(library: Any, store: Any, depth: int) -> Iterator[Entry]:
    """Yield what is in a store down to a depth, a thousand per request."""
    if depth:
        pages: Iterable[Any] = library.list(store, chunk_size=1000)
    else:  # there can be much more below that depth
        pages = [library.list_with_delimiter(store)["objects"]]
    for page in pages:
        yield from (entry_of(one) for one in page if one["path"].count("/") <= depth)


def members_in(library: Any, store: Any, name: str) -> list[Entry]:
    """Return what is in a store below a name.

    Raises:
        FileNotFoundError: If there is nothing below it.
    """
    pages = library.list(store, name, chunk_size=1000)
    found = [entry_of(one) for page in pages for one in page]
    below = [entry for entry in found if entry.name.startswith(f"{name}/")]
    if not below:
        raise FileNotFoundError(errno.ENOENT, "there is nothing below it", name)
    return below


def journals_in(library: Any, store: Any) -> list[Entry]:
    """Return the journals in a store, by their names."""
    # This does not depend on the number of checkpoints: names before and after the
    # journals are not requested, and a page has a thousand names.
    found: list[Entry] = []
    for page in library.list(store, offset=JOURNALS, chunk_size=1000):
        found += (entry_of(one) for one in page if is_journal(one["path"]))
        if not page[-1]["path"].startswith(JOURNALS):
            break
    return sorted(found, key=lambda entry: entry.name)


def entry_of(found: Mapping[str, Any]) -> Entry:
    """Return the entry for the library's description of an object."""
    # The tag has quotation marks in an object, but not in a listing.
    version = ((found["e_tag"] or "").strip('"'), found["version"])
    modified = found["last_modified"].timestamp()
    return Entry(found["path"], found["size"], int(modified * 10**9), version)

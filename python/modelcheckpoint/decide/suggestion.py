"""The name that a user may have meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

__all__ = ["nearest"]


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that the user may have meant, or None.

    One that begins with what was typed comes first: the shortest of them.
    """
    known = list(known)
    longer = [other for other in known if len(name) > 1 and other.startswith(name)]
    if longer:
        return min(longer, key=len)
    return next(iter(get_close_matches(name, known, n=1, cutoff=0.6)), None)

"""What a checkpoint may be called, in any storage."""

from __future__ import annotations

import os

__all__ = ["is_name_below"]

_LONGEST_NAME = 4096


def is_name_below(name: str) -> bool:
    """Return whether a name, with `/` between its parts, leads out of no storage."""
    separators = {"\\", ":"} if os.name == "nt" else set()
    parts = name.split("/")
    try:
        os.fsencode(name)
    except UnicodeEncodeError:  # JSON can hold what no file's name can
        return False
    return (
        0 < len(name) <= _LONGEST_NAME
        and not ({"", ".", ".."} & set(parts))
        and not ({"\0", *separators} & set(name))
    )

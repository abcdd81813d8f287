"""What a checkpoint may be called, in any storage."""

from __future__ import annotations

import os

__all__ = ["TREES", "is_name_below", "is_tree"]

TREES = (".orbax",)
"""The suffixes of checkpoints that are folders with files in them."""

_LONGEST_NAME = 4096


def is_tree(name: str) -> bool:
    """Return whether a checkpoint of this name is a folder with files in it."""
    return name.endswith(TREES)


def is_name_below(name: str) -> bool:
    """Return whether a name, with `/` between its parts, stays within its storage."""
    separators = {"\\", ":"} if os.name == "nt" else set()
    parts = name.split("/")
    try:
        os.fsencode(name)
    except UnicodeEncodeError:  # JSON can hold what no file name can
        return False
    return (
        0 < len(name) <= _LONGEST_NAME
        and not ({"", ".", ".."} & set(parts))
        and not ({"\0", *separators} & set(name))
    )

"""The text of several lists in one, as R binds them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from modelcheckpoint.listing.checkpoint_table import legend, narrowed, table
from modelcheckpoint.listing.table import aligned
from modelcheckpoint.listing.text import quantity, shown

__all__ = ["lines_of"]


def lines_of(
    rows: Sequence[Any], folders: Sequence[str], count: int, width: int
) -> list[str]:
    """Return how many checkpoints there are, a table of the last, and its legend.

    Names are relative to the nearest folder that all folders are, or lie below.

    Args:
        rows: The checkpoints; their names are changed.
        folders: Where they lie.
        count: How many of them the table has.
        width: No line of the table is wider, if that can be.
    """
    folder = _common(folders)
    if len(folders) > 1:
        for row in rows:
            row.name = row.path[len(folder) + 1 :] if folder else row.path
    some = rows[len(rows) - count :]
    lines = [_head(len(rows), len(folders), folder)]
    if count > 0:
        if count < len(rows):
            lines.append(f"the last {count} of them:")
        lines += aligned(narrowed(table(some), width))
        lines.append(shown(legend(rows, count)))
    return [line.rstrip() for line in lines if line]


def _head(count: int, folders: int, folder: str) -> str:
    where = f" in {quantity(folders, 'folder')}" if folders > 1 else ""
    return f"<{quantity(count)}{where}> {shown(folder)}".rstrip()


def _common(folders: Sequence[str]) -> str:
    if len(folders) < 2:
        return "".join(folders)
    try:
        common = os.path.commonpath(folders)
    except ValueError:  # on two drives
        return ""
    return "" if os.path.dirname(common) == common else common

"""The text and the HTML table of several lists that R has bound together."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from modelcheckpoint.display.table import aligned
from modelcheckpoint.display.text import quantity, shown
from modelcheckpoint.listing.checkpoint_html import checkpoints_html
from modelcheckpoint.listing.checkpoint_table import legend, narrowed, table

__all__ = ["html_of", "lines_of"]


def lines_of(
    rows: Sequence[Any], folders: Sequence[str], count: int, width: int
) -> list[str]:
    """Return how many checkpoints there are, a table of the last ones, and a legend.

    Names are relative to the nearest common folder.

    Args:
        rows: The checkpoints; their names are changed.
        folders: Their folders.
        count: How many of them the table shows.
        width: The maximal width of the table's lines, if possible. Less important
            columns are omitted, and named below the table, before a name is shortened.
    """
    folder = _common(folders)
    _rename(rows, folders, folder)
    some = rows[len(rows) - count :]
    lines = [_head(len(rows), len(folders), folder)]
    if count > 0:
        if count < len(rows):
            lines.append(f"the last {count} of them:")
        columns, left_out = narrowed(table(some), width)
        lines += [*aligned(columns), shown(legend(rows, count))]
        if left_out:
            more = quantity(len(left_out), "more column")
            lines.append(f"{more}: {', '.join(left_out)}")
    return [line.rstrip() for line in lines if line]


def html_of(rows: Sequence[Any], folders: Sequence[str], count: int) -> str:
    """Return the same as HTML; arguments as for `lines_of`."""
    folder = _common(folders)
    _rename(rows, folders, folder)
    where = [quantity(len(folders), "folder")] if len(folders) > 1 else []
    where += [folder] if folder else []
    return checkpoints_html(rows, " below ".join(where), count)


def _rename(rows: Sequence[Any], folders: Sequence[str], folder: str) -> None:
    if len(folders) > 1:
        for row in rows:
            row.name = row.path[len(folder) + 1 :] if folder else row.path


def _head(count: int, folders: int, folder: str) -> str:
    where = f" in {quantity(folders, 'folder')}" if folders > 1 else ""
    return f"<{quantity(count)}{where}> {shown(folder)}".rstrip()


def _common(folders: Sequence[str]) -> str:
    if len(folders) < 2:
        return "".join(folders)
    try:
        common = os.path.commonpath(folders)
    except ValueError:  # on different drives
        return ""
    return "" if os.path.dirname(common) == common else common

"""The table of checkpoints in a notebook or an HTML page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from modelcheckpoint.display.html import table_html
from modelcheckpoint.display.text import quantity
from modelcheckpoint.listing.checkpoint_table import legend, table

__all__ = ["checkpoints_html"]


def checkpoints_html(rows: Sequence[Any], where: str, count: int) -> str:
    """Return how many checkpoints there are, a table of the last ones, and a legend.

    Args:
        rows: The checkpoints.
        where: Their folder or folders; may be empty.
        count: How many of them the table shows.
    """
    caption = quantity(len(rows))
    if where:
        caption += f" in {where}"
    if count < len(rows):
        caption += f", the last {count} of them"
    some = rows[len(rows) - count :]
    return table_html(table(some) if some else [], caption, [legend(rows, count)])

"""Tables as HTML, for a notebook or a page.

Everything in them is escaped, because a file name can be any text.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

from modelcheckpoint.display.table import Cells, shorten
from modelcheckpoint.display.text import shown

__all__ = ["fields_html", "table_html"]

_LONGEST = 80
"""How many characters of a field are shown, because a packed state has thousands."""

# A backtick could end the block of raw HTML into which knitr puts a table.
_ESCAPED = str.maketrans({"`": "&#96;"})

# Notebooks read $...$ as a formula, except in elements of these classes.
_TABLE = '<table class="tex2jax_ignore mathjax_ignore">'


def table_html(
    columns: Sequence[Cells], caption: str, notes: Sequence[str] = ()
) -> str:
    """Return a table.

    Args:
        columns: May be empty; then there is only the caption.
        caption: The text above the table.
        notes: The lines below it.
    """
    lines = [_TABLE, f"<caption>{_escaped(caption)}</caption>"]
    if columns:
        heads = [_cell("th", column.head, column) for column in columns]
        lines += ["<thead>", _row(heads), "</thead>", "<tbody>"]
        for texts in zip(*(column.texts for column in columns)):
            lines.append(_row(map(_cell, ["td"] * len(columns), texts, columns)))
        lines.append("</tbody>")
    written = [_note(note, len(columns)) for note in notes if note]
    if written:
        lines += ["<tfoot>", *written, "</tfoot>"]
    return "\n".join([*lines, "</table>"])


def fields_html(values: Mapping[str, Any], caption: str) -> str:
    """Return a table of fields and their values; long values lose their middle."""
    texts = [shorten(shown(_text(value)), _LONGEST) for value in values.values()]
    return table_html([Cells("field", list(values)), Cells("value", texts)], caption)


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {item}" for key, item in value.items())
    return str(value)


def _row(cells: Any) -> str:
    return f"<tr>{''.join(cells)}</tr>"


def _cell(tag: str, text: str, column: Cells) -> str:
    side = "right" if column.right else "left"
    return f'<{tag} style="text-align: {side}">{_escaped(text)}</{tag}>'


def _note(text: str, columns: int) -> str:
    span = f'colspan="{max(columns, 1)}" style="text-align: left"'
    return f"<tr><td {span}>{_escaped(text)}</td></tr>"


def _escaped(text: str) -> str:
    return html.escape(shown(text)).translate(_ESCAPED)

"""A table as lines of text, aligned in any script."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest

__all__ = ["GAP", "Cells", "aligned", "fold", "shorten", "width_of"]

GAP = 2
"""How many terminal cells separate two columns."""


@dataclass(frozen=True)
class Cells:
    """A column of texts.

    Attributes:
        head: The text above it.
        texts: One for each row. A newline starts another line of the row; all other
            characters that could move the cursor must have been replaced
            (`text.shown`).
        right: Whether the texts are aligned to the right, as numbers are.
        name: Of the list column that it shows, whatever its head says.
    """

    head: str
    texts: list[str]
    right: bool = False
    name: str = ""

    @property
    def width(self) -> int:
        """How many terminal cells the widest line takes."""
        lines = "\n".join([self.head, *self.texts]).split("\n")
        return max(map(width_of, lines))

    def shortened(self, width: int) -> Cells:
        """Return the column with its texts shortened to this width."""
        return replace(self, texts=[shorten(text, width) for text in self.texts])

    def folded(self, width: int, words: bool = False) -> Cells:
        """Return the column with its texts folded into lines of at most this width."""
        return replace(self, texts=[fold(text, width, words) for text in self.texts])


def aligned(columns: Sequence[Cells]) -> list[str]:
    """Return the lines of a table: the heads, then each row."""
    widths = [column.width for column in columns]
    rights = [column.right for column in columns]
    lines = []
    for row in zip(*([column.head, *column.texts] for column in columns)):
        for line in zip_longest(*(text.split("\n") for text in row), fillvalue=""):
            cells = map(_padded, line, widths, rights)
            lines.append((" " * GAP).join(cells))
    return lines


def _padded(text: str, width: int, right: bool) -> str:
    space = " " * (width - width_of(text))
    return space + text if right else text + space


def width_of(text: str) -> int:
    """Return how many terminal cells a text takes."""
    return len(text) if text.isascii() else sum(map(_cells, text))


def _cells(char: str) -> int:
    if unicodedata.category(char) in ("Mn", "Me"):  # drawn over the character before it
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def fold(text: str, width: int, words: bool = False) -> str:
    """Return text folded into lines of at most this width.

    Args:
        text: One line.
        width: Each line has at least one character, however narrow.
        words: Whether lines break between words if possible.
    """
    if width_of(text) <= width:
        return text
    lines = [""]
    for char in text:
        last = lines[-1]
        if last and width_of(last + char) > width:
            end = last.rfind(" ") if words else -1
            lines[-1:] = [last[:end], last[end + 1 :]] if end > 0 else [last, ""]
        lines[-1] += char
    return "\n".join(lines)


def shorten(text: str, width: int) -> str:
    """Return text, without its middle if it is too wide: names differ at their ends."""
    if width_of(text) <= width:
        return text
    room = width - 3
    head, tail = _start(text, room - room // 2), _start(text[::-1], room // 2)
    return f"{head}...{tail[::-1]}"


def _start(text: Iterable[str], width: int) -> str:
    start = ""
    for char in text:
        width -= _cells(char)
        if width < 0:
            break
        start += char
    return start

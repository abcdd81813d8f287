"""What a column of a list of checkpoints holds, and where it is shown."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

from modelcheckpoint.listing.text import number_text, size_text, time_text

__all__ = [
    "Column",
    "always",
    "attribute",
    "column",
    "columns_of",
    "described",
    "known",
    "of_line",
    "several",
]

T = TypeVar("T")
Shown = Callable[[Sequence[Any]], bool]


@dataclass(frozen=True)
class Kind:
    """What a column holds.

    Attributes:
        dtype: What pandas calls it; None: what pandas makes of it by itself.
        text: How people read a value that is known.
        right: Whether texts end below each other, as numbers do.
    """

    dtype: str | None
    text: Callable[[Any], str] = str
    right: bool = False


_KINDS = {
    "text": Kind("object"),
    "flag": Kind("bool"),
    "count": Kind("Int64", right=True),
    "number": Kind("float64", number_text, right=True),
    "size": Kind("int64", size_text, right=True),
    "time": Kind(None, time_text),
}


@dataclass(frozen=True)
class Column:
    """A column.

    Attributes:
        name: Of the attribute, and in data frames and tables.
        kind: `"text"`, `"flag"`, `"count"`, `"number"`, `"size"` or `"time"`.
        means: What it holds, for the documents of Python and R.
        shown: Whether it tells something of these checkpoints, so that a table for
            people has it; None: no such table has it.
        of_line: Whether the value is that of the journal's line.
    """

    name: str
    kind: str
    means: str
    shown: Shown | None
    of_line: bool

    @property
    def dtype(self) -> str | None:
        """What pandas calls it; None: what pandas makes of it by itself."""
        return _KINDS[self.kind].dtype

    @property
    def right(self) -> bool:
        """Whether its texts end below each other."""
        return _KINDS[self.kind].right

    def texts(self, rows: Sequence[Any]) -> list[str]:
        """Return how people read its values; nothing where none is known."""
        text = _KINDS[self.kind].text
        values = [getattr(row, self.name) for row in rows]
        return ["" if value is None else text(value) for value in values]


def column(
    kind: str, means: str, shown: Shown | None = None, of_line: bool = False
) -> Any:
    """Return a dataclass' field that is a `Column`."""
    data = {"kind": kind, "means": means, "shown": shown, "of_line": of_line}
    return field(metadata=data)


def of_line(kind: str, means: str, shown: Shown | None = None) -> Any:
    """Return a field as `column` does, whose value is that of the journal's line."""
    return column(kind, means, shown, of_line=True)


def attribute(means: str, **options: Any) -> Any:
    """Return a dataclass' field that is no column.

    Args:
        means: What it holds, for the documents.
        options: As for `dataclasses.field`.
    """
    return field(metadata={"means": means}, **options)


def columns_of(kind: type) -> list[Column]:
    """Return the columns of a dataclass, in the order of its fields."""
    return [Column(f.name, **f.metadata) for f in fields(kind) if "kind" in f.metadata]


def described(kind: type[T]) -> type[T]:
    """Add what its fields hold to a dataclass' documentation; a decorator."""
    meanings = [
        textwrap.fill(
            f"{f.name}: {f.metadata['means']}",
            width=84,
            initial_indent=" " * 4,
            subsequent_indent=" " * 8,
        )
        for f in fields(kind)  # type: ignore[arg-type]
    ]
    kind.__doc__ = "\n".join([f"{kind.__doc__}\n", "Attributes:", *meanings])
    return kind


def always(rows: Sequence[Any]) -> bool:
    """Show a column in every table."""
    return True


def known(name: str) -> Shown:
    """Show a column where the value of this name is known of any checkpoint."""
    return lambda rows: any(getattr(row, name) is not None for row in rows)


def several(name: str) -> Shown:
    """Show a column where there is more than one value of this name."""
    return lambda rows: len({getattr(row, name) for row in rows} - {None}) > 1

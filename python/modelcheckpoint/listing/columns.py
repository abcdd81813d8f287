"""The columns of a list of checkpoints: what they hold, and where they are shown."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

from modelcheckpoint.display.text import number_text, size_text, time_text

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
        dtype: Its pandas type; None if pandas chooses.
        text: Returns the text of a known value.
        right: Whether texts are aligned to the right, as numbers are.
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
        name: Of the attribute, and of the column in data frames and tables.
        kind: `"text"`, `"flag"`, `"count"`, `"number"`, `"size"` or `"time"`.
        means: What it holds, for the documentation of Python and R.
        shown: Returns whether it is informative for these checkpoints, so that a
            printed table has it; None if no printed table has it.
        of_line: Whether the value comes from the journal line.
    """

    name: str
    kind: str
    means: str
    shown: Shown | None
    of_line: bool

    @property
    def dtype(self) -> str | None:
        """Its pandas type; None if pandas chooses."""
        return _KINDS[self.kind].dtype

    @property
    def right(self) -> bool:
        """Whether its texts are aligned to the right."""
        return _KINDS[self.kind].right

    def texts(self, rows: Sequence[Any]) -> list[str]:
        """Return the texts of its values; empty for unknown values."""
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
    """Return a field as `column` does, with a value from the journal line."""
    return column(kind, means, shown, of_line=True)


def attribute(means: str, **options: Any) -> Any:
    """Return a dataclass' field that is not a column.

    Args:
        means: What it holds, for the documentation.
        options: As for `dataclasses.field`.
    """
    return field(metadata={"means": means}, **options)


def columns_of(kind: type) -> list[Column]:
    """Return the columns of a dataclass, in the order of its fields."""
    return [Column(f.name, **f.metadata) for f in fields(kind) if "kind" in f.metadata]


def described(kind: type[T]) -> type[T]:
    """Add the descriptions of its fields to a dataclass' docstring; a decorator."""
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
    """Show a column if any checkpoint has a known value of this name."""
    return lambda rows: any(getattr(row, name) is not None for row in rows)


def several(name: str) -> Shown:
    """Show a column if there are several values of this name."""
    return lambda rows: len({getattr(row, name) for row in rows} - {None}) > 1

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
        shown: Whether it tells something of these checkpoints, so that a table for
            people has it; None: no such table has it.
    """

    name: str
    kind: str
    shown: Shown | None = None

    @property
    def dtype(self) -> str | None:
        """What pandas calls it; None: what pandas makes of it by itself."""
        return _KINDS[self.kind].dtype

    @property
    def right(self) -> bool:
        """Whether its texts end below each other."""
        return _KINDS[self.kind].right

    def texts(self, found: Sequence[Any]) -> list[str]:
        """Return how people read its values; nothing where none is known."""
        text = _KINDS[self.kind].text
        values = [getattr(one, self.name) for one in found]
        return ["" if value is None else text(value) for value in values]


def column(kind: str, means: str, shown: Shown | None = None) -> Any:
    """Return a dataclass' field that is a column.

    Args:
        kind: As in `Column`.
        means: What it holds, for the documents of Python and R.
        shown: As in `Column`.
    """
    return field(metadata={"kind": kind, "means": means, "shown": shown})


def attribute(means: str, **options: Any) -> Any:
    """Return a dataclass' field that is no column.

    Args:
        means: What it holds, for the documents.
        options: As for `dataclasses.field`.
    """
    return field(metadata={"means": means}, **options)


def columns_of(kind: type) -> list[Column]:
    """Return the columns of a dataclass, in the order of its fields."""
    columns = [(f.name, f.metadata) for f in fields(kind) if "kind" in f.metadata]
    return [Column(name, data["kind"], data["shown"]) for name, data in columns]


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


def always(found: Sequence[Any]) -> bool:
    """Show a column in every table."""
    return True


def known(name: str) -> Shown:
    """Show a column where the value of this name is known of any checkpoint."""
    return lambda found: any(getattr(one, name) is not None for one in found)


def several(name: str) -> Shown:
    """Show a column where there is more than one value of this name."""
    return lambda found: len({getattr(one, name) for one in found} - {None}) > 1

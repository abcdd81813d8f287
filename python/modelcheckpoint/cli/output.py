"""Output of all commands: tables, lines of JSON, errors."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import click

from modelcheckpoint.addresses import is_address
from modelcheckpoint.listing.checkpoint import Checkpoint
from modelcheckpoint.listing.checkpoint_table import table
from modelcheckpoint.listing.table import Cells, aligned, fold
from modelcheckpoint.listing.text import shown
from modelcheckpoint.records import without_nan

__all__ = [
    "FOLDER",
    "as_json",
    "on_terminal",
    "print_json",
    "print_path",
    "print_table",
    "problems_told",
]


class _Folder(click.Path):
    """A folder that is there, or an address, which is looked at later."""

    def convert(self, value: Any, *where: Any) -> Any:
        if is_address(os.fspath(value)):
            return value
        return super().convert(value, *where)


FOLDER = _Folder(exists=True, file_okay=False)
"""What a command takes as FOLDER."""

_NARROW, _NARROWEST = 24, 10
"""How narrow the column of the names gets before others do, and after that."""

_TIME, _ONE_LINE = "time", len("2025-01-31 12:00:00Z")
_TRIED: tuple[dict[str, int], ...] = (
    {"head": 14, "monitor": 24, _TIME: _ONE_LINE, "cells": 80},
    {"head": 14, "monitor": 14, _TIME: 10, "cells": 80},
    {"head": 10, "monitor": 10, _TIME: 10, "cells": 80},
)


def on_terminal(text: str) -> str:
    """Return text that cannot harm the terminal that it is printed on."""
    return shown(text, sys.stdout.encoding)


@contextlib.contextmanager
def problems_told(folder: str) -> Iterator[None]:
    """Tell what cannot be read, or a wrong argument, and exit with status 2."""
    try:
        yield
    except OSError as error:
        path = os.fspath(error.filename or folder)
        reason = error.strerror or str(error)
        raise click.UsageError(f"{shown(str(path))}: {shown(reason)}") from error
    except (ValueError, ImportError) as error:
        raise click.UsageError(shown(str(error))) from error
    except KeyboardInterrupt:  # nothing was found out: it is no 1
        sys.exit(130)


def print_path(path: str) -> None:
    """Print a path alone: on a terminal as text, else byte by byte as it is."""
    if sys.stdout.isatty():
        click.echo(on_terminal(path))
    else:
        click.echo(os.fsencode(path))


def print_json(values: Iterable[Any]) -> None:
    """Print one JSON object on each line."""
    # ASCII only: a name need be no text, and a terminal need know no UTF-8.
    lines = [json.dumps(without_nan(value)) for value in values]
    if lines:
        click.echo("\n".join(lines))


def as_json(checkpoint: Checkpoint) -> dict[str, Any]:
    """Return what is known of a checkpoint, as JSON has it."""
    left_out = ("record", "file")
    known = {k: v for k, v in vars(checkpoint).items() if k not in left_out}
    time = checkpoint.time
    known["time"] = time and time.isoformat(timespec="milliseconds")
    return known


def print_table(rows: Sequence[Checkpoint]) -> None:
    """Print a table; on a terminal long names are folded, in a pipe no line is."""
    columns = table(rows, sys.stdout.encoding)
    if sys.stdout.isatty():
        columns = _folded(columns, shutil.get_terminal_size().columns)
    click.echo("\n".join(line.rstrip() for line in aligned(columns)))


def _folded(columns: Sequence[Cells], width: int) -> list[Cells]:
    """Fold names, and what else has to be, so that rows fit in the terminal's width."""
    for widths in _TRIED:
        folded = [_fold_column(c, widths) for c in columns if c.head != "name"]
        left = width - 1 - sum(2 + column.width for column in folded)
        if left >= min(_NARROW, max(c.width for c in columns if c.head == "name")):
            break
    widths = {**widths, "name": max(left, _NARROWEST)}
    return [_fold_column(column, widths) for column in columns]


def _fold_column(column: Cells, widths: dict[str, int]) -> Cells:
    widest = widths.get(column.head, widths["cells"])
    head = column.head if column.head in widths else fold(column.head, widths["head"])
    if column.head == _TIME and widest < _ONE_LINE:
        return Cells(head, [text.replace(" ", "\n") for text in column.texts])
    return Cells(head, column.texts, column.right).folded(widest)

"""Output of all commands: tables, lines of JSON, errors."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import click

from modelcheckpoint.addresses import is_address
from modelcheckpoint.display.table import GAP, Cells, aligned, fold
from modelcheckpoint.display.text import shown
from modelcheckpoint.listing.checkpoint import Checkpoint
from modelcheckpoint.listing.checkpoint_table import table
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
    """An existing folder, or an address, which is checked later."""

    def convert(self, value: Any, *where: Any) -> Any:
        if is_address(os.fspath(value)):
            return value
        return super().convert(value, *where)


FOLDER = _Folder(exists=True, file_okay=False)
"""The type of the argument FOLDER."""

_NARROW, _NARROWEST = 24, 10
"""The least width of the names' column before others shrink, and after that."""

_TIME, _ONE_LINE = "time", len("2025-01-31 12:00:00Z")
_TRIED: tuple[dict[str, int], ...] = (
    {"head": 14, "monitor": 24, _TIME: _ONE_LINE, "cells": 80},
    {"head": 14, "monitor": 14, _TIME: 10, "cells": 80},
    {"head": 10, "monitor": 10, _TIME: 10, "cells": 80},
)


def on_terminal(text: str) -> str:
    """Return text that cannot harm the terminal."""
    return shown(text, sys.stdout.encoding)


@contextlib.contextmanager
def problems_told(folder: str) -> Iterator[None]:
    """Report an unreadable folder or an invalid argument, and exit with status 2."""
    try:
        yield
    except OSError as error:
        path = os.fspath(error.filename or folder)
        reason = error.strerror or str(error)
        raise click.UsageError(f"{shown(str(path))}: {shown(reason)}") from error
    except (ValueError, ImportError) as error:
        raise click.UsageError(shown(str(error))) from error
    except KeyboardInterrupt:  # nothing was determined, so not status 1
        sys.exit(130)


def print_path(path: str) -> None:
    """Print only a path: as text on a terminal, otherwise byte by byte."""
    if sys.stdout.isatty():
        click.echo(on_terminal(path))
    else:
        click.echo(os.fsencode(path))


def print_json(values: Iterable[Any]) -> None:
    """Print one JSON object on each line."""
    # ASCII only: a name may not be valid text, and a terminal may not know UTF-8.
    lines = [json.dumps(without_nan(value)) for value in values]
    if lines:
        click.echo("\n".join(lines))


def as_json(checkpoint: Checkpoint) -> dict[str, Any]:
    """Return what is known about a checkpoint as values for JSON."""
    left_out = ("record", "file")
    known = {k: v for k, v in vars(checkpoint).items() if k not in left_out}
    time = checkpoint.time
    known["time"] = time and time.isoformat(timespec="milliseconds")
    return known


def print_table(rows: Sequence[Checkpoint]) -> None:
    """Print a table; long names are folded on a terminal, but not in a pipe."""
    columns = table(rows, sys.stdout.encoding)
    if sys.stdout.isatty():
        columns = _folded(columns, shutil.get_terminal_size().columns)
    click.echo("\n".join(line.rstrip() for line in aligned(columns)))


def _folded(columns: Sequence[Cells], width: int) -> list[Cells]:
    """Fold names, and other columns if necessary, to the terminal's width."""
    names = max(column.width for column in columns if column.name == "name")
    for widths in _TRIED:
        folded = [_fold_column(c, widths) for c in columns if c.name != "name"]
        left = width - 1 - sum(GAP + column.width for column in folded)
        if left >= min(_NARROW, names):
            break
    widths = {**widths, "name": max(left, _NARROWEST)}
    return [_fold_column(column, widths) for column in columns]


def _fold_column(column: Cells, widths: dict[str, int]) -> Cells:
    widest = widths.get(column.name, widths["cells"])
    column = replace(column, head=fold(column.head, widths["head"]))
    if column.name == _TIME and widest < _ONE_LINE:
        return replace(column, texts=[t.replace(" ", "\n") for t in column.texts])
    return column.folded(widest)

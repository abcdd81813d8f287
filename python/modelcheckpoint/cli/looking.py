"""The commands `list`, `latest` and `best`."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any

import click

from modelcheckpoint.cli.output import (
    FOLDER,
    as_json,
    on_terminal,
    print_json,
    print_path,
    print_table,
    problems_told,
)
from modelcheckpoint.display.text import quantity, shown, size_text
from modelcheckpoint.folder import list_checkpoints
from modelcheckpoint.listing.checkpoint import COLUMNS, Checkpoint
from modelcheckpoint.listing.checkpoint_table import legend
from modelcheckpoint.listing.queries import find_best, find_latest

__all__ = ["best", "latest", "list_"]

_SORTS = [c.name for c in COLUMNS if c.shown and c.name != "monitor"]
"""The columns by which one can sort."""

_FORMER = {"file": "name", "size": "bytes"}
"""Old names of columns that are still accepted, with the new names."""


@click.command("list")
@click.argument("folder", type=FOLDER)
@click.option("--json", "json", is_flag=True, help="One JSON object on each line.")
@click.option(
    "--sort",
    metavar="COLUMN",
    default="saved",
    help="saved (the default: in the order of saving), "
    f"{', '.join(_SORTS)}, or a metric such as val_loss.",
)
@click.option("-r", "--reverse", is_flag=True, help="Reverse the order.")
def list_(folder: str, json: bool, sort: str, reverse: bool) -> None:
    """List the checkpoints in FOLDER, the newest last.

    Only the journal is opened; `modelcheckpoint verify` reads the files and checks them
    for damage.

    \b
    *  the best, by what the newest checkpoint monitors
    !  status "changed": the journal has this name, with another size
    ?  status "unknown": the journal does not name it; Keras may have written it

    \b
    Exit status:
      0    always, even if there are none
      2    invalid arguments, or the folder cannot be read
      130  it was interrupted

    \b
    Examples:
      modelcheckpoint list checkpoints
      modelcheckpoint list checkpoints --sort val_loss
      modelcheckpoint list checkpoints --json | jq 'select(.epoch > 10)'
    """  # noqa: D301 - click reads this sign
    with problems_told(folder):
        checkpoints = list_checkpoints(folder)
    listed = _sorted(checkpoints, sort, reverse)
    if json:
        print_json(map(as_json, listed))
        return
    if listed:
        print_table(listed)
    click.echo(_summary(listed))


@click.command()
@click.argument("folder", type=FOLDER)
def latest(folder: str) -> None:
    """Print the path of the newest checkpoint in FOLDER.

    \b
    Exit status:
      0    there is one
      1    there is none; standard error says why
      2    invalid arguments, or the folder cannot be read
      130  it was interrupted

    \b
    Example:
      cp "$(modelcheckpoint latest checkpoints)" model.keras
    """  # noqa: D301 - click reads this sign
    with problems_told(folder):
        path, why = find_latest(folder)
    _print_path(path, why)


@click.command()
@click.argument("folder", type=FOLDER)
@click.option(
    "--monitor", help="The metric to compare [default: what the newest one monitors]."
)
@click.option(
    "--mode", type=click.Choice(["min", "max"]), help="Which direction is better."
)
def best(folder: str, monitor: str | None, mode: str | None) -> None:
    """Print the path of the best checkpoint in FOLDER.

    \b
    Exit status:
      0    there is one
      1    there is none; standard error says why
      2    invalid arguments, or the folder cannot be read
      130  it was interrupted

    \b
    Examples:
      modelcheckpoint best checkpoints
      modelcheckpoint best checkpoints --monitor val_accuracy --mode max
    """  # noqa: D301 - click reads this sign
    with problems_told(folder):
        path, why = find_best(folder, monitor, mode)
    _print_path(path, why)


def _print_path(path: str | None, why: str) -> None:
    if path is None:
        click.echo(shown(why, sys.stderr.encoding), err=True)
        sys.exit(1)
    print_path(path)


def _sorted(
    checkpoints: Sequence[Checkpoint], sort: str, reverse: bool
) -> Sequence[Checkpoint]:
    if sort == "saved":
        return checkpoints[::-1] if reverse else checkpoints
    metrics = dict.fromkeys(name for c in checkpoints for name in c.logs)
    if sort not in metrics:
        sort = _FORMER.get(sort, sort)
    if sort not in _SORTS and sort not in metrics:
        known = ", ".join(["saved", *_SORTS, *metrics])
        raise click.UsageError(shown(f"--sort must be one of {known}, not {sort!r}."))
    key = attrgetter(sort) if sort in _SORTS else _metric(sort)
    with_key = [c for c in checkpoints if _is_known(key(c))]
    without = [c for c in checkpoints if not _is_known(key(c))]
    return [*sorted(with_key, key=key, reverse=reverse), *without]


def _metric(name: str) -> Callable[[Checkpoint], Any]:
    return lambda c: c.logs.get(name)


def _is_known(value: Any) -> bool:
    return value is not None and not (isinstance(value, float) and math.isnan(value))


def _summary(checkpoints: Sequence[Checkpoint]) -> str:
    if not checkpoints:
        return "There are no checkpoints."
    size = size_text(sum(c.bytes for c in checkpoints))
    text = f"{quantity(len(checkpoints))}, {size}"
    return on_terminal("; ".join(filter(None, [text, legend(checkpoints)])))

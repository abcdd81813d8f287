"""The command `verify`."""

from __future__ import annotations

import contextlib
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from typing import Callable

import click

from modelcheckpoint.cli.output import FOLDER, on_terminal, print_json, problems_told
from modelcheckpoint.folder import Verification, verify_checkpoints
from modelcheckpoint.listing.table import Cells, aligned

__all__ = ["verify"]

_STYLES = {"good": "green", "damaged": "red", "missing": "red", "unknown": "yellow"}


@click.command()
@click.argument("folder", type=FOLDER)
@click.option("--json", "as_json", is_flag=True, help="One JSON object on each line.")
def verify(folder: str, as_json: bool) -> None:
    """Tell for each checkpoint in FOLDER whether it is whole.

    Every file that the journal names is read, and compared with its size and checksum.
    Of others the outer structure is looked at. No Keras is needed, nothing in a file is
    run.

    \b
    good      as it was saved
    damaged   another size or checksum, or it cannot be read
    missing   the journal names it, and nobody deleted it on purpose
    unknown   no line of the journal names it, or it is the last save of a run in
              an object store, which may have ended before the upload did

    \b
    Exit status:
      0    nothing is damaged or missing
      1    something is
      2    the command was called wrongly, or the folder cannot be read
      130  it was interrupted

    \b
    Examples:
      modelcheckpoint verify checkpoints
      modelcheckpoint verify checkpoints --json | jq 'select(.status != "good")'
    """  # noqa: D301 - click reads this sign
    with problems_told(folder), _progress() as progress:
        results = verify_checkpoints(folder, progress=progress)
    if as_json:
        print_json(map(asdict, results))
    else:
        _print_table(results)
    sys.exit(int(any(result.status in ("damaged", "missing") for result in results)))


@contextlib.contextmanager
def _progress() -> Iterator[Callable[[int, int], None] | None]:
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn

    columns = ("reading", BarColumn(), DownloadColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, whole: bar.update(task, completed=done, total=whole)


def _print_table(results: list[Verification]) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, legacy_windows=False, soft_wrap=True)
    # A pipe has no width: there no line is broken.
    width = console.width if sys.stdout.isatty() else None
    head, *lines = aligned(_table(results, width)) if results else [""]
    if results:
        console.print(Text(head, style="bold"))
    for line in lines:
        status = line.partition(" ")[0]  # nothing where a row goes on
        text = Text(line)
        text.stylize(_STYLES.get(status, ""), end=len(status))
        console.print(text)
    console.print(_summary(results))


def _table(results: list[Verification], width: int | None) -> list[Cells]:
    """Return the columns; where there is a width, no line is wider."""
    status = Cells("status", [result.status for result in results])
    path = Cells("path", [on_terminal(result.path) for result in results])
    reason = Cells("reason", [on_terminal(result.reason or "") for result in results])
    if width is not None:
        left = width - status.width - 4
        most = max(left // 2, left - reason.width)
        path = path.folded(most, words=True)
        reason = reason.folded(left - path.width, words=True)
    return [status, path, reason]


def _summary(results: list[Verification]) -> str:
    if not results:
        return "There are no checkpoints."
    counts = Counter(result.status for result in results)
    return ", ".join(f"{counts[name]} {name}" for name in _STYLES if counts[name])

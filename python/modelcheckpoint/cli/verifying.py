"""The command `verify`."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from dataclasses import asdict
from typing import Callable

import click

from modelcheckpoint.cli.output import FOLDER, on_terminal, print_json, problems_told
from modelcheckpoint.display.table import Cells, aligned
from modelcheckpoint.folder import Verification, verify_checkpoints
from modelcheckpoint.listing.verification_list import summary

__all__ = ["verify"]

_STYLES = {"good": "green", "damaged": "red", "missing": "red", "unknown": "yellow"}


@click.command()
@click.argument("folder", type=FOLDER)
@click.option("--json", "as_json", is_flag=True, help="One JSON object on each line.")
def verify(folder: str, as_json: bool) -> None:
    """Check each checkpoint in FOLDER for damage.

    Every file that the journal names is read and compared with its size and checksum;
    of a .orbax folder, every file in it. Of other files, only the outer structure is
    checked. Keras is not needed, and no code in a file is run.

    \b
    good      as it was saved
    damaged   another size or checksum, or it cannot be read
    missing   the journal names it, and does not say that it was deleted
    unknown   the journal does not name it, or it is the last save of a run to an
              object store, which may have ended before the upload did

    \b
    Exit status:
      0    nothing is damaged or missing
      1    something is damaged or missing
      2    invalid arguments, or the folder cannot be read
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
    # A pipe has no width, so no line is folded.
    width = console.width if sys.stdout.isatty() else None
    head, *lines = aligned(_table(results, width)) if results else [""]
    if results:
        console.print(Text(head, style="bold"))
    for line in lines:
        status = line.partition(" ")[0]  # empty if a row continues
        text = Text(line)
        text.stylize(_STYLES.get(status, ""), end=len(status))
        console.print(text)
    console.print(summary(results) or "There are no checkpoints.")


def _table(results: list[Verification], width: int | None) -> list[Cells]:
    """Return the columns; if there is a width, no line is wider."""
    status = Cells("status", [result.status for result in results])
    path = Cells("path", [on_terminal(result.path) for result in results])
    reason = Cells("reason", [on_terminal(result.reason or "") for result in results])
    if width is not None:
        left = width - status.width - 4
        most = max(left // 2, left - reason.width)
        path = path.folded(most, words=True)
        reason = reason.folded(left - path.width, words=True)
    return [status, path, reason]

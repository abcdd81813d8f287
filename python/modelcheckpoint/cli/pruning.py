"""The command `prune`."""

from __future__ import annotations

import sys

import click

from modelcheckpoint.cli.output import (
    FOLDER,
    as_json,
    print_json,
    print_table,
    problems_told,
)
from modelcheckpoint.display.text import shown
from modelcheckpoint.listing.queries import Pruned, pruned

__all__ = ["prune"]

_COUNT = click.IntRange(min=1)


@click.command()
@click.argument("folder", type=FOLDER)
@click.option("--keep-latest", type=_COUNT, metavar="N", help="Keep the newest N.")
@click.option(
    "--keep-best",
    type=_COUNT,
    metavar="N",
    help="Keep the best N by each monitored metric.",
)
@click.option(
    "--keep-every", type=_COUNT, metavar="N", help="Keep the last of every Nth epoch."
)
@click.option("-y", "--yes", is_flag=True, help="Delete; else it is a dry run.")
@click.option("--json", "json", is_flag=True, help="One JSON object on each line.")
def prune(
    folder: str,
    keep_latest: int | None,
    keep_best: int | None,
    keep_every: int | None,
    yes: bool,
    json: bool,
) -> None:
    """Delete all checkpoints in FOLDER but a few.

    Without --yes this is a dry run, which lists what would be deleted. Every checkpoint
    that at least one option selects is kept, and always the newest and the best. The
    folder is treated as a whole, whichever runs wrote into it. Only files whose name
    and size are in the journal are deleted.

    \b
    Exit status:
      0    success, even if there was nothing to delete
      1    a file could not be deleted
      2    invalid arguments, or the folder cannot be read
      130  it was interrupted

    \b
    Examples:
      modelcheckpoint prune checkpoints --keep-latest 3
      modelcheckpoint prune checkpoints --keep-latest 3 --keep-best 2 --yes
    """  # noqa: D301 - click reads this sign
    if (keep_latest, keep_best, keep_every) == (None, None, None):
        raise click.UsageError(
            "--keep-latest, --keep-best or --keep-every must say what to keep."
        )
    with problems_told(folder):
        done = pruned(folder, keep_latest, keep_best, keep_every, not yes)
    hint = "" if yes else " --yes deletes them."
    _print_pruned(done, hint, json)
    if done.error is not None:
        click.echo(f"Error: {shown(str(done.error))}", err=True)
        sys.exit(1)


def _print_pruned(done: Pruned, hint: str, json: bool) -> None:
    if json:
        print_json(map(as_json, done.found))
        return
    if done.found:
        print_table(done.found)
    click.echo(done.summary + (hint if done.found else ""))

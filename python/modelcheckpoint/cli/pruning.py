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
from modelcheckpoint.listing.queries import Pruned, pruned
from modelcheckpoint.listing.text import shown

__all__ = ["prune"]

_COUNT = click.IntRange(min=1)


@click.command()
@click.argument("folder", type=FOLDER)
@click.option("--keep-latest", type=_COUNT, metavar="N", help="Keep the newest N.")
@click.option(
    "--keep-best",
    type=_COUNT,
    metavar="N",
    help="Keep the best N by what is monitored.",
)
@click.option(
    "--keep-every", type=_COUNT, metavar="N", help="Keep the last of every Nth epoch."
)
@click.option("-y", "--yes", is_flag=True, help="Delete; without it nothing is.")
@click.option("--json", "json", is_flag=True, help="One JSON object on each line.")
def prune(
    folder: str,
    keep_latest: int | None,
    keep_best: int | None,
    keep_every: int | None,
    yes: bool,
    json: bool,
) -> None:
    """Delete checkpoints from FOLDER, but for those that are to be kept.

    Without --yes this is a dry run: what would be deleted is listed. What is kept is
    the union of what the options ask for, and the newest and the best in any case. The
    folder is taken as a whole, whichever runs wrote into it. Only files that the
    journal describes, by name and size, are deleted.

    \b
    Exit status:
      0    all went well, also where nothing is to be deleted
      1    a file could not be deleted
      2    the command was called wrongly, or the folder cannot be read
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

"""The command `fetch`."""

from __future__ import annotations

import sys

import click

from modelcheckpoint.cli.output import print_path, problems_told
from modelcheckpoint.display.text import shown
from modelcheckpoint.errors import RestoreError
from modelcheckpoint.fetch import fetch_checkpoint

__all__ = ["fetch"]


@click.command()
@click.argument("path")
@click.argument("folder", type=click.Path(file_okay=False), default=".")
def fetch(path: str, folder: str) -> None:
    """Copy a checkpoint to FOLDER, and print the path of the copy.

    PATH is an address in an object store, or a path; FOLDER is created if necessary.
    The copy is compared with the journal; nothing is left of a damaged checkpoint.

    \b
    Exit status:
      0    the copy is complete
      1    the checkpoint is damaged
      2    invalid arguments, or something cannot be read or written
      130  it was interrupted

    \b
    Examples:
      modelcheckpoint fetch s3://bucket/run/07.keras
      modelcheckpoint fetch "$(modelcheckpoint best s3://bucket/run)" models
    """  # noqa: D301 - click reads this sign
    with problems_told(path):
        try:
            copy = fetch_checkpoint(path, folder)
        except RestoreError as error:
            click.echo(shown(str(error), sys.stderr.encoding), err=True)
            sys.exit(1)
    print_path(copy)

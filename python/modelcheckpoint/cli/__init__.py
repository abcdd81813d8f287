"""The command line: `modelcheckpoint list|latest|best|fetch|verify|prune`."""

from __future__ import annotations

import click

from modelcheckpoint import __version__
from modelcheckpoint.cli.fetching import fetch
from modelcheckpoint.cli.looking import best, latest, list_
from modelcheckpoint.cli.pruning import prune
from modelcheckpoint.cli.verifying import verify

__all__ = ["command"]


class _InOrder(click.Group):
    def list_commands(self, context: click.Context) -> list[str]:
        """Return the commands in the order of use, not alphabetically."""
        return list(self.commands)


@click.group(cls=_InOrder, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def command() -> None:
    """List, check, copy and delete the checkpoints in a folder.

    \b
    Examples:
      modelcheckpoint list checkpoints
      modelcheckpoint best checkpoints
      modelcheckpoint prune checkpoints --keep-latest 3 --keep-best 1
    """  # noqa: D301 - click reads this sign


for _one in (list_, latest, best, fetch, verify, prune):
    command.add_command(_one)

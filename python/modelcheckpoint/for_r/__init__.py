"""Everything that R calls: R imports this module and nothing else from the package.

Functions return only what reticulate converts without loss.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from modelcheckpoint import fetch
from modelcheckpoint import folder as folders
from modelcheckpoint.for_r.frames import (
    Frame,
    curve_frames,
    list_frames,
    rows_of,
    verification_frame,
)
from modelcheckpoint.for_r.records import restored_values, taking_values
from modelcheckpoint.listing import queries
from modelcheckpoint.listing.bound_lists import html_of, lines_of
from modelcheckpoint.listing.checkpoint import COLUMNS
from modelcheckpoint.listing.plot_points import curve_of
from modelcheckpoint.listing.queries import find_best as best_checkpoint
from modelcheckpoint.listing.queries import find_latest as latest_checkpoint
from modelcheckpoint.listing.verification_list import verifications_html
from modelcheckpoint.save.background import wait_for_all

if TYPE_CHECKING:
    from modelcheckpoint.callback import ModelCheckpoint

__all__ = [
    "best_checkpoint",
    "callback",
    "column_descriptions",
    "curve",
    "fetch_checkpoint",
    "latest_checkpoint",
    "list_checkpoints",
    "list_html",
    "list_lines",
    "printed_columns",
    "prune_checkpoints",
    "restore_checkpoint",
    "take_environment",
    "verification_html",
    "verify_checkpoints",
    "wait_for_all",
]

_OF_STORES = ("AWS_", "GOOGLE_", "AZURE_", "MODELCHECKPOINT_")

Columns = Mapping[str, Mapping[str, Sequence[Any]]]


def callback(arguments: dict[str, Any]) -> ModelCheckpoint:
    """Return a `ModelCheckpoint` with these arguments.

    `on_saved` is called with a named list instead of a record.
    """
    from modelcheckpoint.callback import ModelCheckpoint

    if arguments["on_saved"] is not None:
        arguments = {**arguments, "on_saved": taking_values(arguments["on_saved"])}
    return ModelCheckpoint(**arguments)


def restore_checkpoint(model: Any, path: str) -> dict[str, Any]:
    """Do the same as the public function, but without warnings.

    Returns:
        The attributes of `Restored`, and `surprise`: the warning, if there is one.
    """
    from modelcheckpoint.restore import restored_from

    return restored_values(restored_from(model, path))


def list_checkpoints(folder: str) -> dict[str, Any]:
    """Return the `columns` of the checkpoints in a folder, its path, and the curve."""
    return list_frames(queries.found_in(folder))


def take_environment(variables: Mapping[str, str]) -> None:
    """Take over the variables of R's environment that configure object stores.

    Args:
        variables: All of R's variables with the prefixes that are replaced in
            `os.environ`.
    """
    for name in [name for name in os.environ if name.startswith(_OF_STORES)]:
        if name not in variables:
            del os.environ[name]
    os.environ.update(variables)


def fetch_checkpoint(path: str, to: str) -> str:
    """Copy a checkpoint to a folder, and return the path of the copy."""
    return fetch.fetch_checkpoint(path, to)


def prune_checkpoints(
    folder: str,
    keep_latest: int | None,
    keep_best: int | None,
    keep_every: int | None,
    dry_run: bool,
) -> dict[str, Any]:
    """Delete checkpoints, without raising if a file cannot be deleted.

    Returns:
        The `list` of what was deleted or would be, a `message` that sums it up, and in
        `wrong` a sentence about what failed, or None.
    """
    done = queries.pruned(folder, keep_latest, keep_best, keep_every, dry_run)
    hint = " `dry_run = FALSE` deletes them." if dry_run and done.found else ""
    return {
        "list": list_frames(done.found),
        "message": done.summary + hint,
        "wrong": done.wrong,
    }


def verify_checkpoints(
    folder: str, progress: Callable[[int, int], object] | None
) -> Frame:
    """Return the result of `verify_checkpoints` as columns."""
    return verification_frame(folders.verify_checkpoints(folder, progress=progress))


def list_lines(
    columns: Columns, folders: Sequence[str], count: int, width: int
) -> list[str]:
    """Return the text of a list of checkpoints, or of several that R has bound.

    Args:
        columns: The columns that `printed_columns` names.
        folders: The folders of the checkpoints.
        count: How many of the last ones the table shows.
        width: Of the console.
    """
    return lines_of(rows_of(columns), folders, count, width)


def list_html(columns: Columns, folders: Sequence[str], count: int) -> str:
    """Return the same as a table of HTML; arguments as for `list_lines`."""
    return html_of(rows_of(columns), folders, count)


def verification_html(
    paths: Sequence[str], statuses: Sequence[str], reasons: Sequence[str]
) -> str:
    """Return rows of a `verify_checkpoints` result as an HTML table.

    Args:
        paths: For each row.
        statuses: Likewise.
        reasons: Likewise; empty if nothing is wrong.
    """
    rows = [
        SimpleNamespace(path=path, status=status, reason=reason)
        for path, status, reason in zip(paths, statuses, reasons)
    ]
    return verifications_html(rows)


def printed_columns() -> dict[str, str]:
    """Return the columns that `list_lines` reads, and the kind of each."""
    marked = ("path", "status", "best")
    return {c.name: c.kind for c in COLUMNS if c.shown or c.name in marked}


def column_descriptions() -> dict[str, str]:
    """Return what each column of a list holds, for R's help pages."""
    return {column.name: column.means for column in COLUMNS}


def curve(columns: Columns) -> dict[str, Frame]:
    """Return the points of some checkpoints, without a journal."""
    return curve_frames(curve_of(rows_of(columns)))

"""All that R calls: R imports this module, and nothing else of the package.

What is returned holds only what reticulate converts without loss. A table is a vector
for each column, not an object for each cell. All numbers but an epoch and a batch in a
record are floats, as a whole number above 2^31 becomes 0 in R. Text that is not there
is empty, and a number that is not there is NaN: of a list with a None in it reticulate
makes no vector.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from modelcheckpoint import folder as folders
from modelcheckpoint.journal.verify import Verification
from modelcheckpoint.listing import queries
from modelcheckpoint.listing.checkpoint import metric_columns
from modelcheckpoint.listing.checkpoint_list import CheckpointList
from modelcheckpoint.listing.plot_points import Point
from modelcheckpoint.records import Record
from modelcheckpoint.save.background import wait_for_all

if TYPE_CHECKING:
    from modelcheckpoint.callback import ModelCheckpoint
    from modelcheckpoint.restore import Restored

__all__ = [
    "best_checkpoint",
    "callback",
    "latest_checkpoint",
    "list_checkpoints",
    "prune_checkpoints",
    "restore_checkpoint",
    "verify_checkpoints",
    "wait_for_all",
]


def callback(arguments: dict[str, Any]) -> ModelCheckpoint:
    """Return a `ModelCheckpoint` with these arguments.

    `on_saved` is called with a named list, and not with a record.
    """
    from modelcheckpoint.callback import ModelCheckpoint

    if arguments["on_saved"] is not None:
        arguments = {**arguments, "on_saved": RFunction(arguments["on_saved"])}
    return ModelCheckpoint(**arguments)


def restore_checkpoint(model: Any, path: str) -> dict[str, Any]:
    """Do what the function of this name does, but warn of nothing.

    Returns:
        The attributes of `Restored`, and `surprise`, the warning, if there is one.
    """
    from modelcheckpoint.restore import restored_from

    return restored_values(restored_from(model, path))


def list_checkpoints(folder: str) -> dict[str, Any]:
    """Return the columns of the checkpoints in a folder."""
    return checkpoint_columns(queries.found_in(folder))


def latest_checkpoint(folder: str) -> tuple[str | None, str]:
    """Return the path of the newest checkpoint, and why if it is None."""
    return queries.find_latest(folder)


def best_checkpoint(
    folder: str, monitor: str | None, mode: str | None
) -> tuple[str | None, str]:
    """Return the path of the best checkpoint, and why if it is None."""
    return queries.find_best(folder, monitor, mode)


def prune_checkpoints(
    folder: str,
    keep_latest: int | None,
    keep_best: int | None,
    keep_every: int | None,
    dry_run: bool,
) -> dict[str, Any]:
    """Delete checkpoints, and raise nothing where a file cannot be deleted.

    Returns:
        `columns` of what was deleted, or would be, a `message` that sums it up, and
        what went `wrong` in a sentence, or None.
    """
    done = queries.pruned(folder, keep_latest, keep_best, keep_every, dry_run)
    hint = " `dry_run = FALSE` deletes them." if dry_run and done.found else ""
    return {
        "columns": checkpoint_columns(done.found),
        "message": done.summary + hint,
        "wrong": done.wrong,
    }


def verify_checkpoints(
    folder: str, progress: Callable[[int, int], object] | None
) -> dict[str, list[Any]]:
    """Return the columns of what `verify_checkpoints` tells."""
    found = folders.verify_checkpoints(folder, progress=progress)
    return verification_columns(found)


class RFunction:
    """Call a function of R with each record, as a named list.

    To be called on the thread that trains: R has one thread.

    Args:
        function: What reticulate made of the R function.
    """

    def __init__(self, function: Callable[[dict[str, Any]], Any]) -> None:
        self.function = function

    def __call__(self, record: Record) -> None:
        """Hand over the record's values; an R error comes out as a RuntimeError."""
        self.function(record_values(record))


_FOR_KERAS = (
    "versions",
    "seeds",
    "random",
    "global_seed",
    "states",
    "averaged",
    "build",
    "optimizer",
    "kept_by",
)


def record_values(record: Record) -> dict[str, Any]:
    """Return what R is told of a checkpoint: all but what Keras needs to go on."""
    values = asdict(record)
    for name in _FOR_KERAS:
        del values[name]
    counts = {name: values[name] for name in ("epoch", "batch", "epochs_done")}
    return {**{name: _as_float(value) for name, value in values.items()}, **counts}


def restored_values(restored: Restored) -> dict[str, Any]:
    """Return what R is told of a checkpoint that was restored; missing is None."""
    values = {**vars(restored), "surprise": restored.surprise}
    record = values.pop("record")
    counts = {name: values[name] for name in ("epochs_done", "epoch", "batch")}
    told = {name: _as_float(value) for name, value in values.items()}
    return {**told, **counts, "record": record and record_values(record)}


def _as_float(value: Any) -> Any:
    # A float is exact up to 2^53.
    if isinstance(value, Mapping):
        return {name: _as_float(item) for name, item in value.items()}
    if isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return value


def checkpoint_columns(found: CheckpointList) -> dict[str, Any]:
    """Return the columns of checkpoints, and the points of their curve.

    Numbers that need be no number have beside them which of them are known, as R tells
    what is not there from what is no number. Times are seconds since 1970.
    """
    text = {name: [_text(getattr(one, name)) for one in found] for name in _TEXTS}
    metrics = metric_columns(found)
    times = [one.time for one in found]
    return {
        **text,
        **{name: [_number(one, name) for one in found] for name in _NUMBERS},
        "best": [one.best for one in found],
        "aside": [one.aside for one in found],
        "time": [math.nan if time is None else time.timestamp() for time in times],
        "value_known": [one.value is not None for one in found],
        "metric_names": [_text(name) for name in metrics],
        "metrics": [_floats(values) for values in metrics.values()],
        "metrics_known": [[v is not None for v in vs] for vs in metrics.values()],
        "curve": _curve_columns(found.curve),
        "folder": _text(found.folder),
    }


_TEXTS = ("path", "name", "status", "monitor", "mode", "format", "crc32", "run")
_NUMBERS = ("epoch", "batch", "samples", "value", "bytes")


def _floats(values: Sequence[float | None]) -> list[float]:
    return [math.nan if value is None else value for value in values]


def _curve_columns(points: Sequence[Point]) -> dict[str, list[Any]]:
    return {
        "epoch": [point.epoch for point in points],
        "value": [point.value for point in points],
        "run": [_text(point.run) for point in points],
        "series": [_text(point.series) for point in points],
        "monitor": [_text(point.monitor) for point in points],
        "name": [_text(point.name) for point in points],
        "best": [point.best for point in points],
    }


def verification_columns(found: Sequence[Verification]) -> dict[str, list[Any]]:
    """Return the columns of verifications."""
    records = [one.record for one in found]
    return {
        "path": [_text(one.path) for one in found],
        "status": [one.status for one in found],
        "reason": [_text(one.reason) for one in found],
        "epoch": [_number(record, "epoch") for record in records],
        "value": [_number(record, "value") for record in records],
        "bytes": [_number(record, "bytes") for record in records],
        "time": [_text(getattr(record, "time", None)) for record in records],
        "run": [_text(getattr(record, "run", None)) for record in records],
    }


def _text(value: str | None) -> str:
    # A name need not be UTF-8; R's strings must.
    return (value or "").encode("utf-8", "backslashreplace").decode()


def _number(record: Any, name: str) -> float:
    value = getattr(record, name, None)
    if value is None:
        return math.nan
    try:
        return float(value)
    except OverflowError:  # a whole number beyond all floats
        return math.inf if value > 0 else -math.inf

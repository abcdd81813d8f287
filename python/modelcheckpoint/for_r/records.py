"""Records as R takes them: named lists.

All numbers but an epoch and a batch are floats, as a whole number above 2^31 becomes 0
in R; a float is exact up to 2^53.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from modelcheckpoint.records import Record

if TYPE_CHECKING:
    from modelcheckpoint.restore import Restored

__all__ = ["record_values", "restored_values", "taking_values"]

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


def taking_values(function: Callable[[dict[str, Any]], Any]) -> Callable[..., None]:
    """Return what calls a function of R with a record's values, as a named list.

    To be called on the thread that trains: R has one thread. An R error comes out as a
    RuntimeError.

    Args:
        function: What reticulate made of the R function.
    """

    def hand_over(record: Record) -> None:
        function(record_values(record))

    return hand_over


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
    floats = {name: _as_float(value) for name, value in values.items()}
    return {**floats, **counts, "record": record and record_values(record)}


def _as_float(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _as_float(item) for name, item in value.items()}
    if isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return value

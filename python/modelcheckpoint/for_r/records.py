"""Records for R, as named lists.

All numbers except epoch and batch are floats, because a whole number above 2^31 becomes
0 in R; a float is exact up to 2^53.
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
    """Return a function that calls an R function with a record as a named list.

    Call it on the thread that trains: R has one thread. An R error becomes a
    RuntimeError.

    Args:
        function: The R function, as reticulate has converted it.
    """

    def hand_over(record: Record) -> None:
        function(record_values(record))

    return hand_over


def record_values(record: Record) -> dict[str, Any]:
    """Return a record's values for R, except those that only resuming needs."""
    values = asdict(record)
    for name in _FOR_KERAS:
        del values[name]
    counts = {name: values[name] for name in ("epoch", "batch", "epochs_done")}
    return {**{name: _as_float(value) for name, value in values.items()}, **counts}


def restored_values(restored: Restored) -> dict[str, Any]:
    """Return the values of a restored checkpoint for R; None if unknown."""
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

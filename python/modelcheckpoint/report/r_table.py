"""A table as R takes it: a vector for each column, not an object for each cell."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from modelcheckpoint.listing.frame import metric_columns

__all__ = ["checkpoint_columns", "verification_columns"]


def checkpoint_columns(found: Any) -> dict[str, Any]:
    """Return the columns of what `list_checkpoints` found, and the points of its curve.

    Numbers that need be no number have beside them which of them are known, as R tells
    what is not there from what is no number. Times are seconds since 1970.
    """
    text = {name: [_text(getattr(one, name)) for one in found] for name in _TEXTS}
    metrics = metric_columns(found)
    return {
        **text,
        **{name: [_number(one, name) for one in found] for name in _NUMBERS},
        "best": [one.best for one in found],
        "aside": [one.aside for one in found],
        "time": [math.nan if t is None else t.timestamp() for t in _times(found)],
        "value_known": [one.value is not None for one in found],
        "metric_names": [_text(name) for name in metrics],
        "metrics": [_floats(values) for values in metrics.values()],
        "metrics_known": [[v is not None for v in vs] for vs in metrics.values()],
        "curve": _curve_columns(found.curve),
        "folder": _text(found.folder),
    }


_TEXTS = ("path", "name", "status", "monitor", "mode", "format", "crc32", "run")
_NUMBERS = ("epoch", "batch", "samples", "value", "bytes")


def _times(found: Any) -> list[Any]:
    return [one.time for one in found]


def _floats(values: Sequence[float | None]) -> list[float]:
    return [math.nan if value is None else value for value in values]


def _curve_columns(points: Sequence[Any]) -> dict[str, list[Any]]:
    return {
        "epoch": [point.epoch for point in points],
        "value": [point.value for point in points],
        "run": [_text(point.run) for point in points],
        "series": [_text(point.series) for point in points],
        "monitor": [_text(point.monitor) for point in points],
        "name": [_text(point.name) for point in points],
        "best": [point.best for point in points],
    }


def verification_columns(found: Sequence[Any]) -> dict[str, list[Any]]:
    """Return the columns of what `verify_checkpoints` found.

    Text that is not there is empty, and a number that is not there is NaN: of a list
    with a None in it reticulate makes no vector. All numbers are floats, as integers
    above 2^31 become 0 in R.
    """
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

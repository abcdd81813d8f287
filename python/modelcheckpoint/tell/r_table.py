"""A table as R takes it: a vector for each column, not an object for each cell."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

__all__ = ["verification_columns"]


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

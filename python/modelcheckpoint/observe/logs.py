"""What Keras reports, as plain numbers."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral
from typing import Any

__all__ = ["numbers"]


def numbers(logs: Mapping[str, Any] | None) -> dict[str, int | float]:
    """Return what is one number in `logs`: tensors and arrays of one value included.

    Whole numbers stay whole. What is no number (text, a vector, None) is left out.
    """
    found = {str(key): _number(value) for key, value in (logs or {}).items()}
    return {key: value for key, value in found.items() if value is not None}


def _number(value: Any) -> int | float | None:
    if isinstance(value, (str, bytes)):
        return None
    if isinstance(value, Integral):
        return int(value)
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return None

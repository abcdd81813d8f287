"""The values that Keras reports, as plain numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from numbers import Integral, Rational
from typing import Any

__all__ = ["numbers"]


def numbers(logs: Mapping[str, Any] | None) -> dict[str, int | float]:
    """Return the single numbers in `logs`, including tensors and arrays of one value.

    Whole numbers stay whole, but one beyond all floats, such as 10**400, is infinite.
    Values that are not single numbers (text, a vector, None) are omitted.
    """
    values = {str(key): _number(value) for key, value in (logs or {}).items()}
    return {key: value for key, value in values.items() if value is not None}


def _number(value: Any) -> int | float | None:
    if isinstance(value, (str, bytes)):
        return None
    try:
        number = float(value)
    except OverflowError:  # cannot be compared, formatted or printed like other numbers
        return _infinity(value) if isinstance(value, Rational) else None
    except (TypeError, ValueError):
        return None
    return int(value) if isinstance(value, Integral) else number


def _infinity(value: Rational) -> float:
    return math.inf if int(value.numerator) > 0 else -math.inf

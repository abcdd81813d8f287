"""The values that Keras reports, as plain numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from numbers import Integral, Rational
from typing import Any

__all__ = ["numbers"]


def numbers(logs: Mapping[str, Any] | None) -> dict[str, int | float]:
    """Return what is one number in `logs`: tensors and arrays of one value included.

    Whole numbers stay whole; one beyond all floats, such as 10**400, is infinite. What
    is no number (text, a vector, None) is left out.
    """
    values = {str(key): _number(value) for key, value in (logs or {}).items()}
    return {key: value for key, value in values.items() if value is not None}


def _number(value: Any) -> int | float | None:
    if isinstance(value, (str, bytes)):
        return None
    try:
        number = float(value)
    except OverflowError:  # it cannot be compared, formatted or printed as others
        return _infinity(value) if isinstance(value, Rational) else None
    except (TypeError, ValueError):
        return None
    return int(value) if isinstance(value, Integral) else number


def _infinity(value: Rational) -> float:
    return math.inf if int(value.numerator) > 0 else -math.inf

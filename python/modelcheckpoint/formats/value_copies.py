"""Copy a model's values, at once or on another thread."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any

from modelcheckpoint.formats.copy_threads import PIECE, Pair, in_pieces, make_copies
from modelcheckpoint.formats.memory import available_memory
from modelcheckpoint.formats.values import Value

__all__ = ["Copies", "Misfit", "copied"]

_PLENTY = 2
"""Values are held only if this many times their memory is available."""

_AT_ONCE = 256 << 20
"""Bytes of values to collect before threads copy them. Until then, a value that comes
from a GPU takes memory of the host."""

_AS_FLOAT32 = "bfloat16", "float32"


class Misfit(Exception):
    """The shape or type of an array differs from that of its place."""


class Copies:
    """Copies of values that cannot change, which another thread still has to make.

    While a value is held, training needs other memory for its successor, at most as
    much as the whole state has. So each value is released as soon as it is copied.
    """

    def __init__(self) -> None:
        self._left: deque[Pair] = deque()

    def make(self) -> None:
        """Make the remaining copies. Any thread may call this, one at a time."""
        make_copies(self._left)

    def add(self, place: Any, array: Any) -> None:
        """Have `make` copy an array to its place."""
        if array.nbytes <= PIECE:  # thousands of small ones are to cost little
            self._left.append((place, array))
        else:
            self._left.extend(in_pieces(place, array))


def copied(
    places: Sequence[Any],
    values: Iterable[Value],
    nbytes: int,
    as_float32: bool = False,
) -> Copies:
    """Copy each value to its place, or leave it to another thread if it cannot change.

    Args:
        places: The arrays to fill.
        values: As many values, in the same order.
        nbytes: Size of all values. If memory is scarce, none is held.
        as_float32: Whether values of bfloat16 go to arrays of float32.

    Raises:
        Misfit: If a value's shape or type differs from that of its place.
    """
    now, later, pending = Copies(), Copies(), 0
    may_hold = _may_hold(nbytes, available_memory())
    for place, (array, still) in zip(places, values):
        # Without the check, NumPy would spread a single number over a whole array.
        if array.shape != place.shape or not _fits(array, place, as_float32):
            raise Misfit
        if still and may_hold:
            later.add(place, array)
            continue
        now.add(place, array)
        pending += array.nbytes
        if pending >= _AT_ONCE:
            now.make()
            pending = 0
    now.make()
    return later


def _may_hold(nbytes: int, left: int | None) -> bool:
    """Return whether training has enough memory while values are held."""
    return left is None or _PLENTY * nbytes <= left


def _fits(array: Any, place: Any, as_float32: bool) -> bool:
    if array.dtype == place.dtype:
        return True
    return as_float32 and (array.dtype.name, place.dtype.name) == (
        "bfloat16",
        "float32",
    )

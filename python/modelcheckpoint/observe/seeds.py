"""The states of a model's seed generators, which decide what Dropout drops next.

No format of Keras holds them. In `model.variables` they are what `model.weights` lacks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from modelcheckpoint.observe.keras_models import keras_of

__all__ = ["put_seeds", "seeds_of"]


def seeds_of(model: Any) -> tuple[int, ...] | None:
    """Return all states, one after the other, or None where they cannot be seen.

    They cannot in Keras 2, whose generators are TensorFlow's own.
    """
    if not hasattr(keras_of(model), "ops"):  # new in Keras 3
        return None
    return tuple(int(n) for state in _states(model) for n in _array(state).ravel())


def put_seeds(model: Any, seeds: Sequence[int]) -> bool:
    """Give the generators these states, and return whether they are as many."""
    states = _states(model)
    arrays = [_array(state) for state in states]
    if sum(array.size for array in arrays) != len(seeds):
        return False
    values = list(seeds)
    for state, array in zip(states, arrays):
        here, values = values[: array.size], values[array.size :]
        state.assign(_as(here, array))
    return True


def _states(model: Any) -> list[Any]:
    weights = {id(variable) for variable in model.weights}
    others = (v for v in model.variables if id(v) not in weights)
    return [v for v in others if "int" in str(v.dtype)]


def _array(variable: Any) -> Any:
    from keras import ops

    return ops.convert_to_numpy(variable.value)


def _as(values: list[int], like: Any) -> Any:
    import numpy as np

    # A line is text that anybody can write: what is too large for a seed wraps.
    low = np.array([value & 0xFFFFFFFF for value in values], "uint32")
    wide = like.dtype.itemsize > 4
    exact = np.array([_signed(v) for v in values], "int64") if wide else low
    return exact.astype(like.dtype).reshape(like.shape)


def _signed(value: int) -> int:
    return (value + 2**63) % 2**64 - 2**63

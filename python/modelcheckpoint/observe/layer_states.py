"""The states of stateful layers, which no checkpoint file holds.

Keras keeps the states of `LSTM(..., stateful=True)` in variables that are neither in
`model.weights` nor in `model.variables`.
"""

from __future__ import annotations

import base64
import binascii
import math
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

from modelcheckpoint.observe.keras_models import array_of

__all__ = ["LARGEST", "put_states", "states_of"]

LARGEST = 1 << 16
"""The most bytes of all states in a line of the journal."""


def states_of(model: Any) -> str | None:
    """Return all states, packed; None if there are none or they are too large."""
    variables = list(_variables(model))
    if not variables or sum(map(_least_size, variables)) > LARGEST:
        return None
    data = b"".join(array_of(variable).tobytes() for variable in variables)
    if len(data) > LARGEST:
        return None
    return base64.b64encode(zlib.compress(data, 1)).decode("ascii")


def put_states(model: Any, text: str | None) -> bool:
    """Give the layers these states, and return whether the layers now have them all.

    This is true for a model without states. Nothing changes if the states have another
    size.
    """
    variables = list(_variables(model))
    if not variables:
        return True
    arrays = [array_of(variable) for variable in variables]
    data = _unpacked(text)
    if data is None or len(data) != sum(array.nbytes for array in arrays):
        return False
    for variable, array in zip(variables, arrays):
        here, data = data[: array.nbytes], data[array.nbytes :]
        variable.assign(_as(here, array))
    return True


def _variables(model: Any) -> Iterator[Any]:
    """Yield the variables of the states in the order of the layers, each once."""
    layers = getattr(model, "_flatten_layers", None)
    if layers is None:
        return
    seen = {id(variable) for variable in model.weights} if model.built else set()
    for layer in layers():
        states = getattr(layer, "states", None) if _is_stateful(layer) else None
        for variable in _flat(states):
            if id(variable) not in seen and _is_variable(variable):
                seen.add(id(variable))
                yield variable


def _is_variable(state: Any) -> bool:
    return hasattr(state, "assign") and hasattr(state, "shape")


def _is_stateful(layer: Any) -> bool:
    return getattr(layer, "stateful", False) is True


def _flat(states: Any) -> Iterator[Any]:
    if isinstance(states, Mapping):
        states = list(states.values())
    if isinstance(states, (list, tuple)):
        for state in states:
            yield from _flat(state)
    else:
        yield states


def _least_size(variable: Any) -> int:
    # Each number takes at least a byte, so states far too large are not even copied.
    return math.prod(int(size) for size in variable.shape)


def _unpacked(text: str | None) -> bytes | None:
    """Return the bytes of a text, which anybody may have written, or None."""
    if text is None:
        return None
    try:
        packed = base64.b64decode(text, validate=True)
        return zlib.decompressobj().decompress(packed, LARGEST)
    except (ValueError, zlib.error, binascii.Error):
        return None


def _as(data: bytes, like: Any) -> Any:
    import numpy as np

    return np.frombuffer(data, like.dtype).reshape(like.shape).copy()

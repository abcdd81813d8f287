"""The states of random generators, which decide what Dropout drops next.

No format of Keras holds them. The model's seed generators are in `model.variables`, and
not in `model.weights`. On Torch a Dropout without a seed of its own draws from Torch's
generator instead (Keras 3.15), so there the state of that is wanted, too.
"""

from __future__ import annotations

import base64
import binascii
import sys
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from modelcheckpoint.observe.keras_models import backend_of, keras_of

__all__ = ["put_random", "put_seeds", "random_of", "seeds_of"]

_LARGEST = 1 << 16
"""Torch's generator has a state of 5056 bytes."""


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


def random_of(model: Any) -> dict[str, str] | None:
    """Return the states of Torch's generators, by device, or None.

    As text, of some 3 KB. None where the backend is another, or where the model has no
    seed generators: then nothing in it is random.
    """
    if backend_of(model) != "torch" or not _states(model):
        return None
    torch = sys.modules["torch"]
    states = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        states["cuda"] = torch.cuda.get_rng_state()
    return {device: _text(state) for device, state in states.items()}


def put_random(model: Any, random: Mapping[str, str]) -> bool:
    """Give Torch's generators these states, and return whether that could be."""
    if backend_of(model) != "torch":
        return False
    torch = sys.modules["torch"]
    try:
        torch.set_rng_state(_state(torch, random["cpu"]))
        if "cuda" in random and torch.cuda.is_available():
            torch.cuda.set_rng_state(_state(torch, random["cuda"]))
    # A line is text that anybody can write; Torch checks what it is given.
    except (KeyError, RuntimeError, TypeError, ValueError, zlib.error, binascii.Error):
        return False
    return True


def _text(state: Any) -> str:
    return base64.b64encode(zlib.compress(state.numpy().tobytes())).decode("ascii")


def _state(torch: Any, text: str) -> Any:
    packed = base64.b64decode(text, validate=True)
    data = zlib.decompressobj().decompress(packed, _LARGEST)
    return torch.frombuffer(bytearray(data), dtype=torch.uint8)


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

"""The states of random generators, which decide what Dropout drops next.

No format of Keras holds them. The model's seed generators are in `model.variables`, but
not in `model.weights`. On Torch a Dropout without a seed of its own draws from Torch's
generator instead (Keras 3.15), so its state is needed as well. A layer that calls
`keras.random` without a seed draws from Keras' global generator.
"""

from __future__ import annotations

import base64
import binascii
import sys
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from modelcheckpoint.observe.keras_models import array_of, backend_of, keras_of

__all__ = [
    "global_seed_of",
    "put_global_seed",
    "put_random",
    "put_seeds",
    "random_of",
    "seeds_of",
]

_GLOBAL = "global_seed_generator"
_LARGEST = 1 << 16
"""The most bytes of a generator's state; Torch's has 5056."""


def seeds_of(model: Any) -> tuple[int, ...] | None:
    """Return all states, one after the other, or None if they cannot be read.

    In Keras 2 they cannot, because its generators are TensorFlow's own.
    """
    if not hasattr(keras_of(model), "ops"):  # new in Keras 3
        return None
    return tuple(int(n) for state in _states(model) for n in array_of(state).ravel())


def put_seeds(model: Any, seeds: Sequence[int]) -> bool:
    """Give the generators these states; return whether the numbers match."""
    return _put(_states(model), seeds)


def global_seed_of(model: Any) -> tuple[int, ...] | None:
    """Return the state of Keras' global seed generator, or None if there is none.

    It is not created here, because that would draw a number from Python's generator.
    """
    generator = _global_generator(model)
    if generator is None:
        return None
    return tuple(int(n) for n in array_of(generator.state).ravel())


def put_global_seed(model: Any, seeds: Sequence[int]) -> bool:
    """Give Keras' global seed generator this state; return whether that succeeded.

    The generator is created if nothing has drawn from it yet.
    """
    kept = _global_attributes(model)
    if kept is None:
        return False
    generator = _global_generator(model)
    if generator is None:
        # With a seed, because without one it would draw from Python's generator.
        generator = keras_of(model).random.SeedGenerator(seed=0)
    fits = _put([generator.state], seeds)
    if fits:
        kept.set_global_attribute(_GLOBAL, generator)
    return fits


def _put(states: Sequence[Any], seeds: Sequence[int]) -> bool:
    arrays = [array_of(state) for state in states]
    if sum(array.size for array in arrays) != len(seeds):
        return False
    values = list(seeds)
    for state, array in zip(states, arrays):
        here, values = values[: array.size], values[array.size :]
        state.assign(_as(here, array))
    return True


def random_of(model: Any) -> dict[str, str] | None:
    """Return the states of Torch's generators by device, or None.

    They are text of about 3 KB. Other backends have none. A layer can draw from these
    generators through `keras.random.dropout` or Torch itself, so the model's own seed
    generators do not show whether they are needed.
    """
    if backend_of(model) != "torch":
        return None
    torch = sys.modules["torch"]
    states = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        states["cuda"] = torch.cuda.get_rng_state()
    return {device: _text(state) for device, state in states.items()}


def put_random(model: Any, random: Mapping[str, str]) -> bool:
    """Give Torch's generators these states; return whether that succeeded."""
    if backend_of(model) != "torch":
        return False
    torch = sys.modules["torch"]
    try:
        torch.set_rng_state(_state(torch, random["cpu"]))
        if "cuda" in random and torch.cuda.is_available():
            torch.cuda.set_rng_state(_state(torch, random["cuda"]))
    # Anybody can write lines into the journal; Torch checks the states.
    except (KeyError, RuntimeError, TypeError, ValueError, zlib.error, binascii.Error):
        return False
    return True


def _text(state: Any) -> str:
    return base64.b64encode(zlib.compress(state.numpy().tobytes())).decode("ascii")


def _state(torch: Any, text: str) -> Any:
    packed = base64.b64decode(text, validate=True)
    data = zlib.decompressobj().decompress(packed, _LARGEST)
    return torch.frombuffer(bytearray(data), dtype=torch.uint8)


def _global_generator(model: Any) -> Any:
    kept = _global_attributes(model)
    return None if kept is None else kept.get_global_attribute(_GLOBAL)


def _global_attributes(model: Any) -> Any:
    """Return the module in which Keras keeps its global generator, which is private."""
    if not hasattr(keras_of(model), "ops"):  # new in Keras 3
        return None
    try:
        from keras.src.backend.common import global_state
        from keras.src.random import seed_generator
    except ImportError:
        return None
    known = getattr(seed_generator, "GLOBAL_SEED_GENERATOR", _GLOBAL) == _GLOBAL
    has = hasattr(global_state, "get_global_attribute")
    return global_state if known and has else None


def _states(model: Any) -> list[Any]:
    weights = {id(variable) for variable in model.weights}
    others = (v for v in model.variables if id(v) not in weights)
    return [v for v in others if "int" in str(v.dtype)]


def _as(values: list[int], like: Any) -> Any:
    import numpy as np

    # Anybody can write lines into the journal: numbers too large for a seed wrap.
    low = np.array([value & 0xFFFFFFFF for value in values], "uint32")
    wide = like.dtype.itemsize > 4
    exact = np.array([_signed(v) for v in values], "int64") if wide else low
    return exact.astype(like.dtype).reshape(like.shape)


def _signed(value: int) -> int:
    return (value + 2**63) % 2**64 - 2**63

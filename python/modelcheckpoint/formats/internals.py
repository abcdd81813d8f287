"""What a save uses of Keras' insides: found, checked, or not used at all.

Nothing here is public in Keras. Each piece is looked for before it is relied upon;
where one is missing or has another shape, `NeedsKeras` says so, and the model is
saved through Keras' public API instead.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import modelcheckpoint.observe.keras_models as keras_models
from modelcheckpoint.errors import is_interrupt
from modelcheckpoint.observe.processes import saves_together

__all__ = [
    "NeedsKeras",
    "NoMemory",
    "Saving",
    "check_model",
    "reader_of",
    "saving_of_keras",
    "sparing_archives",
]

_SAVE_STATE = (
    "saveable",
    "weights_store",
    "assets_store",
    "inner_path",
    "visited_saveables",
)


# The first time, TensorFlow prepares an operation on more of them for long.
_AT_ONCE = 64


class NeedsKeras(Exception):
    """This model cannot be saved by filling an image; its text says why.

    Keras' public API may save it all the same.

    Attributes:
        expected: Whether such a model, or such a Keras, is known to need that.
    """

    def __init__(self, why: str, expected: bool = False) -> None:
        super().__init__(why)
        self.expected = expected


class NoMemory(NeedsKeras):
    """There is no memory for the image."""


@contextlib.contextmanager
def sparing_archives() -> Iterator[None]:
    """Have Keras write the weights of an archive to a file, and not to memory, first.

    It decides so by what the machine has, also where a container may take less. Where
    it has no such choice (before 3.8) nothing changes.
    """
    from keras.src.saving import saving_lib

    choice = getattr(saving_lib, "is_memory_sufficient", None)
    if choice is None:
        yield
        return
    saving_lib.is_memory_sufficient = lambda model: False
    try:
        yield
    finally:
        saving_lib.is_memory_sufficient = choice


@dataclass(frozen=True)
class Saving:
    """Keras' own saving protocol, of the Keras that is loaded.

    Attributes:
        save_state: Walks a model and asks every part of it for its state.
        weights_store: The base class of what takes the state.
        saveable: The base class of all that the walk visits.
        skipped: Returns the names of attributes that the walk skips, by kind of object.
        to_json: Returns the texts of config.json and metadata.json.
        to_numpy: Makes an array of whatever a part may hand out as its state.
        own_variables: What Keras' optimizers inherit as `save_own_variables`.
        variable: The base class of Keras' variables.
        empty_groups: Whether a part without state has a group in the file, too.
    """

    save_state: Callable[..., None]
    weights_store: type
    saveable: type
    skipped: Callable[[str], Iterable[str]]
    to_json: Callable[[Any], tuple[str, str]]
    to_numpy: Callable[[Any], Any]
    own_variables: Callable[..., None]
    variable: type
    empty_groups: bool


@functools.lru_cache(maxsize=1)
def saving_of_keras() -> Saving:
    """Return Keras' saving protocol.

    Raises:
        NeedsKeras: If it is not the one that is known here (Keras 3.4 to 3.15).
    """
    try:
        from keras.src import backend
        from keras.src.optimizers.base_optimizer import BaseOptimizer
        from keras.src.saving import saving_lib

        if hasattr(saving_lib, "_walk_trackable"):
            raise NeedsKeras("this Keras is older than 3.4", expected=True)
        from keras.src.saving.keras_saveable import KerasSaveable

        found = tuple(inspect.signature(saving_lib._save_state).parameters)
        if found != _SAVE_STATE:
            raise NeedsKeras(f"this Keras walks a model by {found}")
        newer = hasattr(saving_lib, "get_attr_skipset")
        name = "get_attr_skipset" if newer else "get_attr_skiplist"
        return Saving(
            save_state=saving_lib._save_state,
            weights_store=saving_lib.H5IOStore,
            saveable=KerasSaveable,
            # Keras 3.15 means to keep the few lists that exist, and makes each again.
            skipped=functools.lru_cache(getattr(saving_lib, name)),
            to_json=saving_lib._serialize_model_as_json,
            to_numpy=backend.convert_to_numpy,
            own_variables=BaseOptimizer.save_own_variables,
            variable=_variable(backend),
            empty_groups=_makes_empty_groups(saving_lib.H5IOStore),
        )
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise NeedsKeras(f"this Keras has other insides: {error}") from error


def check_model(model: Any, method: str) -> None:
    """Raise where a model must be saved by calling its own method.

    Args:
        model: The model.
        method: `"save"` or `"save_weights"`.

    Raises:
        NeedsKeras: If it is no model of Keras 3, has a `method` of its own, is not
            built, or lies spread over devices or processes.
    """
    if not hasattr(keras_models.keras_of(model), "ops"):  # new in Keras 3
        raise NeedsKeras("it is no model of Keras 3", expected=True)
    if keras_models.overrides(model, method):
        raise NeedsKeras(f"it has its own `{method}`", expected=True)
    if not model.built:
        raise NeedsKeras("it is not built yet", expected=True)
    if getattr(model, "_distribute_strategy", None) is not None:
        raise NeedsKeras("it is trained by a strategy of tf.distribute", expected=True)
    if saves_together(model):  # all must do the same, in the same order
        raise NeedsKeras("several processes train it", expected=True)


def reader_of(model: Any) -> Callable[[Sequence[Any]], Iterator[Any]]:
    """Return what gives Keras variables' values as arrays, without a copy if it can.

    The arrays are views of what training goes on to change: use them at once.

    Raises:
        NeedsKeras: For a backend that is not known here.
    """
    backend = keras_models.backend_of(model)
    if backend == "tensorflow":
        return _tensorflow_values
    if backend == "jax":
        sync = getattr(model, "jax_state_sync", None)
        if sync is not None:
            sync()  # a running fit keeps the state apart from the variables
        return _jax_values
    if backend == "torch":
        return _torch_values
    raise NeedsKeras(f"the backend {backend!r} is not known")


def _variable(backend: ModuleType) -> type:
    found = getattr(backend, "Variable", None) or backend.KerasVariable
    if not isinstance(found, type):
        raise NeedsKeras("this Keras has no class for variables")
    return found


def _makes_empty_groups(store_class: type) -> bool:
    """Try the store on three entries, to see that it writes what is known of it."""
    import h5py
    import ml_dtypes
    import numpy as np

    buffer = io.BytesIO()
    store: Any = store_class(buffer, mode="w")
    named = "metadata" in inspect.signature(store.make).parameters
    entry = store.make("a/b", metadata={"name": "x"}) if named else store.make("a/b")
    entry["0"] = np.ones(2, "float32")
    entry["1"] = np.ones(2, ml_dtypes.bfloat16)
    store.make("c")
    store.make("")["0"] = np.ones((), "int64")
    store.close()
    with h5py.File(buffer, "r") as file:
        parts: list[str] = []
        file.visit(parts.append)
        attributes = [dict(file[name].attrs) for name in sorted(parts)]
    empty = "c/vars" in parts
    known = ["a", "a/b", "a/b/vars", "a/b/vars/0", "a/b/vars/1"]
    known += ["c", "c/vars"] * empty + ["vars", "vars/0"]
    said: list[dict[str, Any]] = [{} for _ in known]
    said[2], said[4] = {"name": "x"} if named else {}, {"dtype": "bfloat16"}
    if sorted(parts) != known or attributes != said:
        raise NeedsKeras("this Keras lays out its files in another way")
    return empty


def _tensorflow_values(variables: Sequence[Any]) -> Iterator[Any]:
    import numpy as np
    import tensorflow as tf

    raw = [variable._value for variable in variables]
    if any(isinstance(value, tf.distribute.DistributedValues) for value in raw):
        raise NeedsKeras("its variables are spread over devices", expected=True)
    # As an operation it shares the variable's memory; `.numpy()` would copy.
    read = tf.raw_ops.ReadVariableOp
    one_by_one = (read(resource=value.handle, dtype=value.dtype) for value in raw)
    return map(np.asarray, _read_at_once(raw) or one_by_one)


def _read_at_once(raw: Sequence[Any]) -> list[Any] | None:
    """Return the tensors of variables in a fifth of the time, or None.

    TensorFlow has an operation that reads many, and no public name for it.
    """
    if not all("CPU:0" in value.device for value in raw):
        return None
    try:
        from tensorflow.python.eager import context, execute

        tensors: list[Any] = []
        for i in range(0, len(raw), _AT_ONCE):
            some = raw[i : i + _AT_ONCE]
            types = [value.dtype.as_datatype_enum for value in some]
            tensors += execute.execute(
                b"_ReadVariablesOp",
                num_outputs=len(some),
                inputs=[value.handle for value in some],
                attrs=("N", len(some), "dtypes", types),
                ctx=context.context(),
            )
    except Exception as error:  # of whatever kind: one by one they can be read, too
        if is_interrupt(error):
            raise
        return None
    return tensors


def _jax_values(variables: Sequence[Any]) -> Iterator[Any]:
    import numpy as np

    raw = [variable._value for variable in variables]
    if not all(value.is_fully_addressable for value in raw):
        raise NeedsKeras("its variables are spread over processes", expected=True)
    return map(np.asarray, raw)


def _torch_values(variables: Sequence[Any]) -> Iterator[Any]:
    import ml_dtypes
    import torch

    # NumPy has no such numbers of its own, and Torch does not hand them out.
    bfloat16, bits, same = torch.bfloat16, torch.int16, ml_dtypes.bfloat16

    def array(variable: Any) -> Any:
        raw = variable._value.detach().cpu()
        if raw.dtype is bfloat16:
            return raw.view(bits).numpy().view(same)
        return raw.numpy()

    return map(array, variables)

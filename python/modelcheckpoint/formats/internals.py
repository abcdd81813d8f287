"""Keras' internals that a save uses, each checked before it is used.

Nothing here is public in Keras. If a piece is missing or differs from what is known,
`NeedsKeras` is raised, and the model is saved through Keras' public API instead.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import modelcheckpoint.observe.keras_models as keras_models
from modelcheckpoint.observe.processes import saves_together

__all__ = [
    "NeedsKeras",
    "NoMemory",
    "Saving",
    "check_model",
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


class NeedsKeras(Exception):
    """This model cannot be saved by filling an image; the text says why.

    Keras' public API may still be able to save it.

    Attributes:
        expected: Whether this kind of model, or this Keras, is known to need that API.
    """

    def __init__(self, why: str, expected: bool = False) -> None:
        super().__init__(why)
        self.expected = expected


class NoMemory(NeedsKeras):
    """Not enough memory for the image."""


@contextlib.contextmanager
def sparing_archives() -> Iterator[None]:
    """Have Keras write an archive's weights to a file first, and not to memory.

    Keras itself chooses by the machine's memory, even if a container is limited to
    less. Before 3.8 it has no such choice, and this does nothing.
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
    """The saving protocol of the Keras that is loaded.

    Attributes:
        save_state: Walks a model and asks every part of it for its state.
        weights_store: The base class of the store that takes the state.
        saveable: The base class of every object that the walk visits.
        skipped: Returns the names of attributes that the walk skips, by kind of object.
        to_json: Returns the texts of config.json and metadata.json.
        to_numpy: Converts anything that a part may hand out as state to an array.
        own_variables: The `save_own_variables` that Keras' optimizers inherit.
        variable: The base class of Keras' variables.
        empty_groups: Whether parts without state have a group in the file, too.
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
        NeedsKeras: If it is not the protocol known here (Keras 3.4 to 3.15).
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
            raise NeedsKeras(f"this Keras' walk has other parameters: {found}")
        newer = hasattr(saving_lib, "get_attr_skipset")
        name = "get_attr_skipset" if newer else "get_attr_skiplist"
        return Saving(
            save_state=saving_lib._save_state,
            weights_store=saving_lib.H5IOStore,
            saveable=KerasSaveable,
            # Keras 3.15 means to cache these few lists, but makes each one again.
            skipped=functools.lru_cache(getattr(saving_lib, name)),
            to_json=saving_lib._serialize_model_as_json,
            to_numpy=backend.convert_to_numpy,
            own_variables=BaseOptimizer.save_own_variables,
            variable=_variable(backend),
            empty_groups=_makes_empty_groups(saving_lib.H5IOStore),
        )
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise NeedsKeras(f"this Keras has other internals: {error}") from error


def check_model(model: Any, method: str) -> None:
    """Raise if a model must be saved by calling its own method.

    Args:
        model: The model.
        method: `"save"` or `"save_weights"`.

    Raises:
        NeedsKeras: If it is not a Keras 3 model, has a `method` of its own, is not
            built, or is spread over devices or processes.
    """
    if not hasattr(keras_models.keras_of(model), "ops"):  # new in Keras 3
        raise NeedsKeras("it is not a Keras 3 model", expected=True)
    if keras_models.overrides(model, method):
        raise NeedsKeras(f"it has its own `{method}`", expected=True)
    if not model.built:
        raise NeedsKeras("it is not built yet", expected=True)
    if getattr(model, "_distribute_strategy", None) is not None:
        raise NeedsKeras("it is trained by a strategy of tf.distribute", expected=True)
    if saves_together(model):  # all must do the same, in the same order
        raise NeedsKeras("several processes train it", expected=True)


def _variable(backend: ModuleType) -> type:
    found = getattr(backend, "Variable", None) or backend.KerasVariable
    if not isinstance(found, type):
        raise NeedsKeras("this Keras has no class for variables")
    return found


def _makes_empty_groups(store_class: type) -> bool:
    """Return whether the store writes empty groups; check first how it writes."""
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
        raise NeedsKeras("this Keras lays out its files differently")
    return empty

"""Create models without side effects on names and random generators.

Creating a layer draws a seed, and a number for its name. If these were not put back, a
training with this callback would differ from one without it.
"""

from __future__ import annotations

import contextlib
import random
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from types import ModuleType
from typing import Any

__all__ = ["sandbox", "without_values"]

Pair = tuple[Callable[[], Any], Callable[[Any], Any]]
"""A function that returns a state, and one that sets it."""


@contextlib.contextmanager
def sandbox(keras: ModuleType, new_names: bool = False) -> Iterator[None]:
    """Restore the names and all random generators that creating a model draws from.

    Args:
        keras: The Keras package that creates the model.
        new_names: Whether Keras 3 numbers its names as in a new process.
    """
    kept = [(put, get()) for get, put in _generators(keras)]
    try:
        with _own_globals(keras, new_names):
            yield
    finally:
        for put, state in kept:
            put(state)


@contextlib.contextmanager
def without_values(keras: ModuleType) -> Iterator[None]:
    """Give variables a shape but no memory; not all layers can be created this way."""
    if not hasattr(keras, "ops"):  # Keras 2 has no such scope
        yield
        return
    from keras.src.backend.common import global_state

    with keras.StatelessScope():
        try:
            yield
        finally:  # otherwise the scope would initialize them when it ends
            global_state.set_global_attribute("uninitialized_variables", [])


def _generators(keras: ModuleType) -> Iterator[Pair]:
    import numpy as np

    yield random.getstate, random.setstate
    yield np.random.get_state, np.random.set_state
    if "tensorflow" in sys.modules:
        yield from _python_generator(_eager_context())
    if not hasattr(keras, "ops"):
        own = getattr(_inside(keras, "backend"), "_SEED_GENERATOR", None)
        yield from _python_generator(own, "generator")
    torch = sys.modules.get("torch")
    if torch is not None:
        yield torch.get_rng_state, torch.set_rng_state
        if torch.cuda.is_available() and torch.cuda.is_initialized():
            yield torch.cuda.get_rng_state_all, torch.cuda.set_rng_state_all


def _python_generator(holder: Any, name: str = "_rng") -> Iterator[Pair]:
    generator = getattr(holder, name, None)
    if isinstance(generator, random.Random):
        yield generator.getstate, generator.setstate


def _eager_context() -> Any:
    try:
        from tensorflow.python.eager import context
    except ImportError:
        return None
    return context.context()


@contextlib.contextmanager
def _own_globals(keras: ModuleType, new_names: bool) -> Iterator[None]:
    """Lend Keras a copy of the state that it keeps for the whole process."""
    if not hasattr(keras, "ops"):
        with _own_names_of_keras_2(keras):
            yield
        return
    from keras.src.backend.common import global_state

    state = vars(global_state.GLOBAL_STATE_TRACKER)
    kept = dict(state)
    if "object_name_uids" in state:
        names = state.pop("object_name_uids")
        if not new_names:
            state["object_name_uids"] = names.copy()
    state.pop("global_seed_generator", None)  # Keras makes a new one if needed
    try:
        yield
    finally:
        state.clear()
        state.update(kept)


@contextlib.contextmanager
def _own_names_of_keras_2(keras: ModuleType) -> Iterator[None]:
    numbers = getattr(_inside(keras, "backend"), "PER_GRAPH_OBJECT_NAME_UIDS", {})
    kept = {graph: names.copy() for graph, names in numbers.items()}
    try:
        yield
    finally:
        numbers.clear()
        numbers.update(kept)


def _inside(keras: ModuleType, name: str) -> Any:
    try:
        return import_module(f"{keras.__name__}.src.{name}")
    except ImportError:
        return None

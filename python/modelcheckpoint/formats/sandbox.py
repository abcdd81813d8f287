"""A place to make models in: names and random generators stay as they were.

What Keras draws when it makes a layer (a seed, a number for its name) would otherwise
be missing later, and a training with this callback would differ from one without it.
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
"""What returns a state, and what sets it."""


@contextlib.contextmanager
def sandbox(keras: ModuleType) -> Iterator[None]:
    """Restore names and all random generators that a model's making draws from.

    Args:
        keras: The Keras package that makes the model.
    """
    kept = [(put, get()) for get, put in _generators(keras)]
    try:
        with _own_globals(keras):
            yield
    finally:
        for put, state in kept:
            put(state)


@contextlib.contextmanager
def without_values(keras: ModuleType) -> Iterator[None]:
    """Have variables get a shape and no memory; not all layers can be made so."""
    if not hasattr(keras, "ops"):  # Keras 2, which has no such thing
        yield
        return
    from keras.src.backend.common import global_state

    with keras.StatelessScope():
        try:
            yield
        finally:  # else the scope gives them their values when it ends
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
def _own_globals(keras: ModuleType) -> Iterator[None]:
    """Lend Keras a copy of what it keeps for the whole process."""
    if not hasattr(keras, "ops"):
        with _own_names_of_keras_2(keras):
            yield
        return
    from keras.src.backend.common import global_state

    state = vars(global_state.GLOBAL_STATE_TRACKER)
    kept = dict(state)
    if "object_name_uids" in state:
        state["object_name_uids"] = state["object_name_uids"].copy()
    state.pop("global_seed_generator", None)  # one is made where it is needed
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

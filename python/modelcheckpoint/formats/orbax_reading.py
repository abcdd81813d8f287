"""Load a `.orbax` folder into a model, whichever devices each is spread over."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from modelcheckpoint.formats import orbax_io
from modelcheckpoint.formats.backup import optimizer_variables
from modelcheckpoint.formats.optimizer_state import (
    OptimizerState,
    StoredOptimizer,
    build,
    look,
)
from modelcheckpoint.formats.orbax_io import Saved
from modelcheckpoint.formats.reading import (
    all_or_nothing,
    be_built,
    inspecting,
    misfit,
    sync,
)
from modelcheckpoint.formats.state_tree import OPTIMIZER, WEIGHTS, Place, places
from modelcheckpoint.observe.keras_models import backend_of, keras_of
from modelcheckpoint.records import Record

__all__ = ["read", "read_weights"]


def read(model: Any, path: str, record: Record | None) -> OptimizerState:
    """Load weights and optimizer state, as `Format.read` promises."""
    _check_keras(model, path)
    be_built(model, path, record)
    compiled = build(model)
    sync(model)
    with inspecting(path):
        saved = orbax_io.look_into(path)
        stored, paths = _stored_optimizer(model, saved)
    state = look(model, stored, record) if compiled else OptimizerState(False)
    _load(model, path, saved, paths if state.fits else [])
    return state


def read_weights(model: Any, path: str) -> None:
    """Load weights, as `Format.read_weights` promises."""
    _check_keras(model, path)
    sync(model)
    with inspecting(path):
        saved = orbax_io.look_into(path)
    _load(model, path, saved, [])


def _check_keras(model: Any, path: str) -> None:
    keras = keras_of(model)
    if not hasattr(keras, "ops"):  # new in Keras 3, as are the paths of variables
        of = f"{keras.__name__} {keras.__version__}"
        raise misfit(path, f"it holds a model of Keras 3, and this one is of {of}")


def _stored_optimizer(model: Any, saved: Saved) -> tuple[StoredOptimizer, list[str]]:
    """Return the saved optimizer, and its paths in the order of its variables."""
    shapes = {
        path: leaf.shape for path, leaf in saved.leaves.get(OPTIMIZER, {}).items()
    }
    order = saved.order.get("optimizer", ())
    if set(order) != set(shapes):  # a folder that somebody else wrote
        here = [variable.path for variable in optimizer_variables(model)]
        order = here if set(here) == set(shapes) else list(shapes)
    name = order[0].partition("/")[0] if order else None
    config = orbax_io.optimizer_config(saved)
    known = [shapes[path] for path in order]
    return StoredOptimizer(known, config, name, list(order)), list(order)


def _load(model: Any, path: str, saved: Saved, optimizer: Sequence[str]) -> None:
    """Fill the weights, and the optimizer from the given paths."""
    weights = list(model.variables)
    found = places(
        [(variable.path, tuple(variable.shape)) for variable in weights],
        {
            (group, path): leaf.shape
            for group in WEIGHTS
            for path, leaf in saved.leaves.get(group, {}).items()
        },
        saved.order.get("weights"),
    )
    if isinstance(found, str):
        raise misfit(path, found)
    filled: dict[Place, Any] = dict(zip(found, weights))
    own = optimizer_variables(model) if optimizer else []
    filled.update(
        ((OPTIMIZER, path), variable) for path, variable in zip(optimizer, own)
    )
    with all_or_nothing(path, list(filled.values())):
        loaded = orbax_io.load(
            saved,
            {place: _as_what(model, v, saved, place) for place, v in filled.items()},
        )
        for place, variable in filled.items():
            variable.assign(loaded[place])


def _as_what(model: Any, variable: Any, saved: Saved, place: Place) -> Any:
    """Return the type in which to read an array; on JAX, sharded like the variable."""
    import numpy as np

    group, path = place
    leaf = saved.leaves[group][path]
    if leaf.number is not None:
        return leaf.number
    if backend_of(model) != "jax":
        return np.ndarray
    import jax

    sharding = variable.value.sharding
    return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding)

"""Load the layout of Keras' walk, which archives and `.weights.h5` files have."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from modelcheckpoint.formats.backup import optimizer_variables
from modelcheckpoint.formats.hdf5_tree import shapes
from modelcheckpoint.formats.internals import NeedsKeras
from modelcheckpoint.formats.layout import Layouts
from modelcheckpoint.formats.optimizer_state import (
    OptimizerState,
    StoredOptimizer,
    build,
    look,
)
from modelcheckpoint.formats.reading import (
    all_or_nothing,
    be_built,
    inspecting,
    load_weights,
    misfit,
    sync,
)
from modelcheckpoint.observe.keras_models import versions_of
from modelcheckpoint.records import Record

__all__ = ["read", "read_weights"]

Shapes = dict[str, tuple[int, ...]]
Open = Callable[[str], AbstractContextManager[Any]]
"""Opens a checkpoint's HDF5 file: the checkpoint itself, or a member of it."""


def read(
    model: Any,
    path: str,
    record: Record | None,
    opened: Open,
    config: Callable[[str], Any] = lambda path: None,
) -> OptimizerState:
    """Load weights and optimizer state, as `Format.read` promises.

    Args:
        model: The model to fill.
        path: The checkpoint's path.
        record: Its line in the journal, or None.
        opened: Opens its weights.
        config: Returns the optimizer's config in the file, or None.
    """
    be_built(model, path, record)
    compiled = build(model)
    sync(model)
    with inspecting(path), opened(path) as file:
        _check_fit(model, path, shapes(file), record)
        stored = _stored_optimizer(file, config(path))
    state = look(model, stored, record) if compiled else OptimizerState(False)
    with all_or_nothing(path, [*model.variables, *optimizer_variables(model)]):
        load_weights(model, path, state.fits)
    return state


def read_weights(model: Any, path: str) -> None:
    """Load weights, as `Format.read_weights` promises."""
    sync(model)
    with all_or_nothing(path, list(model.variables)):
        load_weights(model, path, with_optimizer=False)


def _stored_optimizer(file: Any, config: Any) -> StoredOptimizer:
    group = file.get("optimizer/vars")
    if group is None:
        return StoredOptimizer([])
    arrays = [group.get(str(number)) for number in range(len(group))]
    # One can be missing if somebody else wrote the file.
    known = [] if None in arrays else [tuple(array.shape) for array in arrays]
    name = group.attrs.get("name")
    return StoredOptimizer(known, config, name if isinstance(name, str) else None)


def _check_fit(model: Any, path: str, arrays: Shapes, record: Record | None) -> None:
    """Raise, before anything changes, if the file's arrays are not the model's.

    Keras itself would ignore arrays that the model has no place for.
    """
    here = versions_of(model).get("keras")
    if record is None or here is None or record.versions.get("keras") != here:
        return  # Keras versions name parts differently, but read each other's files
    try:
        wanted = _shapes_of(model)
    except (NeedsKeras, AttributeError, TypeError, ValueError):
        return
    in_file = {n: s for n, s in arrays.items() if not _is_optimizers(n)}
    for name in sorted(wanted.keys() | in_file.keys()):
        if wanted.get(name) != in_file.get(name):
            raise misfit(
                path,
                f"{name} has the shape {_shown(in_file.get(name))} in the file, and "
                f"{_shown(wanted.get(name))} in the model",
            )


def _shapes_of(model: Any) -> Shapes:
    groups = Layouts().of(model).groups
    return {
        f"{group.path}/vars/{key}".lstrip("/"): tuple(value.shape)
        for group in groups
        for key, value in zip(group.keys, group.values)
        if not _is_optimizers(f"{group.path}/")
    }


def _is_optimizers(name: str) -> bool:
    return name.startswith("optimizer/")


def _shown(shape: tuple[int, ...] | None) -> str:
    return "none" if shape is None else str(shape)

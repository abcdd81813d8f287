"""Load a checkpoint into the model that is there: its weights, its optimizer.

Keras' `load_weights` does it, for archives too: no class that a file names is looked
for, nothing is unpickled, and no code that a file holds is run.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

from modelcheckpoint.errors import RestoreError, is_interrupt
from modelcheckpoint.formats.backup import Backup, optimizer_variables
from modelcheckpoint.formats.hdf5_tree import opened, shapes
from modelcheckpoint.formats.internals import NeedsKeras
from modelcheckpoint.formats.layout import Layouts
from modelcheckpoint.formats.legacy_order import Disorder, Orders, in_order, orders
from modelcheckpoint.formats.optimizer_state import (
    OptimizerState,
    build,
    fill_from_hdf5,
    look,
)
from modelcheckpoint.observe.keras_models import versions_of
from modelcheckpoint.observe.optimizer import optimizer_of
from modelcheckpoint.records import Record

__all__ = ["load", "load_weights_only"]

_WAY_OUT = (
    "Build and compile the model as it was when the checkpoint was saved, or start a "
    "new run under another `filepath`."
)


def load(model: Any, path: str, record: Record | None) -> OptimizerState:
    """Load weights and optimizer state; return what came of the latter.

    The state of another optimizer is not loaded, and the model's stays as it is.

    Args:
        model: It is built here, where the record tells how.
        path: A file whose structure was looked at.
        record: What the journal says of it, or None.

    Raises:
        RestoreError: If the file is of another model. The model is as it was, also
            where Ctrl-C ends the call.
    """
    _be_built(model, path, record)
    compiled = build(model)
    _sync(model)
    with opened(path) as file:
        full_hdf5 = "model_weights" in file
        _check_fit(model, path, file, record)
        wanted = _orders(model, path, file, record)
        state = OptimizerState(False)
        if compiled:
            state = look(model, path, file, record)
    held = Backup([*_variables(model), *optimizer_variables(model)])
    try:
        _load_weights(model, path, wanted, state.fits)
        if state.fits and full_hdf5:
            with opened(path) as file:
                fill_from_hdf5(model, file)
    except BaseException as error:  # whatever Keras makes of it, and Ctrl-C
        held.put_back()
        if is_interrupt(error):
            raise
        raise RestoreError(_misfit(path, str(error), held.complete)) from error
    return state


def load_weights_only(model: Any, path: str, record: Record | None = None) -> None:
    """Load weights, and leave the optimizer as it is.

    Raises:
        RestoreError: If that fails. The model is as it was.
    """
    _sync(model)
    with opened(path) as file:
        wanted = _orders(model, path, file, record)
    weights = Backup(_variables(model))
    try:
        _load_weights(model, path, wanted, with_optimizer=False)
    except BaseException as error:  # whatever Keras makes of it, and Ctrl-C
        weights.put_back()
        if is_interrupt(error):
            raise
        raise RestoreError(_misfit(path, str(error), weights.complete)) from error


def _be_built(model: Any, path: str, record: Record | None) -> None:
    if model.built:
        return
    how: Mapping[str, Any] | None = None if record is None else record.build
    if how is not None and hasattr(model, "build_from_config"):
        try:
            model.build_from_config(dict(how))
        except Exception as error:  # whatever a model's own `build` makes of it
            raise RestoreError(_not_built(path, f" ({error})")) from error
    if not model.built and not _has_weights(model):
        raise RestoreError(_not_built(path, ""))


def _has_weights(model: Any) -> bool:
    try:
        return bool(model.weights)
    except ValueError:  # so Keras 2 says it
        return False


def _not_built(path: str, reason: str) -> str:
    return (
        f"Cannot restore {path}: the model has no weights yet to load it into{reason}. "
        "Build it before, by `model.build(input_shape)` or a first layer "
        "`keras.Input(shape)`."
    )


def _variables(model: Any) -> list[Any]:
    return list(model.variables)


def _sync(model: Any) -> None:
    # On JAX a training that an exception has ended, or that is going on, keeps the
    # state apart, and would put it over what is loaded.
    sync = getattr(model, "jax_state_sync", None)
    if sync is not None:
        sync()


def _orders(model: Any, path: str, file: Any, record: Record | None) -> Orders:
    there = None if record is None or not record.optimizer else record.optimizer
    here = optimizer_of(model)
    trains = [one.get("trains") for one in (there or {}, here or {})]
    same = None if None in trains else trains[0] == trains[1]
    try:
        return orders(model, file, same)
    except Disorder as error:
        raise RestoreError(_misfit(path, str(error), True)) from error
    except (AttributeError, KeyError, TypeError):  # of a file that somebody else wrote
        return {}


def _load_weights(model: Any, path: str, wanted: Orders, with_optimizer: bool) -> None:
    built = model.built
    hidden = contextlib.nullcontext() if with_optimizer else _without_optimizer(model)
    with hidden, warnings.catch_warnings(), in_order(path, wanted) as ordered:
        # The caller tells it, in words that say what follows.
        warnings.filterwarnings("ignore", message="Skipping variable loading")
        # A subclassed model has its weights before Keras says that it is built.
        model.built = True
        try:
            model.load_weights(ordered)
        finally:
            model.built = built


@contextlib.contextmanager
def _without_optimizer(model: Any) -> Iterator[None]:
    """Hide the optimizer from Keras, which would fill it as far as shapes allow."""
    optimizer = getattr(model, "optimizer", None)
    if optimizer is None:
        yield
        return
    model.optimizer = None
    try:
        yield
    finally:
        model.optimizer = optimizer


def _check_fit(model: Any, path: str, file: Any, record: Record | None) -> None:
    """Raise, before anything is changed, where the file's arrays are not the model's.

    Keras itself would pass over arrays that the model has no place for.
    """
    if record is None or record.format not in ("keras", "weights.h5"):
        return
    here = versions_of(model).get("keras")
    if here is None or record.versions.get("keras") != here:
        return  # another Keras may give parts other names, and knows how to read them
    try:
        wanted = _wanted(model)
    except (NeedsKeras, AttributeError, TypeError, ValueError):
        return
    there = {n: s for n, s in shapes(file).items() if not _is_optimizers(n)}
    for name in sorted(wanted.keys() | there.keys()):
        if wanted.get(name) != there.get(name):
            reason = (
                f"{name} has the shape {_shown(there.get(name))} in the file, and "
                f"{_shown(wanted.get(name))} in the model"
            )
            raise RestoreError(_misfit(path, reason, True))


def _wanted(model: Any) -> dict[str, tuple[int, ...]]:
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


def _misfit(path: str, reason: str, whole: bool) -> str:
    lines = [line.strip() for line in reason.splitlines() if line.strip()]
    told = " ".join(lines)
    told = told if len(told) <= 300 else f"{told[:297]}..."
    left = "" if whole else " The model may hold a part of it now."
    return f"Cannot restore {path} into this model: {told}. {_WAY_OUT}{left}"

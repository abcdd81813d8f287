"""What all formats share to load a file into a model, completely or not at all.

Keras' `load_weights` loads it, for archives too: no class named in a file is looked up,
nothing is unpickled, and no code in a file is run.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from typing import Any

from modelcheckpoint.errors import RestoreError, is_interrupt
from modelcheckpoint.formats.backup import Backup
from modelcheckpoint.observe.keras_models import keras_of
from modelcheckpoint.records import Record

__all__ = [
    "all_or_nothing",
    "be_built",
    "before_loading",
    "inspecting",
    "load_weights",
    "misfit",
    "sync",
]

_WAY_OUT = (
    "Build and compile the model as it was when the checkpoint was saved, or start a "
    "new run under another `filepath`."
)


_ready: ContextVar[Callable[[], None]] = ContextVar("ready", default=lambda: None)


@contextlib.contextmanager
def before_loading(ready: Callable[[], None]) -> Iterator[None]:
    """Have `ready` called in the block once a file fits, before anything is loaded.

    If it raises, nothing is loaded.
    """
    token = _ready.set(ready)
    try:
        yield
    finally:
        _ready.reset(token)


def be_built(model: Any, path: str, record: Record | None) -> None:
    """Build the model if the record says how.

    Raises:
        RestoreError: If it has no weights even then.
    """
    if model.built:
        return
    how: Mapping[str, Any] | None = None if record is None else record.build
    if how is not None and hasattr(model, "build_from_config"):
        try:
            model.build_from_config(dict(how))
        except Exception as error:  # a model's own `build` may raise anything
            raise RestoreError(_not_built(path, f" ({error})")) from error
    if not model.built and not _has_weights(model):
        raise RestoreError(_not_built(path, ""))


def sync(model: Any) -> None:
    """Copy the training's state into the variables; JAX keeps it apart from them.

    Otherwise a training that is running, or that an exception has ended, would later
    overwrite the loaded values with its state.
    """
    jax_state_sync = getattr(model, "jax_state_sync", None)
    if jax_state_sync is not None:
        jax_state_sync()


@contextlib.contextmanager
def inspecting(path: str) -> Iterator[None]:
    """Inspect a file in the block, before anything is loaded from it.

    Raises:
        RestoreError: In place of whatever a library raises for a damaged file.
        OSError: If the system cannot read it.
    """
    try:
        yield
    except RestoreError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        reason = str(error) or repr(error)
        raise RestoreError(f"{path} is damaged: it cannot be opened: {reason}.") from (
            error
        )


@contextlib.contextmanager
def all_or_nothing(path: str, variables: list[Any]) -> Iterator[None]:
    """Give the variables their values back if loading the file fails.

    The function that was given to `before_loading` is called first.

    Raises:
        RestoreError: In place of whatever Keras raises, except for an interrupt.
    """
    _ready.get()()
    backup = Backup(variables)
    try:
        yield
    except BaseException as error:
        backup.put_back()
        if is_interrupt(error):
            raise
        raise misfit(path, str(error), backup.complete) from error


def load_weights(model: Any, path: str, with_optimizer: bool) -> None:
    """Have Keras load a file, with or without the optimizer's state in it."""
    built = model.built
    hidden = contextlib.nullcontext() if with_optimizer else _without_optimizer(model)
    with hidden, _without_metrics(model), warnings.catch_warnings():
        # The caller reports this itself, and says what follows from it.
        warnings.filterwarnings("ignore", message="Skipping variable loading")
        # A subclassed model has its weights before Keras says that it is built.
        model.built = True
        try:
            model.load_weights(path)
        finally:
            model.built = built


def misfit(path: str, reason: str, whole: bool = True) -> RestoreError:
    """Return the error for a file that belongs to another model.

    Args:
        path: The file's path.
        reason: Why it does not fit.
        whole: Whether the model is unchanged.
    """
    lines = [line.strip() for line in reason.splitlines() if line.strip()]
    text = " ".join(lines)
    text = text if len(text) <= 300 else f"{text[:297]}..."
    left = "" if whole else " The model may hold a part of it now."
    return RestoreError(
        f"Cannot restore {path} into this model: {text}. {_WAY_OUT}{left}"
    )


def _has_weights(model: Any) -> bool:
    try:
        return bool(model.weights)
    except ValueError:  # raised by Keras 2 if there are none yet
        return False


def _not_built(path: str, reason: str) -> str:
    return (
        f"Cannot restore {path}: the model has no weights yet to load it into{reason}. "
        "Build it before, by `model.build(input_shape)` or a first layer "
        "`keras.Input(shape)`."
    )


@contextlib.contextmanager
def _without_optimizer(model: Any) -> Iterator[None]:
    """Hide the optimizer from Keras, which would load any state that fits by shape."""
    optimizer = getattr(model, "optimizer", None)
    if optimizer is None:
        yield
        return
    model.optimizer = None
    try:
        yield
    finally:
        model.optimizer = optimizer


@contextlib.contextmanager
def _without_metrics(model: Any) -> Iterator[None]:
    """Keep Keras 2 from loading metrics, which every epoch resets anyway.

    Under a strategy of `tf.distribute` it cannot load their sums. Once the model has
    been trained, that makes loading anything else fail, too.
    """
    metrics = [] if hasattr(keras_of(model), "ops") else list(model.metrics)
    for metric in metrics:
        metric.load_own_variables = lambda store: None
    try:
        yield
    finally:
        for metric in metrics:
            del metric.load_own_variables

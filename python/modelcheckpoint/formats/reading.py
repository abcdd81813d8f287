"""What all formats do to load a file into a model, all of it or nothing.

Keras' `load_weights` does it, for archives too: no class that a file names is looked
for, nothing is unpickled, and no code that a file holds is run.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

from modelcheckpoint.errors import RestoreError, is_interrupt
from modelcheckpoint.formats.backup import Backup
from modelcheckpoint.records import Record

__all__ = [
    "all_or_nothing",
    "be_built",
    "inspecting",
    "load_weights",
    "misfit",
    "sync",
]

_WAY_OUT = (
    "Build and compile the model as it was when the checkpoint was saved, or start a "
    "new run under another `filepath`."
)


def be_built(model: Any, path: str, record: Record | None) -> None:
    """Build the model, where the record tells how.

    Raises:
        RestoreError: If it has no weights then.
    """
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


def sync(model: Any) -> None:
    """Have the variables hold the state that training has, which JAX keeps apart.

    A training that an exception has ended, or that is going on, would put it over what
    is loaded.
    """
    jax_state_sync = getattr(model, "jax_state_sync", None)
    if jax_state_sync is not None:
        jax_state_sync()


@contextlib.contextmanager
def inspecting(path: str) -> Iterator[None]:
    """Look into a file, before anything of it is loaded.

    Raises:
        RestoreError: In place of whatever a library raises of a damaged file.
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
    """Give variables their values back where loading the file fails.

    Raises:
        RestoreError: In place of whatever Keras raises, but for an interrupt.
    """
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
    with hidden, warnings.catch_warnings():
        # The caller tells it, in words that say what follows.
        warnings.filterwarnings("ignore", message="Skipping variable loading")
        # A subclassed model has its weights before Keras says that it is built.
        model.built = True
        try:
            model.load_weights(path)
        finally:
            model.built = built


def misfit(path: str, reason: str, whole: bool = True) -> RestoreError:
    """Return the error of a file that is of another model.

    Args:
        path: Of the file.
        reason: What tells that.
        whole: Whether the model is as it was.
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
    except ValueError:  # so Keras 2 says it
        return False


def _not_built(path: str, reason: str) -> str:
    return (
        f"Cannot restore {path}: the model has no weights yet to load it into{reason}. "
        "Build it before, by `model.build(input_shape)` or a first layer "
        "`keras.Input(shape)`."
    )


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

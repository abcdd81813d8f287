"""Find out which Keras a model comes from, and which methods it overrides."""

from __future__ import annotations

import os
import sys
from types import ModuleType
from typing import Any

__all__ = [
    "array_of",
    "backend_of",
    "check_model",
    "is_keras_own",
    "is_model",
    "keras_of",
    "overrides",
    "versions_of",
]

_PACKAGES = ("keras", "tf_keras")


def keras_of(model: Any) -> ModuleType:
    """Return the Keras package (Keras 3, Keras 2 or tf_keras) of a model."""
    for cls in type(model).__mro__:
        package = cls.__module__.partition(".")[0]
        if package in _PACKAGES:
            return sys.modules[package]
    return sys.modules["keras"]


def is_model(value: Any) -> bool:
    """Return whether this is a model of any Keras, and not a model class."""
    return any(
        cls.__name__ == "Model" and is_keras_own(cls) for cls in type(value).__mro__
    )


def check_model(value: Any, hint: str = "") -> None:
    """Raise if this is not a Keras model.

    Raises:
        ValueError: The message says what it is; if it is a path, `hint` is appended.
    """
    if is_model(value):
        return
    shown = f"an object of class {type(value).__name__!r}."
    if isinstance(value, (str, os.PathLike)):
        shown = f"{os.fspath(value)!r}. {hint}".rstrip()
    elif isinstance(value, type):
        shown = f"the class {value.__name__!r}."
    elif value is None:
        shown = "None."
    raise ValueError(f"`model` must be a Keras model, not {shown}")


def backend_of(model: Any) -> str:
    """Return `"tensorflow"`, `"jax"`, `"torch"`, ..."""
    backend = getattr(getattr(keras_of(model), "backend", None), "backend", None)
    return str(backend()) if callable(backend) else "tensorflow"


def array_of(variable: Any) -> Any:
    """Return the value of a variable as an array."""
    if hasattr(variable, "path"):  # Keras 3
        from keras import ops

        return ops.convert_to_numpy(variable.value)
    return variable.numpy()


def is_keras_own(cls: type) -> bool:
    """Return whether a class is part of Keras, not of user code or another library."""
    return cls.__module__.partition(".")[0] in _PACKAGES


def overrides(model: Any, method: str) -> bool:
    """Return whether a model has its own `method` in place of Keras'."""
    if method in vars(model):
        return True
    for cls in type(model).__mro__:
        if method in vars(cls):
            return not is_keras_own(cls)
    return False


def versions_of(model: Any) -> dict[str, str]:
    """Return the versions of the model's Keras and of its backend."""
    used = (keras_of(model), sys.modules.get(backend_of(model)))
    return {
        module.__name__: str(getattr(module, "__version__", "unknown"))
        for module in used
        if module is not None
    }

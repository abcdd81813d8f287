"""Keras' functions for HDF5 that are handed arrays in place of making copies."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from types import FunctionType, ModuleType
from typing import Any

__all__ = ["with_views"]


@contextlib.contextmanager
def with_views(legacy: ModuleType, views: Mapping[int, Any]) -> Iterator[ModuleType]:
    """Lend Keras' module for HDF5 with another way from variables to arrays.

    Keras copies each variable before it writes it, and all of an optimizer's at once,
    into memory that nothing has touched before: that takes longer than all the rest.
    What is lent runs Keras' own code, whatever that writes; only
    `backend.convert_to_numpy` first looks into `views` there. Keras' module stays as it
    is. Should a Keras not ask `backend` for arrays, it makes its copies as ever.

    Args:
        legacy: The module, as `legacy_format` finds it.
        views: Arrays of variables, by `id(variable)`.
    """
    lent = _copy(legacy)
    for name, found in vars(legacy).items():
        if isinstance(found, FunctionType) and found.__module__ == legacy.__name__:
            setattr(lent, name, _function_in(lent, found))
    backend: Any = getattr(legacy, "backend", None)
    if hasattr(backend, "convert_to_numpy"):
        convert = backend.convert_to_numpy

        def view(variable: Any) -> Any:
            array = views.get(id(variable))
            return convert(variable) if array is None else array

        vars(lent)["backend"] = _copy(backend)
        vars(lent.backend)["convert_to_numpy"] = view
    try:
        yield lent
    finally:
        # It and its functions hold each other, and would hold the arrays: on JAX then
        # also the memory of a state that is gone.
        vars(lent).clear()


def _copy(module: ModuleType) -> ModuleType:
    copy = ModuleType(module.__name__)
    vars(copy).update(vars(module))
    return copy


def _function_in(module: ModuleType, function: FunctionType) -> FunctionType:
    """Return the function as it would be, had this module defined it."""
    same = FunctionType(
        function.__code__,
        vars(module),
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    same.__kwdefaults__ = function.__kwdefaults__
    return same

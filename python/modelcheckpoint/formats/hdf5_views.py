"""Keras' functions for HDF5 that are handed arrays in place of making copies."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Any

from modelcheckpoint.formats.lent import lent

__all__ = ["with_views"]


@contextlib.contextmanager
def with_views(legacy: ModuleType, views: Mapping[int, Any]) -> Iterator[ModuleType]:
    """Lend Keras' module for HDF5 with another way from variables to arrays.

    Keras copies each variable before it writes it, and all of an optimizer's at once,
    into memory that nothing has touched before: that takes longer than all the rest.
    What is lent runs Keras' own code, whatever that writes; only
    `backend.convert_to_numpy` first looks into `views` there. Should a Keras not ask
    `backend` for arrays, it makes its copies as ever.

    Args:
        legacy: The module, as `legacy_format` finds it.
        views: Arrays of variables, by `id(variable)`.
    """
    others = {}
    backend: Any = getattr(legacy, "backend", None)
    if hasattr(backend, "convert_to_numpy"):
        convert = backend.convert_to_numpy

        def view(variable: Any) -> Any:
            array = views.get(id(variable))
            return convert(variable) if array is None else array

        others["backend"] = ModuleType(backend.__name__)
        vars(others["backend"]).update(vars(backend), convert_to_numpy=view)
    with_them = lent(legacy, **others)
    try:
        yield with_them
    finally:
        # Held until garbage is collected, the arrays would hold, on JAX, also the
        # memory of a state that is gone.
        vars(with_them).clear()

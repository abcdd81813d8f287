"""A module's own functions, run as if some of its names meant something else."""

from __future__ import annotations

from types import FunctionType, ModuleType
from typing import Any

__all__ = ["lent"]


def lent(module: ModuleType, **others: Any) -> ModuleType:
    """Return a copy of a module whose functions find `others` by these names.

    They run the module's own code, whatever it is, and the module stays as it is. The
    copy and its functions hold each other: what `others` hold is held until garbage is
    collected, or `vars(copy).clear()`.
    """
    copy = ModuleType(module.__name__)
    for name, found in vars(module).items():
        own = isinstance(found, FunctionType) and found.__module__ == module.__name__
        vars(copy)[name] = _function_in(copy, found) if own else found
    vars(copy).update(others)
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

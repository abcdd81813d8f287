"""Copies of variables' values, so that they can be put back."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from modelcheckpoint.formats.memory import available_memory
from modelcheckpoint.observe.keras_models import array_of

__all__ = ["Backup", "optimizer_variables"]


class Backup:
    """Copies of the values of some variables.

    Args:
        variables: Keras variables, all of one model.

    Attributes:
        complete: Whether all values were copied. None are if memory is short.
    """

    def __init__(self, variables: Iterable[Any]) -> None:
        self._variables = list(variables)
        if all(map(_is_immutable, self._variables)):  # JAX' arrays, on any devices
            self.complete = True
            self._values = [variable.value for variable in self._variables]
            return
        free = available_memory()
        self.complete = free is None or _size(self._variables) < free / 2
        self._values = (
            [array_of(v).copy() for v in self._variables] if self.complete else []
        )

    def put_back(self) -> None:
        """Give each variable the value that it had."""
        for variable, value in zip(self._variables, self._values):
            variable.assign(value)


def optimizer_variables(model: Any) -> list[Any]:
    """Return the variables of a model's optimizer, if it has one."""
    variables = getattr(getattr(model, "optimizer", None), "variables", [])
    # A method in Keras 2's older optimizers, a callable list in its newer ones.
    if callable(variables) and not isinstance(variables, list):
        variables = variables()
    return list(variables)


def _is_immutable(variable: Any) -> bool:
    return hasattr(getattr(variable, "value", None), "is_fully_addressable")


def _size(variables: Iterable[Any]) -> int:
    # No type of Keras takes more than 8 bytes per number.
    return sum(8 * math.prod(map(int, variable.shape)) for variable in variables)

"""The values of variables, held so that they can be put back."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from modelcheckpoint.formats.memory import available_memory
from modelcheckpoint.observe.keras_models import array_of

__all__ = ["Backup", "optimizer_variables"]


class Backup:
    """Copies of what some variables hold.

    Args:
        variables: Of Keras, all of one model.

    Attributes:
        complete: Whether there are copies, for which there was memory enough.
    """

    def __init__(self, variables: Iterable[Any]) -> None:
        self._variables = list(variables)
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
    # A method in Keras 2's older optimizers; a list that can be called in its newer.
    if callable(variables) and not isinstance(variables, list):
        variables = variables()
    return list(variables)


def _size(variables: Iterable[Any]) -> int:
    # No number of Keras has more than 8 bytes.
    return sum(8 * math.prod(map(int, variable.shape)) for variable in variables)

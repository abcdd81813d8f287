"""The values of variables, held so that they can be put back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from modelcheckpoint.formats.memory import available_memory

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
        self._values = [_copy(v) for v in self._variables] if self.complete else []

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
    sizes = (variable.shape for variable in variables)
    return sum(8 * _product(shape) for shape in sizes)


def _product(shape: Iterable[Any]) -> int:
    product = 1
    for size in shape:
        product *= int(size)
    return product


def _copy(variable: Any) -> Any:
    import numpy as np

    if hasattr(variable, "path"):  # of Keras 3
        from keras import ops

        return np.array(ops.convert_to_numpy(variable.value))
    return variable.numpy()

"""The optimizer's state, made ready to be filled, and filled from HDF5."""

from __future__ import annotations

import contextlib
from typing import Any

from modelcheckpoint.load.hdf5_tree import attribute
from modelcheckpoint.load.held import optimizer_variables

__all__ = ["build", "fill_from_hdf5", "fits_weights_file"]


def build(model: Any) -> bool:
    """Have the model's optimizer make its variables; return whether it has one."""
    optimizer = getattr(model, "optimizer", None)
    if optimizer is None:
        return False
    if getattr(optimizer, "built", None) is True or getattr(optimizer, "_built", False):
        return True
    strategy = getattr(model, "distribute_strategy", None)
    with contextlib.nullcontext() if strategy is None else strategy.scope():
        if hasattr(optimizer, "build"):
            optimizer.build(model.trainable_variables)
        elif hasattr(optimizer, "_create_all_weights"):  # Keras 2's older ones
            optimizer._create_all_weights(model.trainable_variables)
    return True


def fits_weights_file(model: Any, file: Any) -> bool:
    """Return whether a file of Keras 3's layout has the state of this optimizer.

    Keras passes over another one with a warning, or not even that.
    """
    group = file.get("optimizer/vars")
    variables = optimizer_variables(model)
    if group is None or len(group) != len(variables):
        return False
    return all(
        str(i) in group and tuple(group[str(i)].shape) == tuple(variable.shape)
        for i, variable in enumerate(variables)
    )


def fill_from_hdf5(model: Any, file: Any) -> bool:
    """Fill the optimizer from a full model in HDF5; return whether that could be.

    Keras' `load_model` does not do it (3.15), though all is there, in this order.
    """
    group = file.get("optimizer_weights")
    variables = optimizer_variables(model)
    names = [] if group is None else attribute(group, "weight_names")
    if not variables or len(names) != len(variables):
        return False
    arrays = [group[name] for name in names]
    if any(tuple(a.shape) != tuple(v.shape) for a, v in zip(arrays, variables)):
        return False
    for array, variable in zip(arrays, variables):
        variable.assign(array[()])
    return True

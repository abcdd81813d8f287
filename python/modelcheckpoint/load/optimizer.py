"""The optimizer's state: is it of this optimizer, and into it."""

from __future__ import annotations

import contextlib
import json
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from modelcheckpoint.load.hdf5_tree import attribute
from modelcheckpoint.load.held import optimizer_variables
from modelcheckpoint.observe.optimizer import difference, identity, optimizer_of
from modelcheckpoint.records import Record

__all__ = ["NO_STATE", "OptimizerState", "build", "fill_from_hdf5", "look"]

NO_STATE = "the file holds no state of it"
"""Why an optimizer starts from scratch where weights alone were saved."""


@dataclass(frozen=True)
class OptimizerState:
    """What a file holds of the optimizer.

    Attributes:
        fits: Whether it goes into the model's optimizer.
        note: Why not, or what of it nobody knows; None where there is nothing to say.
    """

    fits: bool
    note: str | None = None


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


def look(model: Any, path: str, file: Any, record: Record | None) -> OptimizerState:
    """Return whether a file has the state of the model's optimizer.

    Keras fills in whatever has as many arrays of the same shapes.

    Args:
        model: With an optimizer that is built.
        path: Of the file.
        file: Its HDF5 file, open.
        record: What the journal says of it, or None.
    """
    group = file.get("optimizer_weights")
    arrays = _arrays(group) if group is not None else _numbered(file)
    if not arrays:
        return OptimizerState(False, NO_STATE)
    here = optimizer_of(model)
    assert here is not None  # it is built
    there = record.optimizer if record is not None else None
    if there is None:
        there = _configured(path, file)
    told = None if there is None else difference(there, here)
    if told is not None:
        return OptimizerState(False, told)
    variables = optimizer_variables(model)
    shapes = [tuple(variable.shape) for variable in variables]
    if [tuple(array.shape) for array in arrays] != shapes or (
        group is not None and _in_other_order(group, variables)
    ):
        note = "the file has the state of an optimizer with other variables"
        return OptimizerState(False, note)
    if there is None:
        return OptimizerState(
            True,
            "nothing tells which optimizer the state in the file is of; it fits "
            f"{here['name']} in number and shapes",
        )
    return OptimizerState(True)


def fill_from_hdf5(model: Any, file: Any) -> None:
    """Fill the optimizer from a full model in HDF5, whose state fits it.

    Keras' `load_model` does not do it (3.15), though all is there, in this order.
    """
    arrays = _arrays(file["optimizer_weights"])
    for array, variable in zip(arrays, optimizer_variables(model)):
        variable.assign(array[()])


def _arrays(group: Any) -> list[Any]:
    return [group[name] for name in attribute(group, "weight_names")]


def _numbered(file: Any) -> list[Any]:
    """Return the arrays of the optimizer in a file of Keras 3's own layout."""
    group = file.get("optimizer/vars")
    numbers = range(0 if group is None else len(group))
    if group is None or not all(str(number) in group for number in numbers):
        return []
    return [group[str(number)] for number in numbers]


def _in_other_order(group: Any, variables: list[Any]) -> bool:
    """Return whether the names are the same but for numbers, in another order."""
    there = [_bare(name) for name in attribute(group, "weight_names")]
    here = [_bare(str(getattr(v, "path", v.name))) for v in variables]
    return there != here and sorted(there) == sorted(here)


def _bare(name: str) -> str:
    # The first part is the optimizer's own name, which Keras numbers, too.
    return re.sub(r"_\d+(?=_|/|:|$)", "", name.partition("/")[2] or name)


def _configured(path: str, file: Any) -> dict[str, Any] | None:
    """Return the identity of the optimizer in a full model's own configuration."""
    try:
        if path.endswith(".keras"):
            with zipfile.ZipFile(path) as archive:
                config = json.loads(archive.read("config.json"))
            found = config["compile_config"]["optimizer"]
        else:
            found = json.loads(file.attrs["training_config"])["optimizer_config"]
        if isinstance(found, Mapping):
            name = found.get("registered_name") or found["class_name"]
            return identity(str(name), found["config"])
    except (KeyError, TypeError, ValueError, AttributeError):
        pass  # weights alone, or a file that somebody else wrote
    return None

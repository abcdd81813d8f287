"""The optimizer's state: is it of this optimizer, and into it."""

from __future__ import annotations

import contextlib
import json
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from modelcheckpoint.formats.backup import optimizer_variables
from modelcheckpoint.formats.hdf5_tree import attribute
from modelcheckpoint.observe.keras_models import keras_of
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
        there = _configured(model, path, file)
    shapes = [tuple(variable.shape) for variable in optimizer_variables(model)]
    if not any(shapes):
        here["trains"] = None  # its numbers belong to no variable of the model
    told = _named(model, file) if there is None else difference(there, here)
    if told is not None:
        return OptimizerState(False, told)
    if [tuple(array.shape) for array in arrays] != shapes or (
        group is not None and _in_other_order(group, optimizer_variables(model))
    ):
        note = "the file has the state of an optimizer with other variables"
        return OptimizerState(False, note)
    if there is None:
        name = _name_in(file)
        what = "nothing tells" if name is None else f"only the name {name!r} tells"
        return OptimizerState(
            True,
            f"{what} which optimizer the state in the file is of; it fits "
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


def _named(model: Any, file: Any) -> str | None:
    """Return how the name of the optimizer in weights alone differs, or None."""
    name, here = _name_in(file), str(getattr(model.optimizer, "name", ""))
    if name is None or _without_number(name) == _without_number(here):
        return None
    found = f"{name!r} in the file, {here!r} here"
    return f"the file has the state of another optimizer ({found})"


def _name_in(file: Any) -> str | None:
    """Return the name that Keras 3 writes beside the arrays, such as `adam`."""
    group = file.get("optimizer/vars")
    name = None if group is None else group.attrs.get("name")
    return name if isinstance(name, str) else None


def _without_number(name: str) -> str:
    return re.sub(r"_\d+$", "", name)


def _configured(model: Any, path: str, file: Any) -> dict[str, Any] | None:
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
        if isinstance(found, str):
            default = keras_of(model).optimizers.get(found)
            return identity(type(default).__name__, default.get_config())
    except (KeyError, TypeError, ValueError, AttributeError):
        pass  # weights alone, or a file that somebody else wrote
    return None

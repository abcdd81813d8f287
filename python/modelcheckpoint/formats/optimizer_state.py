"""Find out whether a file has the state of this optimizer."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from modelcheckpoint.formats.backup import optimizer_variables
from modelcheckpoint.observe.keras_models import keras_of
from modelcheckpoint.observe.optimizer import difference, identity, optimizer_of
from modelcheckpoint.records import Record

__all__ = ["NO_STATE", "OptimizerState", "StoredOptimizer", "build", "look"]

NO_STATE = "the file holds no state of it"
"""Why an optimizer starts from scratch if weights alone were saved."""


@dataclass(frozen=True)
class OptimizerState:
    """Whether a file's optimizer state fits the model.

    Attributes:
        fits: Whether the state can be loaded into the model's optimizer.
        note: Why not, or which doubt remains; None if there is nothing to report.
    """

    fits: bool
    note: str | None = None


@dataclass(frozen=True)
class StoredOptimizer:
    """An optimizer as a file describes it.

    Attributes:
        shapes: The shapes of its arrays, in the order of its variables.
        config: In a full model its class and config, as given to `compile`; else None.
        name: The name that Keras 3 writes beside the arrays, such as `adam`, or None.
        paths: The paths of its variables if the file has them, else None.
    """

    shapes: Sequence[tuple[int, ...]]
    config: Any = None
    name: str | None = None
    paths: Sequence[str] | None = None


def build(model: Any) -> bool:
    """Build the optimizer's variables; return whether the model has an optimizer."""
    optimizer = getattr(model, "optimizer", None)
    if optimizer is None:
        return False
    if getattr(optimizer, "built", None) is True or getattr(optimizer, "_built", False):
        return True
    strategy = getattr(model, "distribute_strategy", None)
    with contextlib.nullcontext() if strategy is None else strategy.scope():
        if hasattr(optimizer, "build"):
            optimizer.build(model.trainable_variables)
        elif hasattr(optimizer, "_create_all_weights"):  # Keras 2's older optimizers
            optimizer._create_all_weights(model.trainable_variables)
    return True


def look(model: Any, stored: StoredOptimizer, record: Record | None) -> OptimizerState:
    """Return whether a file has the state of the model's optimizer.

    Keras itself loads any state with the same number of arrays and the same shapes.

    Args:
        model: Its optimizer must be built.
        stored: The optimizer in the file.
        record: The file's line in the journal, or None.
    """
    if not stored.shapes:
        return OptimizerState(False, NO_STATE)
    here = optimizer_of(model)
    assert here is not None  # it is built
    there = record.optimizer if record is not None else None
    if there is None:
        there = _configured(model, stored.config)
    variables = optimizer_variables(model)
    shapes = [tuple(variable.shape) for variable in variables]
    if not any(shapes):
        here["trains"] = None  # its scalars belong to no variable of the model
    other = _named(model, stored.name) if there is None else difference(there, here)
    if other is not None:
        return OptimizerState(False, other)
    if list(stored.shapes) != shapes or _in_other_order(stored.paths, variables):
        note = "the file has the state of an optimizer with other variables"
        return OptimizerState(False, note)
    return OptimizerState(True, _doubt(stored, here) if there is None else None)


def _doubt(stored: StoredOptimizer, here: Mapping[str, Any]) -> str:
    name = stored.name
    what = "nothing shows" if name is None else f"only the name {name!r} shows"
    return (
        f"{what} which optimizer the state in the file belongs to; its arrays fit "
        f"{here['name']} in number and shapes"
    )


def _in_other_order(paths: Sequence[str] | None, variables: list[Any]) -> bool:
    """Return whether both have the same names, numbers aside, in another order."""
    there = [_bare(path) for path in paths or ()]
    here = [_bare(str(getattr(v, "path", v.name))) for v in variables]
    return there != here and sorted(there) == sorted(here)


def _bare(name: str) -> str:
    # The first part is the optimizer's own name, which Keras may number, too.
    return re.sub(r"_\d+(?=_|/|:|$)", "", name.partition("/")[2] or name)


def _named(model: Any, name: str | None) -> str | None:
    """Return how the optimizer's name in a weights file differs, or None."""
    here = str(getattr(model.optimizer, "name", ""))
    if name is None or _without_number(name) == _without_number(here):
        return None
    names = f"{name!r} in the file, {here!r} here"
    return f"the file has the state of another optimizer ({names})"


def _without_number(name: str) -> str:
    return re.sub(r"_\d+$", "", name)


def _configured(model: Any, config: Any) -> dict[str, Any] | None:
    """Return the identity of the optimizer in a full model's own configuration."""
    try:
        if isinstance(config, Mapping):
            name = config.get("registered_name") or config["class_name"]
            return identity(str(name), config["config"])
        if isinstance(config, str):
            default = keras_of(model).optimizers.get(config)
            return identity(type(default).__name__, default.get_config())
    except (KeyError, TypeError, ValueError, AttributeError):
        pass  # a file that somebody else wrote
    return None

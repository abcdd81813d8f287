"""A model's variables as Orbax stores them: a tree by their paths, in four groups.

The groups are those of Keras' `Model.get_state_tree`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Union

from modelcheckpoint.formats.backup import optimizer_variables

__all__ = [
    "OPTIMIZER",
    "WEIGHTS",
    "Clash",
    "Place",
    "Tree",
    "flat",
    "groups_of",
    "order_of",
    "places",
    "tree",
]

WEIGHTS = ("trainable_variables", "non_trainable_variables")
OPTIMIZER = "optimizer_variables"
_METRICS = "metrics_variables"

Tree = dict[str, Union[Any, "Tree"]]
Shape = tuple[int, ...]
Place = tuple[str, str]
"""A group, and a path in it."""


class Clash(ValueError):
    """Two variables have the same place in the tree; the text is the path."""


def groups_of(model: Any, weights_only: bool) -> dict[str, list[Any]]:
    """Return the variables of a model, by group.

    Args:
        model: The model.
        weights_only: Whether to omit metrics, as in a checkpoint without a config.
    """
    groups = {name: list(getattr(model, name)) for name in WEIGHTS}
    optimizer = optimizer_variables(model)
    if optimizer:
        groups[OPTIMIZER] = optimizer
    if not weights_only:
        groups[_METRICS] = list(getattr(model, _METRICS, ()))
    return groups


def order_of(model: Any) -> dict[str, list[str]]:
    """Return the paths of weights and optimizer, in the model's own order.

    The order identifies the variables if a model of the same layers has other names:
    Keras numbers names within a process.
    """
    return {
        "weights": [variable.path for variable in model.variables],
        "optimizer": [variable.path for variable in optimizer_variables(model)],
    }


def tree(values: Iterable[tuple[str, Any]]) -> Tree:
    """Return a tree of values by their paths, with a level for each part of a path.

    Raises:
        Clash: If a path occurs twice, or is the beginning of another.
    """
    root: Tree = {}
    for path, value in values:
        *above, last = path.split("/")
        level = root
        for part in above:
            level = level.setdefault(part, {})
            if not isinstance(level, dict):
                raise Clash(path)
        if last in level:
            raise Clash(path)
        level[last] = value
    return root


def flat(branch: Mapping[str, Any]) -> dict[str, Any]:
    """Return a tree's values by their paths."""
    found: dict[str, Any] = {}
    left = [("", branch)]
    while left:
        above, level = left.pop()
        for name, value in level.items():
            if isinstance(value, Mapping):
                left.append((f"{above}{name}/", value))
            else:
                found[above + name] = value
    return found


def places(
    here: Sequence[tuple[str, Shape]],
    there: Mapping[Place, Shape],
    order: Sequence[str] | None,
) -> list[Place] | str:
    """Return the place of each variable in a checkpoint, or what does not fit.

    Variables are matched by path if the paths are the same, else by their order, if it
    is known. A variable may be in another group, if it has been frozen or unfrozen.

    Args:
        here: Path and shape of each variable of the model.
        there: The shapes in the checkpoint.
        order: The checkpoint's paths, in the order of the saved model.
    """
    groups = {path: group for group, path in there}
    paths = [path for path, _ in here]
    if set(paths) != set(groups):
        if order is None or set(order) != set(groups):
            return _difference(set(paths), set(groups))
        if len(order) != len(here):
            return f"it has {len(order)} variables, and the model {len(here)}"
        paths = list(order)
    found = [(groups[path], path) for path in paths]
    for place, (name, shape) in zip(found, here):
        if there[place] != shape:
            return (
                f"{place[1]} has the shape {there[place]}, and {name} of the model "
                f"{shape}"
            )
    return found


def _difference(here: set[str], there: set[str]) -> str:
    if here - there:
        return f"it has no {min(here - there)}"
    return f"the model has no {min(there - here)}"

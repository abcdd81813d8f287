"""The place of a model's variables in a legacy HDF5 file: group, array and name.

Keras 1 and 2 wrote this layout, and Keras 3 still reads it: a group for each layer, an
array for each variable under its path, and lists of both, whose order tells Keras which
is which. If two layers or variables have the same name, or the name of one is a folder
of the other, HDF5 refuses the second, so Keras' own save fails. Here the later one gets
a number, in the list as well. All others keep their names.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain, count
from operator import attrgetter, is_
from typing import Any

__all__ = ["Group", "Layout", "Variables", "layout_of", "variables_of"]

# Keras looks for the model's own arrays here; a layer may not have this name.
_OWN = "top_level_model_weights"


@dataclass(frozen=True)
class Variables:
    """The variables that a file holds.

    Attributes:
        layers: The name of each of the model's layers, and its variables.
        own: The model's own variables, which belong to none of its layers.
        optimizer: The optimizer's variables; empty if weights alone are saved.
    """

    layers: list[tuple[str, list[Any]]]
    own: list[Any]
    optimizer: list[Any]

    def are(self, other: Variables) -> bool:
        """Return whether both are the same variables, in layers of the same names."""
        names = [[name for name, _ in one.layers] for one in (self, other)]
        groups = [
            [*(some for _, some in one.layers), one.own, one.optimizer]
            for one in (self, other)
        ]
        return names[0] == names[1] and all(
            len(some) == len(others) and all(map(is_, some, others))
            for some, others in zip(*groups)
        )


@dataclass(frozen=True)
class Group:
    """A group that holds arrays.

    Attributes:
        path: Its path in the file.
        names: The arrays' paths in the group, in the order in which Keras reads them.
        variables: The variable of each array.
    """

    path: str
    names: list[str]
    variables: list[Any]


@dataclass(frozen=True)
class Layout:
    """The contents of a file, without the attributes of a full model.

    Attributes:
        root: The path of the group of all weights; "" is the file itself.
        layer_names: The names of the layers' groups, in the order of the layers.
        groups: In the order in which they are written.
    """

    root: str
    layer_names: list[str]
    groups: list[Group]

    @property
    def variables(self) -> list[Any]:
        """All variables, in the order in which they are written."""
        return [variable for group in self.groups for variable in group.variables]


def variables_of(model: Any, weights_only: bool) -> Variables:
    """Return the variables of a Keras 3 model that its file holds."""
    layers = [
        (layer.name, layer.trainable_weights + layer.non_trainable_weights)
        for layer in model.layers
    ]
    weights = set(map(id, model.weights))
    own = model._trainable_variables + model._non_trainable_variables
    optimizer = None if weights_only else getattr(model, "optimizer", None)
    return Variables(
        layers,
        [variable for variable in own if id(variable) in weights],
        list(getattr(optimizer, "variables", ())),
    )


def layout_of(variables: Variables, root: str, by: str = "path") -> Layout:
    """Return the place of each variable in the file.

    Args:
        variables: As returned by `variables_of`.
        root: The path of the group of all weights, or "".
        by: The attribute that names a variable's array.
    """
    named = attrgetter(by)
    layers = variables.layers
    # Keras writes layers by name. Sorting is stable: of equal names the first stays.
    order = sorted(range(len(layers)), key=lambda place: layers[place][0])
    new_names = _distinct([layers[place][0] for place in order], reserved=[_OWN])
    names = dict(zip(order, new_names))
    contents = [(names[place], layers[place][1]) for place in order]
    groups = [
        _group(f"{root}/{name}" if root else name, some, named)
        for name, some in [*contents, (_OWN, variables.own)]
    ]
    if variables.optimizer:
        groups.append(_group("optimizer_weights", variables.optimizer, named))
    return Layout(root, [names[place] for place in range(len(layers))], groups)


def _group(path: str, variables: list[Any], named: Any) -> Group:
    return Group(path, _distinct([str(named(one)) for one in variables]), variables)


def _distinct(names: Sequence[str], reserved: Sequence[str] = ()) -> list[str]:
    """Return the names; each that clashes with an earlier one gets a number."""
    distinct, used, folders = list(names), set(reserved), set[str]()
    for place, name in enumerate(names):
        for new in chain([name], (n for n in _numbered(name) if n not in distinct)):
            above = list(_folders(new))
            if new not in folders and used.isdisjoint([new, *above]):
                break
        distinct[place] = new
        used.add(new)
        folders.update(above)
    return distinct


def _numbered(name: str) -> Iterator[str]:
    first, slash, rest = name.partition("/")
    return (f"{first}_{number}{slash}{rest}" for number in count(1))


def _folders(name: str) -> Iterator[str]:
    """Return the paths of the folders around a name, the outermost first."""
    return accumulate(name.split("/")[:-1], "{}/{}".format)

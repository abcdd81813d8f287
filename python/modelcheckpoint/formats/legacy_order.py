"""Put the arrays of an HDF5 file into the order in which Keras reads them."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from modelcheckpoint.decide.array_matching import match
from modelcheckpoint.formats.hdf5_tree import attribute

__all__ = ["Disorder", "in_order", "orders"]

Orders = Mapping[str, tuple[Sequence[str], Sequence[int]]]
"""For each group in another order: its names, and the right place of each array."""


class Disorder(ValueError):
    """The names in the file contradict those in the model."""


def orders(model: Any, file: Any, same: bool | None) -> Orders:
    """Return the groups of an HDF5 file whose order differs from the model's.

    Keras keeps the trainable weights of each layer before the others, in the file and
    in the model, so freezing a layer inside another one changes the order.

    Args:
        model: The model to fill.
        file: The open file. In Keras 3's own layout there is no such order.
        same: Whether the same variables are trainable as in the file; None if unknown.

    Raises:
        Disorder: If the names do not show which array is which.
    """
    root = "model_weights" if "model_weights" in file else ""
    group = file[root] if root else file
    names = attribute(group, "layer_names")
    named = [(name, attribute(group[name], "weight_names")) for name in names]
    held = [(name, arrays) for name, arrays in named if arrays]
    layers = [(layer.name, _weights(layer)) for layer in model.layers]
    filled = [(name, weights) for name, weights in layers if weights]
    found: dict[str, tuple[Sequence[str], Sequence[int]]] = {}
    if same or len(held) != len(filled):
        return found  # Keras reports a different number of layers
    for (name, arrays), (layer, weights) in zip(held, filled):
        order = _order(arrays, weights, name, layer, same)
        if order != list(range(len(arrays))):
            found[f"{root}/{name}"] = arrays, order
    return found


@contextlib.contextmanager
def in_order(path: str, wanted: Orders) -> Iterator[str]:
    """Yield the path of a file with its groups in order: a copy, if they are not."""
    if not wanted:
        yield path
        return
    import h5py

    with tempfile.TemporaryDirectory() as folder:
        copy = os.path.join(folder, os.path.basename(path))
        shutil.copyfile(path, copy)
        with h5py.File(copy, "r+") as file:
            for group, (names, order) in wanted.items():
                _reorder(file[group], names, order)
        yield copy


def _order(
    arrays: Sequence[str],
    weights: Sequence[str],
    name: str,
    layer: str,
    same: bool | None,
) -> list[int]:
    if len(arrays) != len(weights):
        return list(range(len(arrays)))  # Keras reports a different number of weights
    order = match(arrays, weights, by_order=same is None)
    if order is None:
        pairs = zip(arrays, weights)
        one, other = next((a, b) for a, b in pairs if a != b)
        raise Disorder(
            f"the weights of {name!r} in the file are in another order than those of "
            f"the layer {layer!r} ({one} where the model has {other}), and their names "
            "do not show which is which; were other layers trainable when it was saved?"
        )
    return order


def _weights(layer: Any) -> list[str]:
    weights = [*layer.trainable_weights, *layer.non_trainable_weights]
    return [str(getattr(weight, "path", weight.name)) for weight in weights]


def _reorder(group: Any, names: Sequence[str], order: Sequence[int]) -> None:
    for place, name in enumerate(names):
        group.move(name, f"__{place}")
    for name, place in zip(names, order):
        group.move(f"__{place}", name)

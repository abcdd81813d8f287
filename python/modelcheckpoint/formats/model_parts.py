"""The parts of a model: its layers, the items of nested lists, and their kinds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from modelcheckpoint.observe.keras_models import is_keras_own

__all__ = ["is_built", "is_graph", "layers_of", "leaves_of"]


def layers_of(model: Any) -> Iterator[Any]:
    """Yield a model, or a layer, and all layers in it."""
    flatten = getattr(model, "_flatten_layers", None)
    yield from (flatten() if flatten else getattr(model, "layers", ()))


def leaves_of(value: Any) -> Iterator[Any]:
    """Yield the items of lists and dictionaries, however deep."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        for item in value:
            yield from leaves_of(item)
    else:
        yield value


def is_graph(model: Any) -> bool:
    """Return whether a model is Functional or Sequential."""
    names = ("Functional", "Sequential")  # their config rebuilds every layer
    return any(c.__name__ in names and is_keras_own(c) for c in type(model).__mro__)


def is_built(layer: Any) -> bool:
    """Return whether a layer has all its variables."""
    # Dropout, for example, has no variables; it counts as built only once called.
    base = next(c for c in type(layer).__mro__ if c.__name__ == "Layer")
    return bool(layer.built) or type(layer).build is vars(base).get("build")

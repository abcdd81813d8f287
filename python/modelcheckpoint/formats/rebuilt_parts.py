"""Compare a rebuilt part of a model with the original."""

from __future__ import annotations

import inspect
from typing import Any

from modelcheckpoint.errors import is_interrupt
from modelcheckpoint.formats.model_parts import (
    is_built,
    is_graph,
    layers_of,
    leaves_of,
)
from modelcheckpoint.observe.keras_models import is_keras_own

__all__ = ["changed", "difference"]

_UNTOLD = ("name", "trainable", "dtype", "axis", "mean", "variance")
"""Arguments that may differ: the weights hold them, or `build` rewrites them."""


def difference(part: Any, again: Any) -> str | None:
    """Return how a rebuilt part differs from the original, or None."""
    ours, theirs = list(layers_of(part)), list(layers_of(again))
    for one, other in zip(ours or [part], theirs or [again]):
        if type(one) is not type(other):
            break
        where = "" if one is part else f"in its layer {one.name!r} "
        lost = _lost(one, other)
        if lost is not None:
            return where + _comes_back(*lost)
    is_model = hasattr(part, "fit")
    if is_model and all(map(is_built, ours)) and _shapes(part) != _shapes(again):
        return "its weights come back with other shapes"
    return None


def _comes_back(key: str, before: Any, after: Any) -> str:
    return f"`{key}` comes back as {after!r} instead of {before!r}"


def _lost(one: Any, other: Any) -> tuple[str, Any, Any] | None:
    ours, theirs = _arguments(one), _arguments(other)
    for key in ours:
        # NaN is unequal to itself.
        before, after = ours[key], theirs.get(key, ours[key])
        if before != after and repr(before) != repr(after):
            return key, before, after
    return None


def _arguments(layer: Any) -> dict[str, Any]:
    """Return the layer's constructor arguments that are known and have plain values."""
    if is_keras_own(type(layer)):
        inside = sum(1 for _ in layers_of(layer)) > 1
        found = {} if inside or is_graph(layer) else _config(layer)
    else:
        keys = inspect.signature(type(layer).__init__).parameters
        kept = getattr(layer, "__dict__", {})
        found = {key: kept[key] for key in keys if key in kept}
    return {key: _plain(found[key]) for key in found if _counts(key, found[key])}


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, (list, tuple)) else value


def _config(layer: Any) -> dict[str, Any]:
    try:
        return dict(layer.get_config())
    except Exception as error:
        if is_interrupt(error):
            raise
        return {}


def _counts(key: str, value: Any) -> bool:
    """Return whether a value decides what a layer computes, and can be compared."""
    if key in _UNTOLD or "seed" in key:
        return False
    items = value if isinstance(value, (list, tuple)) else [value]
    plain = (bool, int, float, str, type(None))
    return all(isinstance(item, plain) for item in items)


def _shapes(model: Any) -> list[tuple[Any, ...]]:
    return sorted(tuple(weight.shape) for weight in model.weights)


def changed(live: Any, again: Any) -> str | None:
    """Return how rebuilt losses, metrics or optimizers of the user differ, or None."""
    for one, other in zip(leaves_of(live), leaves_of(again)):
        if type(one) is type(other) and not is_keras_own(type(one)):
            lost = _lost(one, other)
            if lost is not None:
                return _comes_back(*lost)
    return None

"""The config of a model in a `.orbax` folder, and which weights `load_model` finds.

Keras' `load_model` creates the model and fills its variables by their paths. It skips a
variable whose path it does not find (3.15), which then keeps its initial value.
"""

from __future__ import annotations

import json
from typing import Any

from modelcheckpoint.errors import is_interrupt
from modelcheckpoint.formats.from_config import ArchiveConfig, quiet, serialized
from modelcheckpoint.formats.sandbox import sandbox, without_values

__all__ = ["loadable", "not_found_by_keras", "not_read_by_keras"]

_READS_SINCE = (3, 15)


def loadable(config: str) -> str:
    """Change a model's config so that Keras gives the variables the paths they had.

    If a layer of a `Sequential` has a `build_config`, Keras builds it before adding it,
    and its paths lack the model's name. Without one it is built with the model.

    Args:
        config: The config as JSON.
    """
    parsed = json.loads(config)
    _forget_builds(parsed)
    return json.dumps(parsed)


def not_found_by_keras(model: Any) -> str | None:
    """Return a sentence on the weights that `load_model` does not load, or None.

    It is also None if that is unknown, for example if the model is not built yet.

    Args:
        model: The model to save.
    """
    if not model.built:
        return None
    there = _paths_when_loaded(model)
    lost = [v.path for v in model.weights if there is not None and v.path not in there]
    if not lost:
        return None
    return (
        "`load_model` of Keras looks for variables in a .orbax folder by their paths. "
        f"It does not find {len(lost)} of the {len(model.weights)} weights of this "
        f"model, {lost[0]} first, and leaves them as they begin without saying so. "
        "`restore_checkpoint` fills all of a model that you make yourself; a .keras "
        "file loads both ways."
    )


def not_read_by_keras(keras: Any) -> str | None:
    """Return a sentence if this Keras cannot read `.orbax` folders, else None.

    Args:
        keras: The module of Keras 3.
    """
    version = tuple(int(part) for part in keras.__version__.split(".")[:2])
    if version >= _READS_SINCE:
        return None
    return (
        f"Keras {keras.__version__} cannot read .orbax folders: `load_model` and "
        "`load_weights` can from Keras 3.15 on. With this Keras, `restore_checkpoint` "
        "and `resume` load one into a model that you create yourself."
    )


def _forget_builds(config: Any) -> None:
    if isinstance(config, list):
        for item in config:
            _forget_builds(item)
    elif isinstance(config, dict):
        inner = config.get("config")
        if config.get("class_name") == "Sequential" and isinstance(inner, dict):
            for layer in inner.get("layers", ()):
                layer.pop("build_config", None)
        for value in config.values():
            _forget_builds(value)


def _paths_when_loaded(model: Any) -> set[str] | None:
    """Return the paths of the weights if a new process loads the model, or None."""
    way = ArchiveConfig(model)
    text, named = serialized(way, model)
    if text is None:
        return None
    try:
        with sandbox(way.keras, new_names=True), without_values(way.keras), quiet():
            return {v.path for v in way.rebuild(loadable(text), named).weights}
    except Exception as error:  # `reservation` reports that it cannot be rebuilt
        if is_interrupt(error):
            raise
        return None

"""Identify a model's optimizer, and the variables that it trains."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from zlib import crc32

from modelcheckpoint.observe.keras_models import keras_of

__all__ = ["difference", "identity", "optimizer_of"]

_OPTIONS = (
    "amsgrad",
    "centered",
    "gradient_accumulation_steps",
    "momentum",
    "use_ema",
)
"""Arguments of Keras' optimizers that, if set, give them more variables."""

Identity = Mapping[str, Any]


def identity(class_name: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """Return what determines an optimizer's variables and their meaning.

    For a `LossScaleOptimizer` it is the identity of the wrapped optimizer: with mixed
    precision Keras wraps any optimizer by itself, and a config need not show it.

    Args:
        class_name: The class, by its registered or its plain name.
        config: Its config, from a file.

    Returns:
        `name`, and the `options` that are set, sorted.
    """
    inner = config.get("inner_optimizer")
    if isinstance(inner, Mapping) and isinstance(inner.get("config"), Mapping):
        name = inner.get("registered_name") or inner.get("class_name")
        return identity(str(name), inner["config"])
    options = sorted(option for option in _OPTIONS if config.get(option))
    return {"name": re.sub("^Custom>", "", class_name), "options": options}


def difference(in_file: Identity, here: Identity) -> str | None:
    """Return how the optimizer in a file differs from the model's, or None.

    Args:
        in_file: An `identity` with `trains`, if known: a checksum that shows which of
            the model's variables are trained.
        here: The same for the model's optimizer.
    """
    named = ("name", "options")
    if any(in_file[key] != here[key] for key in named):
        names = f"{_shown(in_file)} in the file, {_shown(here)} here"
        return f"the file has the state of another optimizer ({names})"
    trains = in_file.get("trains"), here.get("trains")
    if None not in trains and trains[0] != trains[1]:
        return "other variables were trained when the file was saved"
    return None


def optimizer_of(model: Any) -> dict[str, Any] | None:
    """Return what distinguishes a model's optimizer, or None if there is no optimizer.

    `name` and `options` are those of `identity`. `trains` is a checksum of the trained
    variables' positions among the model's weights. It differs between two files of one
    model with different `trainable` flags, even if names and shapes agree.
    """
    optimizer = getattr(model, "optimizer", None)
    if optimizer is None:
        return None
    inner = getattr(optimizer, "inner_optimizer", None)
    optimizer = optimizer if inner is None else inner
    # Not from `get_config`: a user's optimizer may do anything there, at each save.
    config = {option: _is_set(optimizer, option) for option in _OPTIONS}
    name = keras_of(model).saving.get_registered_name(type(optimizer))
    return {**identity(name, config), "trains": _trains(model)}


def _is_set(optimizer: Any, option: str) -> bool:
    try:
        return bool(getattr(optimizer, option, None))
    except (RuntimeError, TypeError, ValueError):  # not a plain value
        return False


def _trains(model: Any) -> str | None:
    try:
        # The order of `weights` does not depend on which of them are trained.
        places = {id(variable): place for place, variable in enumerate(model.weights)}
        trained = [places.get(id(variable)) for variable in model.trainable_variables]
    except ValueError:  # raised by Keras 2 if nothing is built
        return None
    return f"{crc32(repr(trained).encode()):08x}"


def _shown(one: Identity) -> str:
    options = " and ".join(one["options"])
    return f"{one['name']} with {options}" if options else str(one["name"])

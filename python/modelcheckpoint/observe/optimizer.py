"""Which optimizer a model has, and which variables it trains."""

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
"""Arguments of Keras' optimizers that give them more variables, where they are set."""

Identity = Mapping[str, Any]


def identity(class_name: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """Return what decides which variables an optimizer has, and what they mean.

    A `LossScaleOptimizer` counts as what it wraps: with mixed precision Keras puts it
    round any optimizer by itself, and a configuration need not name it.

    Args:
        class_name: As it is registered, or bare.
        config: Its configuration, from a file.

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
    """Return how the optimizer of a file differs from the one here, or None.

    Args:
        in_file: An `identity`, with `trains` where that is known: a checksum that tells
            which of the model's variables are trained.
        here: Likewise.
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
    """Return what tells a model's optimizer from others, or None where it has none.

    `name` and `options` are those of `identity`, `trains` is a checksum of
    the places that the trained variables have among the model's weights: two files of
    one model with other `trainable` flags differ in it, whatever names and shapes say.
    """
    optimizer = getattr(model, "optimizer", None)
    if optimizer is None:
        return None
    inner = getattr(optimizer, "inner_optimizer", None)
    optimizer = optimizer if inner is None else inner
    # Not by `get_config`: that of a user's optimizer may do anything, at each save.
    config = {option: _is_set(optimizer, option) for option in _OPTIONS}
    name = keras_of(model).saving.get_registered_name(type(optimizer))
    return {**identity(name, config), "trains": _trains(model)}


def _is_set(optimizer: Any, option: str) -> bool:
    try:
        return bool(getattr(optimizer, option, None))
    except (RuntimeError, TypeError, ValueError):  # no plain value
        return False


def _trains(model: Any) -> str | None:
    try:
        # Its order does not depend on what is trained.
        places = {id(variable): place for place, variable in enumerate(model.weights)}
        trained = [places.get(id(variable)) for variable in model.trainable_variables]
    except ValueError:  # so Keras 2 says that nothing is built
        return None
    return f"{crc32(repr(trained).encode()):08x}"


def _shown(one: Identity) -> str:
    options = " and ".join(one["options"])
    return f"{one['name']} with {options}" if options else str(one["name"])

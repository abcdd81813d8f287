"""Which optimizer does a model have, and which of the variables does it train?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from zlib import crc32

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

    Args:
        class_name: As it is registered, or bare.
        config: Its `get_config()`, as it is or from a file.

    Returns:
        `name`, and the `options` that are set, sorted. The name of one that wraps
        another holds that one's, and the options are those of both.
    """
    name = class_name.rpartition(">")[2]
    options = {option for option in _OPTIONS if config.get(option)}
    inner = config.get("inner_optimizer")
    if isinstance(inner, Mapping) and isinstance(inner.get("config"), Mapping):
        wrapped = identity(str(inner.get("class_name")), inner["config"])
        name = f"{name}({wrapped['name']})"
        options.update(wrapped["options"])
    return {"name": name, "options": sorted(options)}


def difference(there: Identity, here: Identity) -> str | None:
    """Return how the optimizer of a file differs from the one here, or None.

    Args:
        there: An `identity`, with `trains` where that is known: a checksum that tells
            which of the model's variables are trained.
        here: Likewise.
    """
    named = ("name", "options")
    if any(there[key] != here[key] for key in named):
        found = f"{_shown(there)} in the file, {_shown(here)} here"
        return f"the file has the state of another optimizer ({found})"
    trains = there.get("trains"), here.get("trains")
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
    cls = type(optimizer)
    try:
        config = optimizer.get_config()
    except Exception:  # of a user's optimizer, which need not have one
        config = {}
    inner = getattr(optimizer, "inner_optimizer", None)
    if inner is not None and not isinstance(config.get("inner_optimizer"), Mapping):
        config = {**config, "inner_optimizer": _serialized(inner)}
    return {**identity(cls.__name__, config), "trains": _trains(model)}


def _serialized(optimizer: Any) -> dict[str, Any]:
    return {
        "class_name": type(optimizer).__name__,
        "config": optimizer.get_config(),
    }


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

"""What an HDF5 file cannot hold, told before the first batch.

Keras writes such a file without a word, or fails when the first epoch is over; loaded,
it is an error or another model. Only what a look at the model tells is refused: a
model is rebuilt from its config, in memory, only where its classes leave it open
whether Keras could.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from modelcheckpoint.errors import FormatError
from modelcheckpoint.observe.keras_models import (
    backend_of,
    is_keras_own,
    keras_of,
    overrides,
)

__all__ = ["check_model", "check_weights", "legacy_format"]

_WAY_OUT = "Save to a `filepath` that ends in .keras instead."


def check_model(model: Any) -> None:
    """Raise where a full model in HDF5 would not come back as it was.

    Raises:
        FormatError: With one sentence that names `.keras`.
    """
    if overrides(model, "save"):
        return
    for what in _lambdas(model):
        raise _refusal(what)
    if legacy_format(model) is not None:
        for what in _lost_by_keras_3(model):
            raise _refusal(what)
    elif _is_keras_2(model) and not _is_graph(model):
        raise _refusal(f"the subclassed model {type(model).__name__!r}")
    _check_arrays(model)


def check_weights(model: Any) -> None:
    """Raise where weights in HDF5 would not come back as they were.

    Raises:
        FormatError: With one sentence that names `.keras`.
    """
    if not overrides(model, "save_weights"):
        _check_arrays(model)


def legacy_format(model: Any) -> Any:
    """Return Keras 3's module for HDF5, or None where the model is not of Keras 3."""
    if not any(cls.__module__.startswith("keras.src") for cls in type(model).__mro__):
        return None
    try:
        from keras.src.legacy.saving import legacy_h5_format
    except ImportError:  # Keras 2, or a Keras whose internals have moved
        return None
    return legacy_h5_format


def _check_arrays(model: Any) -> None:
    if legacy_format(model) is not None:
        for layer in _layers(model):
            if _keeps_more_than_variables(layer):
                raise _refusal(
                    f"what the layer {layer.name!r} saves and is no variable"
                )
        for layer in _unfinished(model):
            raise _refusal(f"what the layer {layer.name!r} has adapted to")
    elif _is_keras_2(model):
        for what in _lost_by_keras_2(model):
            raise _refusal(what)


def _refusal(what: str) -> FormatError:
    return FormatError(f"HDF5 cannot hold {what}. {_WAY_OUT}")


def _is_keras_2(model: Any) -> bool:
    return not hasattr(keras_of(model), "ops")


def _is_graph(model: Any) -> bool:
    """Return whether a model is a Functional or a Sequential one."""
    names = ("Functional", "Sequential")  # their config rebuilds every layer
    return any(c.__name__ in names and is_keras_own(c) for c in type(model).__mro__)


# Full models


def _lambdas(model: Any) -> Iterator[str]:
    for part, leaves in _compiled(model):
        if any(getattr(leaf, "__name__", "") == "<lambda>" for leaf in leaves):
            yield f"a lambda as {part}"


def _compiled(model: Any) -> Iterator[tuple[str, list[Any]]]:
    """Yield what a model was compiled with: what part it is, and all that it names."""
    config = getattr(getattr(model, "_compile_config", None), "config", None) or {}
    parts = {"loss": "loss", "metrics": "metric", "weighted_metrics": "metric"}
    for key, part in parts.items():
        yield part, list(_leaves(config.get(key)))


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        for item in value:
            yield from _leaves(item)
    else:
        yield value


def _lost_by_keras_3(model: Any) -> Iterator[str]:
    for layer in _layers(model):
        if _loses_assets(layer):
            yield (
                f"what the layer {layer.name!r} keeps beside its weights "
                "(a vocabulary, say)"
            )
        if _comes_back_in_disorder(layer):
            yield f"the variables of the float8 layer {layer.name!r} in their order"
    yield from _unknown_by_name(model)
    if not _is_graph(model) and not _can_be_rebuilt(model):
        yield f"the subclassed model {type(model).__name__!r} so that it loads again"
    unknown = next(_unknown_nodes(model), None) if _is_graph(model) else None
    if unknown and _rebuilt(model) is None:
        yield f"{unknown!r}, a part of this model that Keras does not find by its name"


def _layers(model: Any) -> Iterator[Any]:
    flatten = getattr(model, "_flatten_layers", None)
    yield from (flatten() if flatten else getattr(model, "layers", ()))


def _loses_assets(layer: Any) -> bool:
    if not hasattr(layer, "save_assets"):
        return False
    if not is_keras_own(type(layer)) and overrides(layer, "save_assets"):
        return True
    if not hasattr(layer, "get_vocabulary"):
        return False
    # Only a vocabulary that was given to the constructor is in the config.
    rebuilt = type(layer).from_config(layer.get_config())
    return bool(rebuilt.get_vocabulary() != layer.get_vocabulary())


def _comes_back_in_disorder(layer: Any) -> bool:
    """Return whether older Keras, rebuilding it, makes its variables in another order.

    HDF5 keeps only their order.
    """
    policy = getattr(layer, "dtype_policy", None)
    if getattr(policy, "quantization_mode", None) != "float8" or not layer.built:
        return False
    rebuilt = type(layer).from_config(layer.get_config())
    rebuilt.build_from_config(layer.get_build_config())
    names = [[v.name for v in one.trainable_weights] for one in (layer, rebuilt)]
    return names[0] != names[1]


def _unknown_by_name(model: Any) -> Iterator[str]:
    """Yield the parts of Keras itself that it has no name for in HDF5."""
    import keras.src as source

    optimizer = type(getattr(model, "optimizer", None))
    known = source.optimizers.ALL_OBJECTS_DICT
    if is_keras_own(optimizer) and optimizer.__name__.lower() not in known:
        yield f"the optimizer {optimizer.__name__}"
    for part, leaves in _compiled(model):
        known = {"loss": source.losses, "metric": source.metrics}[part].ALL_OBJECTS_DICT
        for leaf in leaves:
            thing = leaf if hasattr(leaf, "__name__") else type(leaf)
            if is_keras_own(thing) and thing.__name__ not in known:
                yield f"the {part} {thing.__name__}"


def _can_be_rebuilt(model: Any) -> bool:
    # What only the first batch builds would not be built when it is loaded.
    rebuilt = _rebuilt(model) if all(map(_is_built, _layers(model))) else None
    return rebuilt is not None and len(rebuilt.weights) == len(model.weights)


def _is_built(layer: Any) -> bool:
    import keras

    # Dropout, say, has nothing to build, and is built only when it is called.
    return layer.built or type(layer).build is keras.layers.Layer.build


def _unknown_nodes(graph: Any) -> Iterator[str]:
    """Yield what is Keras' own and would be taken for something else, or for nothing.

    `x + y` is an operation named `Add`: in HDF5 its name stands for a layer.
    """
    from keras.src import layers, models

    known = {**vars(models), **vars(layers)}
    for node in getattr(graph, "operations", None) or graph.layers:
        cls = type(node)
        if is_keras_own(cls) and known.get(cls.__name__) is not cls:
            yield cls.__name__
        if _is_graph(node):
            yield from _unknown_nodes(node)


def _rebuilt(model: Any) -> Any:
    """Return the model that Keras makes of the config in an HDF5 file, or None."""
    import keras
    from keras.src.legacy.saving import json_utils, saving_options, saving_utils
    from keras.src.saving import serialization_lib

    users = (type(layer) for layer in (model, *_layers(model)))
    custom = {cls.__name__: cls for cls in users if not is_keras_own(cls)}
    custom.update(keras.saving.get_custom_objects())
    unsafe = serialization_lib.SafeModeScope(False)  # what a user may say, too
    with saving_options.keras_option_scope(use_legacy_config=True), unsafe:
        try:
            name = keras.saving.get_registered_name(type(model))
            config = {"class_name": name, "config": model.get_config()}
            text = json.dumps(config, default=json_utils.get_json_type)
            return saving_utils.model_from_config(json_utils.decode(text), custom)
        except Exception:  # whatever a user's from_config raises, it is none
            return None


# Arrays


def _keeps_more_than_variables(layer: Any) -> bool:
    """Return whether a user's layer saves a value that is none of its variables."""
    if not hasattr(layer, "save_own_variables"):
        return False
    if not overrides(layer, "save_own_variables"):
        return False
    saved: dict[str, Any] = {}
    try:
        layer.save_own_variables(saved)
    except Exception:  # of a user's layer that the first batch will build
        return False
    variables = [_array(variable) for variable in layer.weights]
    return not all(
        any(_equal(_array(value), variable) for variable in variables)
        for value in saved.values()
    )


def _array(value: Any) -> Any:
    import keras

    return keras.ops.convert_to_numpy(value)


def _equal(one: Any, other: Any) -> bool:
    if one.shape != other.shape:
        return False
    return bool((one == other).all() or one.tobytes() == other.tobytes())


def _unfinished(model: Any) -> Iterator[Any]:
    """Yield the layers whose state Keras loads from HDF5 and then does not use.

    Normalization computes with what `finalize_state` makes of its variables. Newer
    Keras calls it, but not for a layer inside another. On Torch it makes views, which
    follow the variables.
    """
    if backend_of(model) == "torch":
        return
    setter = getattr(legacy_format(model), "_set_weights", None)
    names = getattr(getattr(setter, "__code__", None), "co_names", ())
    top = {id(layer) for layer in model.layers if "finalize_state" in names}
    for layer in _layers(model):
        if hasattr(layer, "finalize_state") and layer.weights and id(layer) not in top:
            yield layer


def _lost_by_keras_2(model: Any) -> Iterator[str]:
    built = [layer for layer in model.layers if layer.built]
    for layer in built:
        if not all(hasattr(variable, "assign") for variable in layer.weights):
            yield f"what the layer {layer.name!r} keeps in place of a variable"
    groups = [model.layers, *(layer.weights for layer in built)]
    for names in ([item.name for item in group] for group in groups):
        for name in names:
            if names.count(name) > 1:
                yield f"two arrays of the name {name!r}"

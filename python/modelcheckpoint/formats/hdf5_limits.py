"""Refuse, before the first batch, models that an HDF5 file cannot store.

Keras writes such a file without a warning, or fails after the first epoch. Loading the
file raises an error or gives a different model. A model is refused only for problems
that an inspection shows; it is rebuilt from its config, in memory, only if its classes
leave open whether Keras could.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from modelcheckpoint.errors import FormatError, is_interrupt
from modelcheckpoint.formats.config import compiled_with, has_config
from modelcheckpoint.formats.model_parts import is_built, is_graph, layers_of
from modelcheckpoint.formats.rebuilding import not_rebuilt, rebuilds_in_hdf5
from modelcheckpoint.formats.sandbox import sandbox
from modelcheckpoint.observe.keras_models import (
    backend_of,
    is_keras_own,
    keras_of,
    overrides,
)

__all__ = ["check_model", "check_weights", "legacy_format"]

_FULL = "Save to a `filepath` that ends in .keras instead."
_WEIGHTS = (
    "Save the weights alone instead: set `save_weights_only`, and end `filepath` in "
    ".weights.h5."
)


def check_model(model: Any) -> None:
    """Raise if a full model would not load from HDF5 unchanged.

    Raises:
        FormatError: With one sentence and the way out.
    """
    if not overrides(model, "save"):
        _refuse(model, _lost_of_model(model))
        _refuse(model, _lost_of_arrays(model))


def check_weights(model: Any) -> None:
    """Raise if weights would not load from HDF5 unchanged.

    Raises:
        FormatError: With one sentence and the way out.
    """
    if not overrides(model, "save_weights"):
        _refuse(model, _lost_of_arrays(model))


def legacy_format(model: Any) -> Any:
    """Return Keras 3's module for HDF5, or None if the model is not a Keras 3 model."""
    if not any(cls.__module__.startswith("keras.src") for cls in type(model).__mro__):
        return None
    try:
        from keras.src.legacy.saving import legacy_h5_format
    except ImportError:  # Keras 2, or a Keras whose internals have moved
        return None
    return legacy_h5_format


def _refuse(model: Any, lost: Iterator[str]) -> None:
    """Raise if HDF5 loses anything of a model."""
    for what in lost:
        raise FormatError(f"HDF5 cannot store {what}. {_way_out(model)}")


def _way_out(model: Any) -> str:
    """Return the advice that works for this model."""
    loads = has_config(model) and not_rebuilt(model) is None
    return _FULL if loads or overrides(model, "save") else _WEIGHTS


def _is_keras_2(model: Any) -> bool:
    return not hasattr(keras_of(model), "ops")


# Full models


def _lost_of_model(model: Any) -> Iterator[str]:
    yield from _lambdas(model)
    if legacy_format(model) is not None:
        yield from _lost_by_keras_3(model)
    elif _is_keras_2(model) and not is_graph(model):
        yield f"the subclassed model {type(model).__name__!r}"
    lost = not_rebuilt(model, hdf5=True)
    if lost is not None:
        yield f"{lost.what} so that it loads again: {lost.reason}"


def _lambdas(model: Any) -> Iterator[str]:
    for part, leaves in compiled_with(model):
        if any(getattr(leaf, "__name__", "") == "<lambda>" for leaf in leaves):
            yield f"a lambda as {part}"


def _lost_by_keras_3(model: Any) -> Iterator[str]:
    for layer in layers_of(model):
        if _loses_assets(layer):
            yield (
                f"what the layer {layer.name!r} keeps beside its weights "
                "(a vocabulary, say)"
            )
        if _comes_back_in_disorder(layer):
            yield f"the variables of the float8 layer {layer.name!r} in their order"
    yield from _unknown_by_name(model)
    if not is_graph(model) and not all(map(is_built, layers_of(model))):
        # A layer that only the first batch builds would not be built on loading.
        yield f"the subclassed model {type(model).__name__!r} so that it loads again"
    unknown = next(_unknown_nodes(model), None) if is_graph(model) else None
    if unknown and not rebuilds_in_hdf5(model):
        yield f"{unknown!r}, a part of this model that Keras does not find by its name"


def _loses_assets(layer: Any) -> bool:
    if not hasattr(layer, "save_assets"):
        return False
    if not is_keras_own(type(layer)) and overrides(layer, "save_assets"):
        return True
    if not hasattr(layer, "get_vocabulary"):
        return False
    # The config holds a vocabulary only if it was given to the constructor.
    with sandbox(keras_of(layer)):
        rebuilt = type(layer).from_config(layer.get_config())
        return bool(rebuilt.get_vocabulary() != layer.get_vocabulary())


def _comes_back_in_disorder(layer: Any) -> bool:
    """Return whether Keras rebuilds the layer with its variables in another order.

    Older Keras does for float8, and HDF5 keeps only their order.
    """
    policy = getattr(layer, "dtype_policy", None)
    if getattr(policy, "quantization_mode", None) != "float8" or not layer.built:
        return False
    rebuilt = _fresh(layer)
    names = [[v.name for v in one.trainable_weights] for one in (layer, rebuilt)]
    return names[0] != names[1]


def _unknown_by_name(model: Any) -> Iterator[str]:
    """Yield Keras' own losses, metrics and optimizers that it cannot name in HDF5."""
    import keras.src as source

    optimizer = type(getattr(model, "optimizer", None))
    known = source.optimizers.ALL_OBJECTS_DICT
    if is_keras_own(optimizer) and optimizer.__name__.lower() not in known:
        yield f"the optimizer {optimizer.__name__}"
    for part, leaves in compiled_with(model):
        known = {"loss": source.losses, "metric": source.metrics}[part].ALL_OBJECTS_DICT
        for leaf in leaves:
            thing = leaf if hasattr(leaf, "__name__") else type(leaf)
            if is_keras_own(thing) and thing.__name__ not in known:
                yield f"the {part} {thing.__name__}"


def _unknown_nodes(graph: Any) -> Iterator[str]:
    """Yield Keras' own classes whose names mean another class, or none, in HDF5.

    `x + y` is an operation named `Add`, but in HDF5 that name stands for a layer.
    """
    from keras.src import layers, models

    known = {**vars(models), **vars(layers)}
    for node in getattr(graph, "operations", None) or graph.layers:
        cls = type(node)
        if is_keras_own(cls) and known.get(cls.__name__) is not cls:
            yield cls.__name__
        if is_graph(node):
            yield from _unknown_nodes(node)


# Arrays


def _lost_of_arrays(model: Any) -> Iterator[str]:
    if legacy_format(model) is not None:
        for layer in layers_of(model):
            if _keeps_more_than_variables(layer):
                yield f"what the layer {layer.name!r} saves besides its variables"
        for layer in _unfinished(model):
            yield f"what the layer {layer.name!r} has adapted to"
    elif _is_keras_2(model):
        yield from _lost_by_keras_2(model)


def _keeps_more_than_variables(layer: Any) -> bool:
    """Return whether a user's layer saves a value that is not one of its variables."""
    if not hasattr(layer, "save_own_variables"):
        return False
    if not overrides(layer, "save_own_variables"):
        return False
    saved: dict[str, Any] = {}
    try:
        layer.save_own_variables(saved)
    except Exception:  # a user's layer, which the first batch will build
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
    """Yield the layers whose state Keras loads from HDF5 but then does not use.

    Normalization computes with values that `finalize_state` derives from its variables.
    Newer Keras calls it on loading, but not for a layer inside another one. On Torch it
    makes views, which follow the variables.
    """
    if backend_of(model) == "torch":
        return
    setter = getattr(legacy_format(model), "_set_weights", None)
    names = getattr(getattr(setter, "__code__", None), "co_names", ())
    top = {id(layer) for layer in model.layers if "finalize_state" in names}
    for layer in layers_of(model):
        finishes = hasattr(layer, "finalize_state") and layer.weights
        if finishes and id(layer) not in top and not _is_as_made(layer):
            yield layer


def _is_as_made(layer: Any) -> bool:
    """Return whether a layer's variables have the values of a new layer's."""
    try:
        fresh = _fresh(layer)
    except Exception as error:  # a user's layer may raise anything
        if is_interrupt(error):
            raise
        return False
    return len(fresh.weights) == len(layer.weights) and all(
        _equal(_array(one), _array(other))
        for one, other in zip(fresh.weights, layer.weights)
    )


def _fresh(layer: Any) -> Any:
    """Return a new layer, as Keras makes it before it loads weights."""
    with sandbox(keras_of(layer)):
        fresh = type(layer).from_config(layer.get_config())
        fresh.build_from_config(layer.get_build_config())
    return fresh


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

"""HDF5 files (`.h5`, `.hdf5`), mended where Keras 3 cannot read its own.

Keras 3 still writes and reads this format of Keras 1 and 2, but some of what it writes
it cannot load again (tried on 3.15): a loss given by an alias such as `mse`, arrays of
bfloat16. These are written so that it can. What the format cannot hold at all is told
before the first batch. tf_keras and Keras 2 read what they write.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from modelcheckpoint.errors import FormatError
from modelcheckpoint.observe.keras_models import is_keras_own, overrides
from modelcheckpoint.save.formats import keras_api

__all__ = ["check", "write_model", "write_weights"]

_WAY_OUT = "Save to a `filepath` that ends in .keras instead."


def write_model(model: Any, path: str) -> None:
    """Write the full model."""
    legacy = _legacy_format(model)
    if legacy is None or overrides(model, "save"):
        return keras_api.write(model, path, weights_only=False)
    import h5py

    # An open file instead of a path: Keras then does not advise against HDF5 anew at
    # every save.
    with h5py.File(path, "w") as file:
        legacy.save_model_to_hdf5(model, file)
        _mend_compile_config(model, file)
        _mend_bfloat16(file)


def write_weights(model: Any, path: str) -> None:
    """Write the weights, in the layout that `load_weights` reads from HDF5 files.

    Keras 3 reads this layout but no longer offers to write it.
    """
    legacy = _legacy_format(model)
    if legacy is None or overrides(model, "save_weights"):
        return keras_api.write(model, path, weights_only=True)
    import h5py

    with h5py.File(path, "w") as file:
        legacy.save_weights_to_hdf5_group(file, model)
        _mend_bfloat16(file)


def check(model: Any) -> None:
    """Raise where a full model in HDF5 would not come back as it was.

    Raises:
        FormatError: For a lambda as loss or metric, a vocabulary or files that a layer
            keeps beside its weights, and a subclassed model that cannot be rebuilt.
    """
    if _legacy_format(model) is None or overrides(model, "save"):
        return
    for name in _lambdas(model):
        raise FormatError(f"HDF5 cannot hold a lambda as {name}. {_WAY_OUT}")
    for layer in _layers(model):
        if _loses_assets(layer):
            raise FormatError(
                f"HDF5 cannot hold what the layer {layer.name!r} keeps beside its "
                f"weights (a vocabulary, say). {_WAY_OUT}"
            )
    if not _can_be_rebuilt(model):
        raise FormatError(
            f"HDF5 cannot hold the subclassed model {type(model).__name__!r} so that "
            f"it loads again. {_WAY_OUT}"
        )


def _legacy_format(model: Any) -> Any:
    """Return Keras 3's module for HDF5, or None where the model is not of Keras 3."""
    if not any(cls.__module__.startswith("keras.src") for cls in type(model).__mro__):
        return None
    try:
        from keras.src.legacy.saving import legacy_h5_format
    except ImportError:  # Keras 2, or a Keras whose internals have moved
        return None
    return legacy_h5_format


def _mend_compile_config(model: Any, file: Any) -> None:
    written = file.attrs.get("training_config")
    if written is None:
        return
    config = json.loads(written)
    loss = _full_names(config.get("loss"))
    if loss != config.get("loss"):
        config["loss"] = loss
        file.attrs["training_config"] = json.dumps(config).encode("utf8")


def _full_names(loss: Any) -> Any:
    if isinstance(loss, dict) and "class_name" not in loss:
        return {key: _full_names(item) for key, item in loss.items()}
    if isinstance(loss, list):
        return [_full_names(item) for item in loss]
    if not isinstance(loss, str):
        return loss
    import keras

    try:
        known = keras.losses.get(loss)
    except ValueError:
        return loss
    # A function's own name is the one that loads; a class' name loads as it is.
    return getattr(known, "__name__", loss)


def _mend_bfloat16(file: Any) -> None:
    # NumPy, and so HDF5, knows no bfloat16 and keeps two bytes without a meaning.
    # float32 holds each of its values, and Keras casts it back when it loads.
    opaque: list[str] = []

    def find(name: str, item: Any) -> None:
        dtype = getattr(item, "dtype", None)
        if dtype is not None and dtype.kind == "V" and dtype.itemsize == 2:
            opaque.append(name)

    file.visititems(find)
    for name in opaque:
        bits = file[name][()].view("uint16").astype("uint32") << 16
        del file[name]
        file.create_dataset(name, data=bits.view("float32"))


def _lambdas(model: Any) -> Iterator[str]:
    config = getattr(getattr(model, "_compile_config", None), "config", None) or {}
    for name in ("loss", "metrics", "weighted_metrics"):
        leaves = _leaves(config.get(name))
        if any(getattr(leaf, "__name__", "") == "<lambda>" for leaf in leaves):
            yield "loss" if name == "loss" else "metric"


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        for item in value:
            yield from _leaves(item)
    else:
        yield value


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


def _can_be_rebuilt(model: Any) -> bool:
    import keras

    graphs = ("Functional", "Sequential")  # their config rebuilds every layer
    if any(c.__name__ in graphs and is_keras_own(c) for c in type(model).__mro__):
        return True
    registered = keras.saving.get_registered_name(type(model))
    if keras.saving.get_registered_object(registered) is not type(model):
        return False
    try:
        rebuilt = type(model).from_config(model.get_config())
    except Exception:  # whatever a user's from_config raises, it cannot be rebuilt
        return False
    return len(rebuilt.weights) == len(model.weights)

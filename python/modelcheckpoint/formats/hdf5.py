"""HDF5 files (`.h5`, `.hdf5`), mended where Keras 3 cannot read its own.

Keras 3 still writes and reads this format of Keras 1 and 2, but some of what it writes
it cannot load again (tried on 3.15): a loss given by an alias such as `mse`, arrays of
bfloat16, a model's class that is registered. Arrays of one name it does not even write.
These are written so that it can. What the format cannot hold at all, `hdf5_limits`
tells. tf_keras and Keras 2 read what they write.
"""

from __future__ import annotations

import json
from typing import Any

from modelcheckpoint.formats import keras_api
from modelcheckpoint.formats.config import lent_compile_config
from modelcheckpoint.formats.hdf5_limits import legacy_format
from modelcheckpoint.formats.hdf5_names import distinct_file
from modelcheckpoint.observe.keras_models import is_keras_own, overrides

__all__ = [
    "fill",
    "mend_attributes",
    "write_model",
    "write_weights",
]


def write_model(model: Any, path: str) -> None:
    """Write the full model."""
    if legacy_format(model) is None or overrides(model, "save"):
        return keras_api.write(model, path, weights_only=False)
    with distinct_file(path) as file:
        fill(model, file, legacy_format(model), weights_only=False)


def write_weights(model: Any, path: str) -> None:
    """Write the weights, in the layout that `load_weights` reads from HDF5 files.

    Keras 3 reads this layout but no longer offers to write it.
    """
    if legacy_format(model) is None or overrides(model, "save_weights"):
        return keras_api.write(model, path, weights_only=True)
    with distinct_file(path) as file:
        fill(model, file, legacy_format(model), weights_only=True)


def fill(model: Any, file: Any, legacy: Any, weights_only: bool) -> None:
    """Write the model, or its weights, into what `distinct_file` has opened.

    Keras (`legacy` is its module for HDF5) is given an open file, and so does not
    advise against HDF5 at every save.
    """
    if weights_only:
        legacy.save_weights_to_hdf5_group(file, model)
    else:
        with lent_compile_config(model):
            legacy.save_model_to_hdf5(model, file)
        mend_attributes(model, file)
    if any(variable.dtype == "bfloat16" for variable in _variables(model)):
        _mend_bfloat16(file)


def mend_attributes(model: Any, file: Any) -> None:
    """Mend what a full model's file says of the model, in its attributes."""
    _mend_class_name(model, file)
    _mend_compile_config(file)


def _mend_class_name(model: Any, file: Any) -> None:
    """Name a registered class as it is registered, by which alone it is found."""
    import keras

    name = keras.saving.get_registered_name(type(model))
    config = json.loads(file.attrs["model_config"])
    if not is_keras_own(type(model)) and config["class_name"] != name:
        config["class_name"] = name
        file.attrs["model_config"] = json.dumps(config).encode("utf8")


def _mend_compile_config(file: Any) -> None:
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


def _variables(model: Any) -> list[Any]:
    optimizer = getattr(model, "optimizer", None)
    return [*model.variables, *getattr(optimizer, "variables", ())]


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

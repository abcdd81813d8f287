"""The attributes of a full model's HDF5 file, corrected so that Keras 3 can read them.

Keras 3 cannot load two things that it writes itself (verified on 3.15): a loss given by
an alias such as `mse`, and a registered class of a model. Both are corrected here.
`hdf5_limits` refuses models that the format cannot hold at all.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any

from modelcheckpoint.observe.keras_models import is_keras_own

__all__ = ["model_attributes"]


def model_attributes(model: Any) -> dict[str, Any]:
    """Return the attributes of the file: the configs of the model and of its training.

    Raises:
        ImportError: If the internals of Keras 3 have moved.
        Exception: Of any kind, if a part of the model has no config.
    """
    from keras.src.legacy.saving import json_utils, saving_options, saving_utils

    legacy = saving_options.keras_option_scope(use_legacy_config=True)
    with legacy, _kept_compile_config(model):
        metadata = saving_utils.model_metadata(model)
        _mend_class_name(model, metadata["model_config"])
        if "training_config" in metadata:
            _mend_loss(metadata["training_config"])
        return {
            name: value
            if isinstance(value, str)
            else json.dumps(value, default=json_utils.get_json_type).encode("utf8")
            for name, value in metadata.items()
        }


@contextlib.contextmanager
def _kept_compile_config(model: Any) -> Iterator[None]:
    """Lend Keras a copy of the compile config, because it removes the optimizer.

    Without it, a .keras file that is saved later would load with RMSprop.
    """
    holder: Any = getattr(model, "_compile_config", None)
    if holder is None:  # not compiled
        yield
        return
    kept = holder.config
    holder.config = dict(kept)
    try:
        yield
    finally:
        holder.config = kept


def _mend_class_name(model: Any, config: dict[str, Any]) -> None:
    """Give a registered class its registered name, the only one that Keras finds."""
    import keras

    if not is_keras_own(type(model)):
        config["class_name"] = keras.saving.get_registered_name(type(model))


def _mend_loss(config: dict[str, Any]) -> None:
    if "loss" in config:
        config["loss"] = _full_names(config["loss"])


def _full_names(loss: Any) -> Any:
    if isinstance(loss, dict) and "class_name" not in loss:
        return {key: _full_names(item) for key, item in loss.items()}
    if isinstance(loss, (list, tuple)):
        return [_full_names(item) for item in loss]
    if not isinstance(loss, str):
        return loss
    import keras

    try:
        known = keras.losses.get(loss)
    except ValueError:
        return loss
    # A function loads by its own name; the name of a class loads unchanged.
    return getattr(known, "__name__", loss)

"""Trains on eight devices of one process, resumes, and compares: test_devices.py.

    run_devices.py KIND FOLDER

KIND is `data` (`DataParallel`: each device has the whole model) or `model`
(`ModelParallel`: each device has a part of each kernel). It prints one line of JSON for
each format, then two on what plain Keras loads from a `.orbax` folder: with all layers
in parts, and with one.
"""

from __future__ import annotations

import json
import os
import sys
from importlib.util import find_spec

os.environ["KERAS_BACKEND"] = "jax"
os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=8"

import keras
import numpy as np
from conftest import same_weights

from modelcheckpoint import ModelCheckpoint, restore_checkpoint

FORMATS = {"keras": False, "weights.h5": True, "h5": False, "hdf5": True}
if hasattr(keras.callbacks, "OrbaxCheckpoint") and find_spec("orbax"):
    FORMATS["orbax"] = False


def spread(kind, layers=".*"):
    """Return how the devices share the model."""
    if kind == "data":
        return keras.distribution.DataParallel(
            devices=keras.distribution.list_devices()
        )
    devices = keras.distribution.list_devices()
    mesh = keras.distribution.DeviceMesh((2, 4), ["batch", "model"], devices)
    layout = keras.distribution.LayoutMap(mesh)
    layout[f"{layers}kernel"] = (None, "model")
    return keras.distribution.ModelParallel(layout_map=layout, batch_dim_name="batch")


def trained(epochs, *callbacks):
    keras.utils.set_random_seed(1)
    first, last = (
        keras.layers.Dense(8, name="first"),
        keras.layers.Dense(4, name="last"),
    )
    layers = [first, keras.layers.Dropout(0.5), last]
    model = keras.Sequential([keras.Input((4,)), *layers])
    model.compile("adam", "mean_squared_error")
    x = np.random.default_rng(0).normal(size=(32, 4)).astype("float32")
    options = {"batch_size": 8, "shuffle": False, "verbose": 0}
    model.fit(x, x, epochs=epochs, callbacks=list(callbacks), **options)
    return model


def main(kind, folder):
    keras.distribution.set_distribution(spread(kind))
    whole = trained(3)
    shards = len(whole.layers[0].kernel.value.sharding.device_set)
    parts = not whole.layers[0].kernel.value.is_fully_replicated
    for suffix, weights_only in FORMATS.items():
        path = os.path.join(folder, "w.{epoch}." + suffix)
        options = {"save_weights_only": weights_only, "resume": True}
        half = trained(2, ModelCheckpoint(path, **options))
        callback = ModelCheckpoint(path, **options)
        again = trained(3, callback)
        loaded = trained(0)
        restored = restore_checkpoint(loaded, path.format(epoch=2))
        report = {
            "devices": shards,
            "in_parts": parts,
            "suffix": suffix,
            "resumed_at": callback.restored.epochs_done,
            "same": same_weights(again, whole),
            "restored": same_weights(loaded, half) and restored.seeds,
            "problems": callback.problems,
        }
        print(json.dumps(report))
    if "orbax" in FORMATS:
        for layers in (".*", ".*last.*"):
            print(json.dumps(loaded_by_keras(kind, layers, folder)))


def loaded_by_keras(kind, layers, folder):
    """Save once more; return what `load_model` makes of it with these layers in parts.

    Each time as in a new process: Keras (3.15) finds the seed of a dropout only by its
    name and, with a distribution, loads nothing if no seed has that name.
    """
    path = os.path.join(folder, "keras{epoch}.orbax")
    keras.utils.clear_session()
    keras.distribution.set_distribution(spread(kind))
    model = trained(1, ModelCheckpoint(path))
    keras.utils.clear_session()
    keras.distribution.set_distribution(spread(kind, layers))
    loaded = keras.models.load_model(path.format(epoch=1))
    dense = [layer for layer in loaded.layers if hasattr(layer, "kernel")]
    parts = [x.name for x in dense if not x.kernel.value.is_fully_replicated]
    return {
        "layers": layers,
        "same": same_state(model, loaded),
        "parts": parts,
        "like": like(model, loaded, shared=layers == ".*"),
    }


def like(model, loaded, shared):
    """Return whether two models have the same predictions and the same structure.

    With `shared`, also whether both are laid out on the devices alike.
    """
    x = np.random.default_rng(1).normal(size=(8, 4)).astype("float32")
    one, other = (found.predict(x, verbose=0) for found in (model, loaded))
    made = [(m.name, len(m.layers), m.compiled) for m in (model, loaded)]
    shardings = [[v.value.sharding for v in m.variables] for m in (model, loaded)]
    alike = not shared or shardings[0] == shardings[1]
    return bool(np.allclose(one, other) and made[0] == made[1] and alike)


def same_state(one, other):
    pairs = zip(one.optimizer.variables, other.optimizer.variables)
    return same_weights(one, other) and all(
        np.array_equal(np.asarray(a.value), np.asarray(b.value)) for a, b in pairs
    )


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Trains on eight devices of one process, resumes, and compares: test_devices.py.

    run_devices.py KIND FOLDER

KIND is `data` (`DataParallel`: each device has the whole model) or `model`
(`ModelParallel`: of each kernel a part). For each format one line of JSON is printed.
"""

from __future__ import annotations

import json
import os
import sys

os.environ["KERAS_BACKEND"] = "jax"
os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=8"

import keras
import numpy as np
from conftest import same_weights

from modelcheckpoint import ModelCheckpoint, restore_checkpoint

FORMATS = {"keras": False, "weights.h5": True, "h5": False, "hdf5": True}


def spread(kind):
    """Return how the devices share the model."""
    if kind == "data":
        return keras.distribution.DataParallel(
            devices=keras.distribution.list_devices()
        )
    devices = keras.distribution.list_devices()
    mesh = keras.distribution.DeviceMesh((2, 4), ["batch", "model"], devices)
    layout = keras.distribution.LayoutMap(mesh)
    layout[".*kernel"] = (None, "model")
    return keras.distribution.ModelParallel(layout_map=layout, batch_dim_name="batch")


def trained(epochs, *callbacks):
    keras.utils.set_random_seed(1)
    layers = [keras.layers.Dense(8), keras.layers.Dropout(0.5), keras.layers.Dense(4)]
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


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Train on two logical CPUs at once, with each Keras: run_mirrored.py <folder>."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import numpy as np
import tensorflow as tf

from modelcheckpoint import ModelCheckpoint
from modelcheckpoint.errors import SampleCountError


def main(folder):
    cpu = tf.config.list_physical_devices("CPU")[0]
    half = tf.config.LogicalDeviceConfiguration()
    tf.config.set_logical_device_configuration(cpu, [half, half])
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    assert strategy.num_replicas_in_sync == 2
    for package in ("keras", "tf_keras"):
        try:
            K = importlib.import_module(package)
        except ImportError:  # the test of this one is skipped
            continue
        x = np.ones((25, 3), "float32")
        data = tf.data.Dataset.from_tensor_slices((x, x[:, :1])).batch(4)
        with strategy.scope():
            model = K.Sequential([K.Input((3,)), K.layers.Dense(1)])
            model.compile("sgd", loss="mean_squared_error")
        fit(model, data, os.path.join(folder, package, "{samples}.weights.h5"))
        restore_best(K, model, data, os.path.join(folder, f"{package}-best"))


def restore_best(K, model, data, folder):
    """Train, and restore the first epoch, which is the best here; Keras has metrics."""
    path = os.path.join(folder, "{epoch}.keras")
    best = ModelCheckpoint(path, "loss", mode="max", restore_best=True)
    model.fit(data, epochs=2, verbose=0, callbacks=[best])
    first = K.models.load_model(path.format(epoch=1))
    same = map(np.array_equal, first.get_weights(), model.get_weights())
    Path(folder, "same.txt").write_text(str(all(same)))


def fit(model, data, path):
    callback = ModelCheckpoint(path, save_freq=1, save_weights_only=True)
    try:
        model.fit(data, epochs=2, verbose=0, callbacks=[callback])
    except SampleCountError as error:
        folder = Path(path).parent
        folder.mkdir()
        (folder / "refused.txt").write_text(str(error))


if __name__ == "__main__":
    main(*sys.argv[1:])

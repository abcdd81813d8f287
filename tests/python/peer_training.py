"""A small model that each of two processes trains, and callbacks for it."""

from __future__ import annotations

import contextlib
import importlib
import os
import time

STRATEGY = None
"""Of `tf.distribute`, once `peer_processes.start` has made it, on TensorFlow."""


def the_keras():
    """Return the Keras that trains: PEER_KERAS names it if it is not `keras`."""
    return importlib.import_module(os.environ.get("PEER_KERAS", "keras"))


def model(another=False, rows=24):
    """Return a new model, always the same, and its data, in batches of 4 rows.

    With `another`, the same variables have other names in files: on JAX all processes
    make their variables together.
    """
    import numpy as np

    x = np.random.default_rng(0).normal(size=(24, 4)).astype("float32")[:rows]
    with contextlib.nullcontext() if STRATEGY is None else STRATEGY.scope():
        return _model(another), {**_data(x, x[:, :2] * 3), "verbose": 0}


def _data(x, y):
    if STRATEGY is None:
        return {"x": x, "y": y, "batch_size": 4, "shuffle": False}
    import tensorflow as tf

    options = tf.data.Options()
    policy = tf.data.experimental.AutoShardPolicy.DATA
    options.experimental_distribute.auto_shard_policy = policy
    batches = tf.data.Dataset.from_tensor_slices((x, y)).batch(4)
    return {"x": batches.with_options(options)}


def _model(another):
    keras = the_keras()
    keras.utils.set_random_seed(1)
    ones = {"kernel_initializer": "ones"}
    layer = keras.layers.Dense(2, **ones)
    if another:
        layer = keras.layers.EinsumDense("ab,bc->ac", 2, bias_axes="c", **ones)
    new = keras.Sequential([keras.Input((4,)), layer])
    optimizer = keras.optimizers.SGD(0.05, momentum=0.9)
    new.compile(optimizer, loss="mean_squared_error")
    optimizer.build(new.trainable_variables)
    return new


def callback(folder, name="w.{epoch}.keras", **arguments):
    from modelcheckpoint import ModelCheckpoint

    return ModelCheckpoint(os.path.join(folder, name), "loss", **arguments)


def train(epochs, *callbacks, another=False):
    """Train a new model, and return the outcome."""
    new, data = model(another)
    history = new.fit(**data, epochs=epochs, callbacks=list(callbacks))
    return {
        "epochs": history.epoch,
        "losses": history.history.get("loss", []),
        "weights": weights_of(new),
        "problems": [text for one in callbacks for text in one.problems],
    }


def weights_of(some):
    return [weights.tolist() for weights in some.get_weights()]


def scores(*values):
    """Return a callback that gives each epoch a value of `score`."""

    def put(epoch, logs):
        logs["score"] = values[epoch]

    other = the_keras().callbacks.LambdaCallback(on_epoch_end=put)
    other.problems = []
    return other


def hook(function):
    """Return a callback that calls a function before the next callback begins."""
    other = the_keras().callbacks.LambdaCallback(on_train_begin=lambda logs: function())
    other.problems = []
    return other


def pause(seconds):
    return hook(lambda: time.sleep(seconds))


def slow(seconds):
    """Return a callback that makes each batch take longer."""
    pause = the_keras().callbacks.LambdaCallback(
        on_batch_begin=lambda batch, logs: time.sleep(seconds)
    )
    pause.problems = []
    return pause


def damage(path):
    with open(path, "r+b") as file:
        file.seek(os.path.getsize(path) // 2)
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte[0] ^ 1]))

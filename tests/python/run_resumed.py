"""Trains in one process, and can be killed at a given moment; test_resume.py runs it.

    run_resumed.py FOLDER JOB

JOB, in JSON: `name`, the template, and optionally: `keras` (`"keras"` or
`"tf_keras"`), `kill` (`["epoch", 3]`: at the end of epoch 3, from 1, after the
callback; `["batch", 23]`: after 23 batches of this process), `callback` and `fit`
(arguments), `dropout` (whether there is one), `build` (`"input"`, `"none"`: a model
that is built by its first batch, or `"subclassed"`), `width`, `optimizer`, `store` (an
address, to which the checkpoints go instead of FOLDER). At the end, all weights,
variables of the optimizer and seeds are in `FOLDER/end.npz`, and the epochs of this
process are printed.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import numpy as np

from modelcheckpoint import ModelCheckpoint


def model_of(K, job):
    width = job.get("width", 4)
    layers = [
        K.layers.Dense(width, activation="relu"),
        K.layers.Dropout(0.5),
        K.layers.BatchNormalization(),
        K.layers.Dense(width),
        K.layers.Dense(1),
    ]
    if job.get("dropout", True) is False:
        del layers[1]
    build = job.get("build", "input")
    if build == "input":
        layers.insert(0, K.Input((3,)))
    if build == "subclassed":

        class Model(K.Model):
            def __init__(self):
                super().__init__()
                self.parts = layers

            def call(self, x, training=False):
                for part in self.parts:
                    x = part(x, training=training)
                return x

        model = Model()
    else:
        model = K.Sequential(layers)
    model.compile(job.get("optimizer", "adam"), "mean_squared_error")
    if build == "input":  # so that its step is traced once
        model.optimizer.build(model.trainable_variables)
    return model


def killer(K, kill):
    kind, count = kill or ("never", 0)

    class Kill(K.callbacks.Callback):
        batches = 0

        def on_epoch_end(self, epoch, logs=None):
            if (kind, count) == ("epoch", epoch + 1):
                os.kill(os.getpid(), signal.SIGKILL)

        def on_train_batch_end(self, batch, logs=None):
            self.batches += 1
            if (kind, count) == ("batch", self.batches):
                os.kill(os.getpid(), signal.SIGKILL)

    return Kill()


def state_of(K, model):
    weights = {id(v) for v in model.weights}
    seeds = [v for v in model.variables if id(v) not in weights]
    variables = [*model.optimizer.variables, *(seeds if hasattr(K, "ops") else [])]
    if hasattr(K, "ops"):
        return [K.ops.convert_to_numpy(variable) for variable in variables]
    return [variable.numpy() for variable in variables]


def main():
    folder, job = sys.argv[1], json.loads(sys.argv[2])
    K = importlib.import_module(job.get("keras", "keras"))
    K.utils.set_random_seed(7)
    random = np.random.default_rng(0)
    x = random.normal(size=(24, 3)).astype("float32")
    y = x.sum(axis=1, keepdims=True)
    model = model_of(K, job)
    path = f"{job.get('store', folder)}/{job['name']}"
    callback = ModelCheckpoint(path, **job.get("callback", {}))
    # The killer comes last: what dies is a training whose save has just begun.
    callbacks = [callback, killer(K, job.get("kill"))]
    arguments = {"epochs": 6, "batch_size": 4, "shuffle": False, "verbose": 0}
    arguments |= {"validation_split": 0.25, **job.get("fit", {})}
    history = model.fit(x, y, callbacks=callbacks, **arguments)
    print("epochs", json.dumps([epoch + 1 for epoch in history.epoch]))
    print("best", callback.best)
    print("problems", json.dumps(callback.problems))
    arrays = [*model.get_weights(), *state_of(K, model)]
    np.savez(os.path.join(folder, "end.npz"), *arrays)


if __name__ == "__main__":
    main()

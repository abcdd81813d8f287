"""Trains and saves until it is killed; soak.py kills it.

    run_training.py FOLDER JOB

JOB, in JSON: `name`, `weights_only`, `background`, `save_freq`, `width`, `best`. Before
each save all weights are set to one number, the moment's, which is `value` in the
journal: a file of two moments would hold two numbers. First, all that earlier trainings
left is loaded by Keras and looked at; "whole N" says how many there were. "saving" is
said before the first save, and "durable NAME VALUE" of each file.
"""

from __future__ import annotations

import json
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
import numpy as np

from modelcheckpoint import ModelCheckpoint, verify_checkpoints


class Mark(keras.callbacks.Callback):
    """Sets all weights to the number of the moment, which goes on from run to run."""

    def __init__(self, moment):
        super().__init__()
        self.moment, self.begun = moment, False

    def on_epoch_end(self, epoch, logs=None):
        self.mark(logs)

    def on_train_batch_end(self, batch, logs=None):
        self.mark(logs)

    def mark(self, logs):
        if not self.begun:  # all is compiled, which takes as long as it takes
            print("saving", flush=True)
            self.begun = True
        self.moment += 1
        for variable in self.model.variables:
            if variable.dtype == "float32" and "seed" not in variable.path:
                variable.assign(np.full(variable.shape, self.moment, "float32"))
        logs.update(moment=float(self.moment), slot=float(self.moment % 3))


def check(folder, job, model):
    """Return the newest moment, after each file was loaded and compared."""
    newest = 0.0
    found = [f for f in verify_checkpoints(folder) if f.status == "good"]
    for one in found:
        path = os.path.join(folder, one.path)
        if job["weights_only"]:
            model.load_weights(path)
            loaded = model
        else:
            loaded = keras.models.load_model(path)
        for array in loaded.get_weights():
            assert np.all(array == one.record.value), (one, np.unique(array))
        newest = max(newest, one.record.value)
    print("whole", len(found), flush=True)
    return newest


def main():
    folder, job = sys.argv[1], json.loads(sys.argv[2])
    os.makedirs(folder, exist_ok=True)
    width = job["width"]
    model = keras.Sequential([keras.Input((width,)), keras.layers.Dense(width)])
    model.compile("sgd", "mean_squared_error")
    mark = Mark(check(folder, job, model))
    callback = ModelCheckpoint(
        os.path.join(folder, job["name"]),
        monitor="moment",
        mode="max",
        save_best_only=job["best"],
        save_weights_only=job["weights_only"],
        save_freq=job["save_freq"],
        background=job["background"],
        on_saved=lambda record: print("durable", record.path, record.value, flush=True),
    )
    x = np.zeros((8, width), "float32")
    arguments = {"batch_size": 4, "verbose": 0, "callbacks": [mark, callback]}
    model.fit(x, x, epochs=100_000, **arguments)


if __name__ == "__main__":
    main()

"""Trains and saves until it is killed; soak.py kills it.

    run_training.py FOLDER JOB

FOLDER is a path or an address. JOB, in JSON: `name`, `weights_only`, `background`,
`save_freq`, `width`, `best` and, optionally, `keep_latest` and `resume`. Before each
save all weights are set to one number, the moment's, which is `value` in the journal: a
file that mixes two moments would hold two numbers. First, Keras loads all files that
earlier trainings left, and they are checked; "whole N" says how many there were. If the
job is to resume, "resumed VALUE" says from what. "saving" is printed before the first
save, and "durable NAME VALUE" for each file.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
import numpy as np

from modelcheckpoint import ModelCheckpoint, fetch_checkpoint, verify_checkpoints
from modelcheckpoint.addresses import is_address


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
        if not self.begun:  # by now everything is compiled, however long it took
            print("saving", flush=True)
            self.begun = True
        self.moment += 1
        for variable in self.model.variables:
            if variable.dtype == "float32" and "seed" not in variable.path:
                variable.assign(np.full(variable.shape, self.moment, "float32"))
        # An epoch has three moments, so its end has another slot than the one before.
        logs.update(moment=float(self.moment), slot=float(self.moment % 4))


class Start(keras.callbacks.Callback):
    """Checks what a training resumes from."""

    def __init__(self, checkpoint):
        super().__init__()
        self.checkpoint = checkpoint

    def on_train_begin(self, logs=None):
        restored = self.checkpoint.restored
        if restored is not None:
            for array in self.model.get_weights():
                assert np.all(array == restored.value), (restored, np.unique(array))
        print("resumed", "" if restored is None else restored.value, flush=True)


def load(model, folder, job, name):
    """Return a model with the weights of a checkpoint, which Keras reads."""
    path = f"{folder}/{name}"
    with tempfile.TemporaryDirectory() as scratch:
        if is_address(folder):
            path = fetch_checkpoint(path, scratch)
        if not job["weights_only"]:
            return keras.models.load_model(path)
        model.load_weights(path)
        return model


def check(folder, job, model):
    """Load and compare each file, and return the newest moment."""
    newest = 0.0
    found = [f for f in verify_checkpoints(folder) if f.status == "good"]
    for one in found:
        for array in load(model, folder, job, one.path).get_weights():
            assert np.all(array == one.record.value), (one, np.unique(array))
        newest = max(newest, one.record.value)
    print("whole", len(found), flush=True)
    return newest


def main():
    folder, job = sys.argv[1], json.loads(sys.argv[2])
    if not is_address(folder):
        os.makedirs(folder, exist_ok=True)
    width = job["width"]
    model = keras.Sequential([keras.Input((width,)), keras.layers.Dense(width)])
    model.compile("sgd", "mean_squared_error")
    mark = Mark(check(folder, job, model))
    callback = ModelCheckpoint(
        f"{folder}/{job['name']}",
        monitor="moment",
        mode="max",
        save_best_only=job["best"],
        save_weights_only=job["weights_only"],
        save_freq=job["save_freq"],
        background=job["background"],
        keep_latest=job.get("keep_latest"),
        resume=job.get("resume", False),
        on_saved=lambda record: print("durable", record.path, record.value, flush=True),
    )
    x = np.zeros((8, width), "float32")
    arguments = {"batch_size": 4, "verbose": 0, "callbacks": [mark, callback]}
    if job.get("resume"):
        arguments["callbacks"].append(Start(callback))
    model.fit(x, x, epochs=100_000, **arguments)


if __name__ == "__main__":
    main()

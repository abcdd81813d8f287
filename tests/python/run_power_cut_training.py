"""Trains a scene on a disk that logs what it is given; run_power_cuts.py reads the log.

    run_power_cut_training.py FOLDER MARKS SCENE FAULT RESUME

SCENE is one of `power_cut_scenes.SCENES`. FAULT is `files` or `folders`, whose flushes
are left out, or empty. RESUME is not empty if an earlier training was cut. A line of
JSON is written to the file MARKS when a save is reported, when pruning begins (with
what is there then), and when it has ended.

Before each save all weights are set to one number, the moment's: a file that mixes two
moments would hold two numbers.
"""

from __future__ import annotations

import functools
import json
import os
import stat
import sys
from pathlib import Path
from zlib import crc32

import keras
import numpy as np
from checkpoint_files import published
from power_cut_scenes import PRUNED, SCENES

from modelcheckpoint import ModelCheckpoint, prune_checkpoints, storage
from modelcheckpoint.storage.base import digest_of

RESUMED = 10**5
"""A moment later than any of a training that is resumed."""


class Marks:
    """Notes what happens between the writes and flushes of the disk."""

    def __init__(self, path):
        self._file = os.open(path, os.O_WRONLY)

    def note(self, what, **more):
        line = json.dumps({"what": what, **more}) + "\n"
        os.write(self._file, line.encode())


class Forgetful:
    """`os` that leaves out the flush of folders, or of checkpoints."""

    def __init__(self, fault):
        self._folders = fault == "folders"

    def __getattr__(self, name):
        return getattr(os, name)

    def fsync(self, file):
        is_folder = stat.S_ISDIR(os.fstat(file).st_mode)
        is_journal = os.readlink(f"/proc/self/fd/{file}").endswith(".jsonl")
        if is_folder != self._folders or is_journal:
            os.fsync(file)


class Moment(keras.callbacks.Callback):
    """Sets all weights to the number of the moment, and ends a training.

    Args:
        scores: The score of each epoch; there are as many epochs.
        moment: The number before the first one.
    """

    def __init__(self, scores, moment=0):
        super().__init__()
        self.moment, self._scores, self._epochs = moment, scores, 0

    def on_train_batch_end(self, batch, logs=None):
        self._mark(logs, max(self._scores))

    def on_epoch_end(self, epoch, logs=None):
        self._mark(logs, self._scores[self._epochs])
        self._epochs += 1
        self.model.stop_training = self._epochs == len(self._scores)

    def _mark(self, logs, score):
        self.moment += 1
        for variable in self.model.trainable_variables:
            variable.assign(np.full(variable.shape, self.moment, "float32"))
        logs.update(moment=float(self.moment), score=score)


def compiled(width):
    """Return a model whose files hold little more than one array."""
    model = keras.Sequential([keras.Input((width,)), keras.layers.Dense(width)])
    model.compile("sgd", "mean_squared_error", run_eagerly=False)
    return model


def fit(model, callbacks):
    """Train until one of the callbacks, a `Moment`, ends it."""
    x = np.zeros((8, model.input_shape[1]), "float32")
    model.fit(x, x, batch_size=4, epochs=10**6, verbose=0, callbacks=callbacks)


def saving(folder, saver, on_saved, **more):
    """Return the callback of a scene."""
    arguments = {"monitor": "score", "mode": "min", "on_error": "raise", **more}
    arguments.update(saver.arguments, on_saved=on_saved)
    return ModelCheckpoint(f"{folder}/{saver.name}", **arguments)


def reporter(marks, key):
    """Return a function to call with each record that is reported as saved."""

    def on_saved(record):
        seen = {"moment": record.logs["moment"], "score": record.value}
        sums = {"path": record.path, "bytes": record.bytes, "crc32": record.crc32}
        marks.note("saved", run=record.run, callback=key, **seen, **sums)

    return on_saved


def digests(folder):
    """Return the digest of each file, or tree, under a final name."""
    found = storage.storage_for(str(folder))
    sums = {name: digest_of(found, name) for name in published(Path(folder))}
    return {name: (one.bytes, one.crc32) for name, one in sums.items()}


def keras_own(folder, marks, moment):
    """Return Keras' own callback, and one that notes when it has returned."""
    path = f"{folder}/last.keras"

    def report(epoch, logs):
        with open(path, "rb") as file:
            data = file.read()
        sums = {"bytes": len(data), "crc32": f"{crc32(data):08x}"}
        seen = {"moment": moment.moment, "score": 0.0, "path": "last.keras"}
        marks.note("saved", run="", callback="overwritten", **seen, **sums)

    own = keras.callbacks.ModelCheckpoint(path)
    return [own, keras.callbacks.LambdaCallback(on_epoch_end=report)]


def savers(scene, folder, marks, **more):
    """Return the callbacks of a scene."""
    return [
        saving(folder, saver, reporter(marks, key), **more)
        for key, saver in scene.savers.items()
    ]


def by_keras(scene, folder, marks):
    """Train with Keras' own callback."""
    os.mkdir(folder)
    model, moment = compiled(scene.width), 0
    for scores in scene.scores:
        first = Moment(scores, moment)
        fit(model, [first, *keras_own(folder, marks, first)])
        moment = first.moment


def by_us(scene, folder, marks, resume):
    """Train, run after run, or resume the last one; then prune."""
    model, moment = compiled(scene.width), RESUMED if resume else 0
    for scores in scene.scores[-1:] if resume else scene.scores:
        first = Moment(scores, moment)
        fit(model, [first, *savers(scene, folder, marks, resume=resume)])
        moment = first.moment
    marks.note("pruning", there=[*digests(folder).values()])
    prune_checkpoints(folder, **PRUNED, dry_run=False)
    marks.note("pruned")


def main():
    folder, marks, name, fault, resume = sys.argv[1:]
    if fault:
        system = Forgetful(fault)
        storage.LocalStorage = functools.partial(storage.LocalStorage, system=system)
    folder, marks = f"{folder}/checkpoints", Marks(marks)
    if name == "Keras' own callback":
        by_keras(SCENES[name], folder, marks)
    else:
        by_us(SCENES[name], folder, marks, bool(resume))


if __name__ == "__main__":
    main()

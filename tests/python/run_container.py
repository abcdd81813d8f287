"""Trains in a container with half of the memory that a copy of the state needs.

    run_container.py CGROUP FOLDER SUFFIX...

CGROUP is a folder of a memory controller, version 1 or 2, that this process moves into.
For each suffix it prints "saved", and the callback's problems.
"""

from __future__ import annotations

import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

GROUP, FOLDER, *SUFFIXES = sys.argv[1:]
with open(os.path.join(GROUP, "cgroup.procs"), "w") as file:
    file.write(str(os.getpid()))

import keras  # noqa: E402
import numpy as np  # noqa: E402

from modelcheckpoint import ModelCheckpoint  # noqa: E402

WIDTH, DEPTH = 1500, 8
STATE = WIDTH * WIDTH * 4 * DEPTH


def used():
    """Return the memory that cannot be reclaimed: all but the cached files."""
    with open(os.path.join(GROUP, "memory.stat")) as file:
        found = dict(line.split() for line in file)
    return int(found.get("total_rss", found.get("anon")))


def limit(size):
    """Limit the memory of this process; -1 for no limit."""
    for name in ("memory.limit_in_bytes", "memory.max"):
        if os.path.exists(os.path.join(GROUP, name)):
            with open(os.path.join(GROUP, name), "w") as file:
                file.write("max" if size < 0 and name == "memory.max" else str(size))


def callback(name, suffix):
    weights_only = suffix in (".weights.h5", ".hdf5")
    path = os.path.join(FOLDER, name + suffix)
    return ModelCheckpoint(path, "loss", save_weights_only=weights_only)


def trained(model, width, *callbacks):
    x, y = np.zeros((4, width), "float32"), np.zeros((4, 1), "float32")
    model.fit(x, y, epochs=2, verbose=0, callbacks=list(callbacks))


def model_of(width, depth):
    # Frozen, to save memory in training: there are no gradients.
    frozen = [
        keras.layers.Dense(width, trainable=False, kernel_initializer="ones")
        for _ in range(depth)
    ]
    model = keras.Sequential([keras.Input((width,)), *frozen, keras.layers.Dense(1)])
    model.compile("sgd", "mean_squared_error")
    return model


def main():
    model = model_of(WIDTH, DEPTH)
    trained(model, WIDTH)
    for suffix in SUFFIXES:
        trained(model_of(2, 1), 2, callback("tiny", suffix))  # loads what a save needs
        limit(used() + STATE // 2)
        saved = callback("w", suffix)
        trained(model, WIDTH, saved)
        limit(-1)
        print("saved", saved.problems)


if __name__ == "__main__":
    main()

"""Interrupts a fit ten times at random moments, and then trains once more.

    run_interrupts.py FOLDER TIMES

Each KeyboardInterrupt may be followed by a second one on its way out (TIMES is 2). One
in the middle of TensorFlow's own code can leave TensorFlow in a state in which a later
`fit` fails; then the exit status is `UNUSABLE`.
"""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import pathlib
import random
import signal
import sys
import threading
import time
import traceback

import keras
import numpy as np
from checkpoint_files import whole
from conftest import fit, make_model

from modelcheckpoint import ModelCheckpoint

UNUSABLE = 75


class Alarm:
    """Raises KeyboardInterrupt on the main thread after some seconds, perhaps twice."""

    def __init__(self, *after):
        self.after = list(after)

    def __enter__(self):
        self._before = signal.signal(signal.SIGALRM, self._ring)
        signal.setitimer(signal.ITIMER_REAL, self.after.pop(0))

    def _ring(self, number, frame):
        if self.after:
            signal.setitimer(signal.ITIMER_REAL, self.after.pop(0))
        raise KeyboardInterrupt

    def __exit__(self, *raised):
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, self._before)


def main(folder, times):
    random_numbers = np.random.default_rng(0)
    x = random_numbers.normal(size=(25, 3)).astype("float32")
    data = x, x.sum(axis=1, keepdims=True)
    model = make_model(keras)
    callback = ModelCheckpoint(
        folder / "{epoch}.weights.h5", "loss", save_weights_only=True
    )
    fit(model, data, callback)
    began = time.perf_counter()
    fit(model, data, callback, epochs=6)
    lasts = time.perf_counter() - began
    for _ in range(10):
        after = [random.uniform(0.001, lasts), random.uniform(0.0001, 0.01)][:times]
        try:
            with contextlib.suppress(KeyboardInterrupt), Alarm(*after):
                fit(model, data, callback, epochs=6)
        except KeyboardInterrupt:  # the second one, on its way out
            pass
        except KeyError:  # an earlier one has broken TensorFlow's cache of functions
            model.compile("sgd", "mean_squared_error")
        callback.wait()
        assert whole(folder), after
    model.compile("sgd", "mean_squared_error")
    fit(model, data, callback)
    gc.collect()
    assert "modelcheckpoint" not in [thread.name for thread in threading.enumerate()]


if __name__ == "__main__":
    faulthandler.enable()  # in a crash, it shows where
    try:
        main(pathlib.Path(sys.argv[1]), int(sys.argv[2]))
    except RuntimeError as error:  # for example, an interrupt has left a scope open
        *_, innermost = traceback.extract_tb(error.__traceback__)
        if "tensorflow" not in innermost.filename:
            raise
        sys.exit(UNUSABLE)

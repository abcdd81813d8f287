"""Ctrl-C at any moment leaves the old file or the new one, and the next fit works."""

from __future__ import annotations

import contextlib
import gc
import os
import random
import signal
import threading

import numpy as np
import pytest
from checkpoint_files import whole
from conftest import checkpoints, descriptors, drive, make_model
from faulty import Interrupt
from keras_process import run_with_keras

import modelcheckpoint
from modelcheckpoint import ModelCheckpoint
from modelcheckpoint.save.background import Background

keras = pytest.importorskip("keras", minversion="3.4")

pytestmark = pytest.mark.slow

TRIES = int(os.environ.get("MODELCHECKPOINT_INTERRUPTS", "20"))
POSIX = os.name != "nt"
UNUSABLE = 75
"""What `run_interrupts.py` ends with if TensorFlow can no longer train."""
OURS = os.path.dirname(modelcheckpoint.__file__)


class OwnSave(keras.Model):
    """A model with its own `save_weights`, so that Keras writes, on this thread."""

    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(1)

    def call(self, x):
        return self.dense(x)

    def save_weights(self, *arguments, **named):
        super().save_weights(*arguments, **named)


@pytest.fixture(params=["by us", "by Keras"])
def model(request):
    found = make_model(keras) if request.param == "by us" else OwnSave()
    found.compile("sgd", "mean_squared_error")
    found.fit(np.ones((4, 3)), np.ones((4, 1)), verbose=0)
    return found


def test_an_interrupt_before_any_line(model, tmp_path):
    """Before any line of our code: no file is torn, and the same callback works."""
    count = Interrupt(-1)
    template = "{epoch}.weights.h5"
    with count:
        drive(callback_in(tmp_path / "count", template), model, 3.0, 2.0)
    assert count.lines > 200
    step = max(1, count.lines // TRIES)
    points = range(random.randrange(step) + 1, count.lines + 1, step)
    before, wrong = descriptors(), []
    for at in points:
        folder = tmp_path / str(at)
        callback, interrupt = callback_in(folder, template), Interrupt(at)
        with contextlib.suppress(KeyboardInterrupt), interrupt:
            drive(callback, model, 3.0, 2.0)
        callback.wait()
        if not whole(folder):
            wrong.append((interrupt.line, "a file is torn"))
        drive(callback, model, 1.0)
        gc.collect()
        wrong += [(interrupt.line, what) for what in left_wrong(callback, folder)]
    assert wrong == []
    assert descriptors() <= before + 1


def test_an_interrupt_before_keras_writes(tmp_path, monkeypatch):
    """The temporary file exists and is empty: the next save still starts."""
    model = OwnSave()
    model.compile("sgd", "mean_squared_error")
    model.fit(np.ones((4, 3)), np.ones((4, 1)), verbose=0)
    callback = callback_in(tmp_path / "folder", "{epoch}.weights.h5")
    wait = Background.wait

    def interrupted(background, *arguments):
        wait(background, *arguments)
        if background.outcome() is not None:
            monkeypatch.undo()
            raise KeyboardInterrupt

    monkeypatch.setattr(Background, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        drive(callback, model, 3.0)
    drive(callback, model, 1.0)
    gc.collect()
    assert list(left_wrong(callback, tmp_path / "folder")) == []


def callback_in(folder, template):
    folder.mkdir()
    return ModelCheckpoint(
        folder / template,
        monitor="loss",
        save_best_only=True,
        save_weights_only=True,
    )


def left_wrong(callback, folder):
    """Yield what is wrong after the fit that followed an interrupt."""
    if callback.best != 1.0:
        yield f"best is {callback.best}"
    if not whole(folder):
        yield "a file is torn later"
    if "1.weights.h5" not in checkpoints(folder):
        yield "the next save did not come"
    if any(".tmp" in name for name in checkpoints(folder)):
        yield "a temporary file is left"
    if "modelcheckpoint" in [thread.name for thread in threading.enumerate()]:
        yield "a thread is left"


@pytest.mark.skipif(not POSIX, reason="no alarms on this system")
@pytest.mark.skipif(
    keras.backend.backend() == "jax",
    reason="Keras does not survive it there: its arrays are gone, its scopes stay open",
)
@pytest.mark.parametrize("times", [1, 2])
def test_an_interrupt_in_a_fit(tmp_path, times):
    """At a random moment, once or twice: no file is torn, and the next fit saves.

    An interrupt in the middle of TensorFlow's own code can make TensorFlow fail, or end
    the process, later. Even then no file is torn, and another process is tried.
    """
    for attempt in range(5):
        folder = tmp_path / str(attempt)
        status, _, errors = run_with_keras("run_interrupts.py", folder, times)
        assert whole(folder)
        if status not in (-signal.SIGABRT, -signal.SIGSEGV, UNUSABLE):
            break
        assert OURS not in where_it_ended(errors), errors[-3000:]
    assert status == 0, errors[-3000:]
    assert not [name for name in checkpoints(folder) if ".tmp" in name]


def where_it_ended(errors):
    """Return the innermost Python call of the thread that crashed."""
    _, _, stack = errors.partition("Current thread")
    return "".join(stack.splitlines()[1:2])

"""Train slowly, with a callback that saves on exit, until a signal comes."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import signal
import sys
import threading
import time

import numpy as np

from modelcheckpoint import ModelCheckpoint

JOB = json.loads(sys.argv[1])
K = importlib.import_module(JOB.get("keras", "keras"))


def say(*words):
    print(*words, flush=True)


def new_model():
    model = K.Sequential([K.Input((3,)), K.layers.Dense(1)])
    model.compile("sgd", "mean_squared_error")
    return model


class Slow(K.callbacks.Callback):
    """Prints when the model's weights change, and makes each batch slow."""

    def on_train_batch_begin(self, batch, logs=None):
        say("batch", batch + 1)
        time.sleep(JOB.get("sleep", 0.3))

    def on_test_batch_begin(self, batch, logs=None):
        say("test batch", batch + 1)
        time.sleep(JOB.get("sleep", 0.3))

    def on_train_batch_end(self, batch, logs=None):
        say("ended", batch + 1)


NAME = JOB.get("name", "{epoch}-{batch}.weights.h5")


def callback(name=NAME):
    arguments = {"save_weights_only": True, "save_on_exit": True}
    filepath = os.path.join(JOB["folder"], name)
    return ModelCheckpoint(filepath, **{**arguments, **JOB.get("arguments", {})})


def fit(*callbacks, **arguments):
    x = np.ones((16, 3), "float32")
    arguments = {"epochs": 3, "batch_size": 4, "verbose": 0, **arguments}
    new_model().fit(x, x[:, :1], callbacks=[Slow(), *callbacks], **arguments)


def by_fit():
    """One `fit`."""
    fit(callback())


def by_fit_watched():
    """A `fit` that prints when a signal would act at once, as it did before."""

    def watch():
        while signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
            time.sleep(0.01)
        say("SIGTERM has its handler back")

    class Watched(K.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            threading.Thread(target=watch, daemon=True).start()

    fit(callback(), Watched(), epochs=1)


def with_validation():
    """A `fit` whose validation takes long."""
    x = np.ones((40, 3), "float32")
    fit(callback(), validation_data=(x, x[:, :1]), validation_batch_size=4)


def by_two():
    """One `fit` with two callbacks that save on exit."""
    fit(callback("a-{epoch}-{batch}.weights.h5"), callback("b-{batch}.weights.h5"))


def by_hand():
    """A loop that drives the hooks itself."""
    one, slow = callback(), Slow()
    one.set_model(new_model())
    one.on_train_begin()
    for epoch in range(3):
        one.on_epoch_begin(epoch)
        for batch in range(4):
            slow.on_train_batch_begin(batch)
            one.on_batch_end(batch, {"size": 4})
        one.on_epoch_end(epoch)
    one.on_train_end()


def after_failure():
    """A signal after a `fit` that ended with an exception."""

    class Fails(K.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            raise RuntimeError("on purpose")

    one = callback()
    with contextlib.suppress(RuntimeError):
        fit(one, Fails())
    say("batch failed")
    time.sleep(20)


def with_own_handler():
    """A `fit` whose signals have a user's handler, which only takes note."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, frame: say("handler", number))
    fit(callback())
    say("handlers", signal.getsignal(signal.SIGTERM).__name__)


def ignored():
    """A `fit` that must continue after its terminal is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    fit(callback(), epochs=1)


def on_another_thread():
    """`fit` on a thread that gets no signals."""
    thread = threading.Thread(target=fit, args=[callback()], kwargs={"epochs": 1})
    thread.start()
    thread.join()


def with_child():
    """A child, forked mid-epoch as a data loader is, gets the signal."""

    class Forks(K.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch:
                return
            child = os.fork()
            if not child:
                try:
                    time.sleep(20)
                finally:
                    os._exit(3)
            time.sleep(0.5)  # a new child first drops its parent's signals
            os.kill(child, signal.SIGTERM)
            say("child", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))

    fit(callback(), Forks(), epochs=1)


try:
    globals()[JOB["kind"]]()
except KeyboardInterrupt:
    say("KeyboardInterrupt")
    sys.exit(7)
say("done", signal.getsignal(signal.SIGINT) is signal.default_int_handler)

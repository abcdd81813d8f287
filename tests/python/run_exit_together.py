"""Be one of two processes: run_exit_together.py <index> <ports> <folder> <kind> [die].

Both train one model with the backend named in KERAS_BACKEND: `whole` in each of them,
or in `parts` (JAX). One or both get a signal; they run all scenarios below, and write
the outcome of each to `<folder>/<index>.json`. With `die`, SIGTERM has no handler
instead, and process 1 gets it.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time

from peer_processes import ALL, BACKEND, COUNT, LIMIT, end_together, reported, start
from peer_training import model, the_keras, weights_of

SUFFIXES = {"parts": ".orbax", "whole": ".keras"}
EPOCHS = 200  # more than any test waits for


def main(index, ports, folder, kind, die=None):
    index = int(index)
    begin = start_in_parts if kind == "parts" else start
    begin(index, ports)
    signal.signal(signal.SIGTERM, signal.SIG_DFL if die else leave)
    from modelcheckpoint.observe.peers import peers_of

    meet = peers_of(model()[0], "test").gather
    if die:
        train(os.path.join(folder, "die"), kind, [signal.SIGTERM] * index)
    reports = {}
    for name, scenario in SCENARIOS.items():
        meet(name, 120)
        own = os.path.join(folder, name)

        def run(index, own, meet, scenario=scenario):
            return scenario(index, own, kind, meet)

        reports[name] = reported(run, index, own, meet)
        # Written each time: if one hangs, this shows what came before.
        with open(os.path.join(folder, f"{index}.json"), "w", encoding="utf-8") as file:
            json.dump(reports, file)
    end_together(index, folder)


def leave(number, frame):
    raise SystemExit(128 + number)


def start_in_parts(index, ports):
    import keras

    address = f"127.0.0.1:{ports.partition(',')[0]}"
    keras.distribution.initialize(address, COUNT, index)
    devices = keras.distribution.list_devices()
    mesh = keras.distribution.DeviceMesh((2, 2), ["batch", "model"], devices)
    layout = keras.distribution.LayoutMap(mesh)
    layout["dense.*kernel"] = (None, "model")
    keras.distribution.set_distribution(
        keras.distribution.ModelParallel(
            layout_map=layout, batch_dim_name="batch", auto_shard_dataset=False
        )
    )


def train(
    folder,
    kind,
    signals=(),
    rows=24,
    epochs=EPOCHS,
    pause=0.02,
    after_epoch=0,
    **arguments,
):
    """Train a new model until signals come, and return the outcome.

    This process gets them in the second batch of the third epoch, or in its only batch.
    A batch has 4 rows, and takes `pause` seconds.
    """
    new, data = model(rows=rows)
    data["epochs"] = epochs
    callbacks = checkpoints(folder, kind, **arguments)
    left = None
    first = signalled(signals, rows // 4, pause, after_epoch)
    try:
        new.fit(**data, callbacks=[first, *callbacks])
    except (KeyboardInterrupt, SystemExit) as ending:
        left = type(ending).__name__
    problems = [text for callback in callbacks for text in callback.problems]
    return {"left": left, "problems": problems, "weights": weights_of(new)}


def checkpoints(folder, kind, words=("",), silent=False, **arguments):
    """Return a callback for each word; its file names begin with that word."""
    from modelcheckpoint import ModelCheckpoint

    class Silent(ModelCheckpoint):
        def on_train_begin(self, logs=None):
            super().on_train_begin(logs)
            self._graceful_exit._close()

    arguments = {"monitor": "loss", "save_on_exit": True, **arguments}
    last = "{epoch:03d}-{batch}" + SUFFIXES[kind]
    names = [os.path.join(folder, f"{word}{last}") for word in words]
    return [
        (Silent if silent else ModelCheckpoint)(name, **arguments) for name in names
    ]


def signalled(signals, batches, pause, after_epoch):
    """Return a callback that makes training slow, and sends signals in one batch."""

    class Signalled(the_keras().callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.epoch = epoch

        def on_train_batch_begin(self, batch, logs=None):
            time.sleep(pause)
            if self.epoch == 2 and batch == min(1, batches - 1):
                for number in signals:
                    os.kill(os.getpid(), number)

        def on_epoch_end(self, epoch, logs=None):
            time.sleep(after_epoch)

    return Signalled()


def to(rank, number, **arguments):
    """Return a scenario in which a signal comes to one process, or to all (None)."""

    def scenario(index, folder, kind, meet):
        signals = [number] if rank in (index, None) else []
        return train(folder, kind, signals, **arguments)

    return scenario


def at_other_paces(index, folder, kind, meet):
    """If no collective keeps them in step, one is much faster than the other."""
    pause = 0.005 if index == 0 and BACKEND == "torch" else 0.02
    return train(folder, kind, [signal.SIGTERM] * index, pause=pause)


def no_save_comes(index, folder, kind, meet):
    """The chief's saves fail from the second on, and so does the save at the end.

    An epoch takes longer after its only batch, so that most leave at its end. Saves in
    parts fail in all processes alike.
    """
    if kind == "parts":
        return {}
    if index == 0:
        for epoch in range(2, EPOCHS + 1):
            name = f"{epoch:03d}-1{SUFFIXES[kind]}"
            os.makedirs(os.path.join(folder, name, "in the way"))
    meet("made", 60)
    return train(folder, kind, [signal.SIGTERM] * index, rows=4, after_epoch=0.1)


def goes_on(index, folder, kind, meet):
    """The next run ends with the weights of an uninterrupted run.

    Each epoch has one batch, so no checkpoint is from the middle of an epoch.
    """
    arguments = {"rows": 4, "period": 1000}
    left = train(folder, kind, [signal.SIGTERM] * index, pause=0.1, **arguments)
    meet("stopped", 60)
    more = {**arguments, "resume": True, "epochs": 60, "pause": 0}
    again = train(folder, kind, **more)
    whole = train(f"{folder}-whole", kind, **{**more, "resume": False})
    return {**again, "left": left["left"], "whole": whole["weights"]}


def the_fit_ends_before(index, folder, kind, meet):
    """All save at the end of `fit`, and the signal acts then."""
    return train(folder, kind, [signal.SIGTERM] * index, rows=4, epochs=3)


def a_handler_that_returns(index, folder, kind, meet):
    """It is called in all, and training goes on in all; no signal is held back."""
    calls = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: calls.append(number))
    report = train(folder, kind, [signal.SIGTERM] * index, pause=0.1, epochs=10)
    again = signal.getsignal(signal.SIGTERM)
    signal.signal(signal.SIGTERM, before)
    return {**report, "calls": len(calls), "given_back": again.__name__}


def one_does_not_answer(index, folder, kind, meet):
    """Process 1 takes part in saves, but never in an agreement on signals."""
    os.environ[LIMIT] = "3"
    calls = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: calls.append(number))
    signals = [signal.SIGTERM] * (1 - index)
    report = train(folder, kind, signals, epochs=3, period=1000, silent=index == 1)
    signal.signal(signal.SIGTERM, before)
    return {**report, "calls": len(calls)}


SCENARIOS = {
    "to_the_chief": to(0, signal.SIGTERM),
    "to_the_other": to(1, signal.SIGINT),
    "to_all": to(None, signal.SIGTERM),
    "two_callbacks": to(1, signal.SIGTERM, words=("a-", "b-")),
    "at_other_paces": at_other_paces,
    "no_save_comes": no_save_comes,
    "goes_on": goes_on,
    "the_fit_ends_before": the_fit_ends_before,
    "a_handler_that_returns": a_handler_that_returns,
    "one_does_not_answer": one_does_not_answer,
}

if not ALL:
    kept = ("to_the_other", "no_save_comes")
    SCENARIOS = {name: SCENARIOS[name] for name in kept}

if __name__ == "__main__":
    main(*sys.argv[1:])

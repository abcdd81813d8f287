"""`save_on_exit`: the last state is saved, also where a signal ends training."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

import pytest
from conftest import checkpoints, fit, lines, make_model, same_weights

import modelcheckpoint
from modelcheckpoint import ModelCheckpoint
from modelcheckpoint.observe.exit_signals import ExitSignals

pytestmark = pytest.mark.slow

POSIX = os.name != "nt"
SCRIPT = pathlib.Path(__file__).with_name("run_exit.py")
posix = pytest.mark.skipif(not POSIX, reason="no signals between processes here")


@contextlib.contextmanager
def training(kind, folder, **job):
    """Give a process that trains, and its lines as they come."""
    folder.mkdir(exist_ok=True)
    job = json.dumps({"kind": kind, "folder": str(folder), **job})
    process = subprocess.Popen(
        [sys.executable, str(SCRIPT), job],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def until(process, line):
    """Read what it says up to a line."""
    for said in process.stdout:
        if said.strip() == line:
            return
    raise AssertionError(process.stderr.read())


def rest_of(process):
    said, wrong = process.communicate(timeout=60)
    return [line for line in said.splitlines() if line], wrong


def verified(folder):
    """Return the names of the checkpoints, all of which are good."""
    found = modelcheckpoint.verify_checkpoints(folder)
    assert {one.status for one in found} == {"good"}
    assert sorted(one.path for one in found) == checkpoints(folder)
    return checkpoints(folder)


# A fit that ends.


@pytest.mark.keras2
def test_a_fit_that_ends(K, data, tmp_path):
    """What was trained since the last save is saved when `fit` ends."""
    model = make_model(K)
    callback = ModelCheckpoint(
        tmp_path / "{epoch}-{loss:.2f}.weights.h5",
        period=3,
        save_weights_only=True,
        save_on_exit=True,
    )
    fit(model, data, callback, epochs=4)
    assert [line["epoch"] for line in lines(tmp_path)] == [3, 4]
    assert [line["batch"] for line in lines(tmp_path)] == [None, None]
    other = make_model(K)
    other.load_weights(tmp_path / checkpoints(tmp_path)[-1])
    assert same_weights(model, other)
    assert callback.problems == []


def test_nothing_new_is_not_saved_again(data, tmp_path):
    """Where the last epoch was saved, the end of `fit` adds nothing."""
    import keras

    callback = ModelCheckpoint(
        tmp_path / "{epoch}.weights.h5", save_weights_only=True, save_on_exit=True
    )
    fit(make_model(keras), data, callback, epochs=2)
    assert [line["epoch"] for line in lines(tmp_path)] == [1, 2]


def test_a_number_of_samples_and_the_end(data, tmp_path):
    """With a number as `save_freq` the samples behind the last save count, too."""
    import keras

    callback = ModelCheckpoint(
        tmp_path / "{samples}.weights.h5",
        save_weights_only=True,
        save_freq=20,
        save_on_exit=True,
    )
    fit(make_model(keras), data, callback)
    assert [line["samples"] for line in lines(tmp_path)] == [20, 25]
    fit(make_model(keras), data, callback)  # another model: another run
    assert [line["samples"] for line in lines(tmp_path)] == [20, 25, 20, 25]


def test_a_save_that_failed_is_made_up_for(data, tmp_path):
    """What could not be saved before counts as not saved."""
    import keras

    (tmp_path / "2.weights.h5").mkdir()

    class MakesRoom(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                (tmp_path / "2.weights.h5").rmdir()
                self.model.stop_training = True

    callback = ModelCheckpoint(
        tmp_path / "{epoch}.weights.h5", save_weights_only=True, save_on_exit=True
    )
    with pytest.warns(UserWarning, match="failed"):
        fit(make_model(keras), data, callback, MakesRoom(), epochs=2)
    assert checkpoints(tmp_path) == ["1.weights.h5"]
    (tmp_path / "2.weights.h5").rmdir()
    fit(make_model(keras), data, callback, epochs=2)
    assert checkpoints(tmp_path) == ["1.weights.h5", "2.weights.h5"]


def test_the_end_of_a_loop_of_ones_own(tmp_path):
    """Driven by hand, without hooks for batches, an epoch counts as trained."""
    import keras

    callback = ModelCheckpoint(tmp_path / "{epoch}.keras", period=2, save_on_exit=True)
    callback.set_model(make_model(keras))
    for epoch in range(3):
        callback.on_epoch_begin(epoch)
        callback.on_epoch_end(epoch, {"loss": 1.0})
    callback.on_train_end()
    assert checkpoints(tmp_path) == ["2.keras", "3.keras"]
    assert lines(tmp_path)[-1]["logs"] == {"loss": 1.0}


def test_the_best_alone_and_the_last_exclude_each_other():
    """The constructor says so, and the way out."""
    with pytest.raises(ValueError, match=r"`save_on_exit` must be left out"):
        ModelCheckpoint("best.keras", save_best_only=True, save_on_exit=True)


def test_handlers_are_what_they_were(data, tmp_path):
    """After `fit`, and after one that failed and was followed by another."""
    import keras

    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    seen = []

    class Looks(keras.callbacks.Callback):
        fails = True

        def on_epoch_end(self, epoch, logs=None):
            seen.append(signal.getsignal(signal.SIGINT))
            if self.fails:
                raise RuntimeError("on purpose")

    looks = Looks()
    callback = ModelCheckpoint(
        tmp_path / "{epoch}.weights.h5", save_weights_only=True, save_on_exit=True
    )
    for _ in range(3):
        with pytest.raises(RuntimeError):
            fit(make_model(keras), data, callback, looks)
    assert len(set(seen)) == 1
    assert seen[0] is not before[0]
    looks.fails = False
    fit(make_model(keras), data, callback, looks)
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_a_callback_that_is_gone_leaves_no_handler(data, tmp_path):
    """One whose `fit` failed gives the handlers back when nobody holds it."""
    import keras

    class Fails(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            raise RuntimeError("on purpose")

    def fit_that_fails():
        callback = ModelCheckpoint(
            tmp_path / "{epoch}.weights.h5", save_weights_only=True, save_on_exit=True
        )
        with contextlib.suppress(RuntimeError):
            fit(make_model(keras), data, callback, Fails())
        assert signal.getsignal(signal.SIGINT) is not before

    before = signal.getsignal(signal.SIGINT)
    fit_that_fails()
    gc.collect()
    assert signal.getsignal(signal.SIGINT) is before


def test_a_handler_that_came_later_stays(data, tmp_path):
    """What another callback installs in mid-training is not thrown out."""
    import keras

    before = signal.getsignal(signal.SIGTERM)
    calls = []

    class Installs(keras.callbacks.Callback):
        before = None

        def on_epoch_begin(self, epoch, logs=None):
            if self.before is None:
                self.before = signal.signal(signal.SIGTERM, handler)

    def handler(number, frame):
        calls.append(number)
        installs.before(number, frame)

    installs = Installs()
    first = signal.signal(signal.SIGTERM, lambda number, frame: calls.append("first"))
    try:
        for _ in range(2):
            callback = ModelCheckpoint(
                tmp_path / "{epoch}.weights.h5",
                save_weights_only=True,
                save_on_exit=True,
            )
            fit(make_model(keras), data, callback, installs)
        assert signal.getsignal(signal.SIGTERM) is handler
        signal.raise_signal(signal.SIGTERM)
        assert calls == [signal.SIGTERM, "first"]
    finally:
        signal.signal(signal.SIGTERM, before)
    assert first is before


def test_a_watcher_off_the_main_thread():
    """There it says that it cannot watch, and changes nothing."""
    before, found = signal.getsignal(signal.SIGINT), []
    watcher = ExitSignals(lambda: True)
    thread = threading.Thread(target=lambda: found.append(watcher.watch()))
    thread.start()
    thread.join()
    assert found == [False]
    assert signal.getsignal(signal.SIGINT) is before


# Signals.


@posix
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_a_batch(K, tmp_path, number):
    """It acts as ever, at the end of the batch, when the model is saved."""
    with training("by_fit", tmp_path / "w", keras=K.__name__) as process:
        until(process, "batch 2")
        process.send_signal(number)
        said, _wrong = rest_of(process)
    assert verified(tmp_path / "w") == ["1-2.weights.h5"]
    assert said[0] == "ended 2"
    assert "batch 3" not in said
    assert f"{number.name} came; all that was trained is saved" in said[1]
    if number == signal.SIGINT:
        assert said[-1] == "KeyboardInterrupt"
        assert process.returncode == 7
    else:
        assert process.returncode == -signal.SIGTERM
    (line,) = lines(tmp_path / "w")
    assert (line["epoch"], line["batch"], line["samples"]) == (1, 2, 8)


@posix
@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_acts_at_once(tmp_path, first):
    """Nothing is waited for, and nothing is half saved."""
    with training("by_fit", tmp_path / "w", sleep=5) as process:
        until(process, "batch 1")
        began = time.monotonic()
        process.send_signal(first)
        time.sleep(0.3)
        process.send_signal(signal.SIGTERM)
        said, _ = rest_of(process)
        assert time.monotonic() - began < 4
    assert process.returncode == -signal.SIGTERM
    assert said == []
    assert checkpoints(tmp_path / "w") == []


@posix
def test_a_signal_in_a_validation(tmp_path):
    """The batch in flight is one of the validation; the epoch counts as not ended."""
    with training("with_validation", tmp_path / "w") as process:
        until(process, "test batch 2")
        process.send_signal(signal.SIGTERM)
        said, _ = rest_of(process)
    assert process.returncode == -signal.SIGTERM
    assert "test batch 4" not in said
    assert verified(tmp_path / "w") == ["1-4.weights.h5"]
    assert lines(tmp_path / "w")[0]["batch"] == 4


@posix
def test_fields_that_are_not_there_yet(tmp_path):
    """The name of a save in mid-epoch has `nan` for what the epoch's end brings."""
    name = "{epoch}-{val_loss:.2f}.weights.h5"
    with training("by_fit", tmp_path / "w", name=name) as process:
        until(process, "batch 1")
        process.send_signal(signal.SIGTERM)
        _, wrong = rest_of(process)
    assert verified(tmp_path / "w") == ["1-nan.weights.h5"]
    assert "`logs` has no number for 'val_loss'" in wrong


@posix
def test_two_callbacks_both_save(tmp_path):
    """The signal acts when both have saved, and not in between."""
    with training("by_two", tmp_path / "w") as process:
        until(process, "batch 2")
        process.send_signal(signal.SIGINT)
        said, _ = rest_of(process)
    assert verified(tmp_path / "w") == ["a-1-2.weights.h5", "b-2.weights.h5"]
    assert said.count("ended 2") == 1
    assert "ended 3" not in said
    assert said[-1] == "KeyboardInterrupt"


@posix
def test_a_loop_of_ones_own(tmp_path):
    """Hooks that are called by hand hold a signal back, too."""
    with training("by_hand", tmp_path / "w") as process:
        until(process, "batch 2")
        process.send_signal(signal.SIGINT)
        said, _ = rest_of(process)
    assert verified(tmp_path / "w") == ["1-2.weights.h5"]
    assert said[-1] == "KeyboardInterrupt"


@posix
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_after_a_fit_that_failed(tmp_path, number):
    """It acts at once, as if no callback had ever been there."""
    with training("after_failure", tmp_path / "w") as process:
        until(process, "batch failed")
        began = time.monotonic()
        process.send_signal(number)
        _said, _ = rest_of(process)
        assert time.monotonic() - began < 10
    code = 7 if number == signal.SIGINT else -number
    assert process.returncode == code
    assert checkpoints(tmp_path / "w") == []


@posix
def test_a_handler_of_the_users(tmp_path):
    """It is called once the model is saved; as it returns, training goes on."""
    with training("with_own_handler", tmp_path / "w", sleep=0.05) as process:
        until(process, "batch 2")
        process.send_signal(signal.SIGTERM)
        said, _ = rest_of(process)
    assert process.returncode == 0
    assert said.index("handler 15") < said.index("batch 3")
    assert said[-2:] == ["handlers <lambda>", "done False"]
    assert "1-2.weights.h5" in verified(tmp_path / "w")


@posix
def test_a_signal_that_is_ignored_stays_so(tmp_path):
    """As with `nohup`: the training goes on, and nothing more is saved for it."""
    with training("ignored", tmp_path / "w", sleep=0.05) as process:
        until(process, "batch 2")
        process.send_signal(signal.SIGINT)
        said, _ = rest_of(process)
    assert process.returncode == 0
    assert said[-1] == "done False"
    assert verified(tmp_path / "w") == ["1-4.weights.h5"]


@posix
def test_off_the_main_thread(tmp_path):
    """There no signal can be held back: it says so, and saves at the end."""
    arguments = {"period": 5}
    with training(
        "on_another_thread", tmp_path / "w", sleep=0.01, arguments=arguments
    ) as process:
        said, _ = rest_of(process)
    assert any("does not wait for signals" in line for line in said)
    assert verified(tmp_path / "w") == ["1-4.weights.h5"]


@posix
def test_a_forked_child_is_not_held_back(tmp_path):
    """A signal to it acts at once: it has nothing to save."""
    with training("with_child", tmp_path / "w", sleep=0.01) as process:
        said, _ = rest_of(process)
    assert f"child {-signal.SIGTERM}" in said
    assert process.returncode == 0


@posix
def test_a_save_on_exit_that_fails(tmp_path):
    """What went wrong is said, and the signal acts all the same."""
    (tmp_path / "w" / "1-2.weights.h5").mkdir(parents=True)
    with training("by_fit", tmp_path / "w") as process:
        until(process, "batch 2")
        process.send_signal(signal.SIGTERM)
        said, _ = rest_of(process)
    assert process.returncode == -signal.SIGTERM
    assert any("1-2.weights.h5 failed" in line for line in said)

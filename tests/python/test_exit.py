"""`save_on_exit`: the last state is saved, even if a signal ends training."""

from __future__ import annotations

import contextlib
import gc
import signal
import threading

import pytest
from conftest import checkpoints, fit, lines, make_model, same_weights

from modelcheckpoint import ModelCheckpoint
from modelcheckpoint.observe.exit_signals import ExitSignals

pytestmark = pytest.mark.slow


# A fit that ends.


@pytest.mark.keras2
def test_a_fit_that_ends(K, data, tmp_path):
    """Everything trained since the last save is saved when `fit` ends."""
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
    """If the last epoch was saved, the end of `fit` adds nothing."""
    import keras

    callback = ModelCheckpoint(
        tmp_path / "{epoch}.weights.h5", save_weights_only=True, save_on_exit=True
    )
    fit(make_model(keras), data, callback, epochs=2)
    assert [line["epoch"] for line in lines(tmp_path)] == [1, 2]


def test_a_number_of_samples_and_the_end(data, tmp_path):
    """With a number as `save_freq`, the samples after the last save count, too."""
    import keras

    callback = ModelCheckpoint(
        tmp_path / "{samples}.weights.h5",
        save_weights_only=True,
        save_freq=20,
        save_on_exit=True,
    )
    fit(make_model(keras), data, callback)
    assert [line["samples"] for line in lines(tmp_path)] == [20, 25]
    fit(make_model(keras), data, callback)  # another model is another run
    assert [line["samples"] for line in lines(tmp_path)] == [20, 25, 20, 25]


def test_a_save_that_failed_is_made_up_for(data, tmp_path):
    """If a save failed, its state counts as not saved."""
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
    """In a loop by hand without batch hooks, an epoch counts as trained."""
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
    """The constructor refuses the combination, and names the way out."""
    with pytest.raises(ValueError, match=r"`save_on_exit` must be left out"):
        ModelCheckpoint("best.keras", save_best_only=True, save_on_exit=True)


def test_handlers_are_what_they_were(data, tmp_path):
    """They are restored after `fit`, and after a failed one followed by another."""
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
    """A callback whose `fit` failed restores the handlers once it is garbage."""
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
    """A handler that another callback installs mid-training is kept."""
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
    """Off the main thread it reports that it cannot watch, and changes nothing."""
    before, found = signal.getsignal(signal.SIGINT), []
    watcher = ExitSignals(lambda: True)
    thread = threading.Thread(target=lambda: found.append(watcher.watch()))
    thread.start()
    thread.join()
    assert found == [False]
    assert signal.getsignal(signal.SIGINT) is before

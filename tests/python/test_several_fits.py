"""One callback in several fits: one after another, nested, and in threads."""

from __future__ import annotations

import threading

import pytest
from conftest import (
    SAMPLES,
    checkpoints,
    fit,
    lines,
    same_weights,
)
from one_layer import Inside, make_model, seen, weights_only

from modelcheckpoint import CheckpointError, ModelCheckpoint

pytestmark = pytest.mark.slow


# Several fits


@pytest.mark.keras2
def test_several_fits_go_on(K, tmp_path, data):
    """The best, and the count toward the next save, continue from fit to fit."""
    model = make_model(K)
    best = ModelCheckpoint(tmp_path / "best.keras", "loss", save_best_only=True)
    often = ModelCheckpoint(tmp_path / "{epoch}-{batch}.keras", save_freq=40)
    values = []
    for epoch in range(3):
        arguments = {"initial_epoch": epoch, "epochs": epoch + 1}
        history = fit(model, data, best, often, **arguments)
        values += history.history["loss"]
    assert best.best == pytest.approx(min(values))
    # 75 samples in all; every 40 falls due once, at 41: the second epoch's 16.
    saved = [x["path"] for x in lines(tmp_path) if x["path"] != "best.keras"]
    assert saved == ["2-4.keras"]
    assert best.problems == often.problems == []


def test_each_fit_counts_its_own_samples(K, tmp_path, data):
    """`{samples}` starts again with each fit, as `{epoch}` does."""
    model = make_model(K)
    path = tmp_path / "{samples}.weights.h5"
    callback = ModelCheckpoint(**weights_only(path), save_freq=SAMPLES)
    for _ in range(2):
        fit(model, data, callback)
    assert seen(tmp_path) == [SAMPLES, SAMPLES]


def test_compiled_anew_between_fits(K, tmp_path, data):
    """A model that is compiled again has new metrics; the count follows them."""
    model = make_model(K)
    path = tmp_path / "{epoch}-{samples}.weights.h5"
    callback = ModelCheckpoint(**weights_only(path), save_freq=12)
    fit(model, data, callback)
    model.compile("sgd", loss="mean_absolute_error")
    fit(model, data, callback, batch_size=6, epochs=2, initial_epoch=1)
    assert seen(tmp_path) == [12, 24, 12, 24]
    assert callback.problems == []


def test_a_second_model_is_counted_from_the_start(K, tmp_path, data):
    """For another model, the samples toward the next save start at 0."""
    callback = ModelCheckpoint(tmp_path / "{samples}.keras", save_freq=20)
    models = [make_model(K), make_model(K)]
    for model in models:
        fit(model, data, callback)
    assert seen(tmp_path) == [20, 20]
    assert len({line["run"] for line in lines(tmp_path)}) == 2


def test_clear_session_between_fits(K, tmp_path, data):
    """Sweeps that clear Keras' session can use one callback for every model."""
    callback = ModelCheckpoint(tmp_path / "{samples}.keras", save_freq=20)
    for _ in range(2):
        model = make_model(K)
        fit(model, data, callback)
        K.backend.clear_session()
    fit(model, data, callback)  # the old model continues: 5 samples, and 16 more
    assert seen(tmp_path) == [20, 20, 16]
    assert callback.problems == []


@pytest.mark.parametrize("save_freq", ["epoch", 10])
def test_interrupted_and_fitted_again(K, save_freq, tmp_path, data):
    """After Ctrl-C mid-epoch, the next fit, of any model, saves as usual."""

    class Interrupt(K.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            raise KeyboardInterrupt

    callback = ModelCheckpoint(tmp_path / "{epoch}.keras", save_freq=save_freq)
    first, second = make_model(K), make_model(K)
    for model in (first, first, second):
        with pytest.raises(KeyboardInterrupt):
            fit(model, data, callback, Interrupt())
        fit(model, data, callback)
        loaded = K.models.load_model(str(tmp_path / "1.keras"))
        if save_freq == "epoch":
            assert same_weights(loaded, model)
    each = [25] if save_freq == "epoch" else [8, 20]
    # The 4 samples before the interrupt count toward the next save.
    assert seen(tmp_path)[: len(each)] == each
    # The first and the second fit of this run have one file name in common.
    assert [text[:19] for text in callback.problems] == ["Two checkpoints of "]


# One fit inside another


@pytest.mark.parametrize("save_freq", ["epoch", SAMPLES])
@pytest.mark.parametrize("first", [True, False])
@pytest.mark.keras2
def test_a_fit_inside_a_fit(K, save_freq, first, tmp_path, data):
    """Each fit's own callback saves its own model, in one folder."""
    outer, inner = make_model(K), make_model(K)
    cb_outer = ModelCheckpoint(tmp_path / "outer.{epoch}.keras", save_freq=save_freq)
    cb_inner = ModelCheckpoint(tmp_path / "inner.{epoch}.keras", save_freq=save_freq)
    run = Inside(K, lambda: fit(inner, data, cb_inner, epochs=2))
    callbacks = [cb_outer, run] if first else [run, cb_outer]
    fit(outer, data, *callbacks, epochs=2)
    for model, name in ((outer, "outer"), (inner, "inner")):
        loaded = K.models.load_model(str(tmp_path / f"{name}.2.keras"))
        assert same_weights(model, loaded)
        assert seen(tmp_path, name) == [SAMPLES, 2 * SAMPLES]
    assert [cb_outer.problems, cb_inner.problems] == [[], []]


@pytest.mark.parametrize("save_freq", ["epoch", SAMPLES])
@pytest.mark.parametrize("of_the_same_model", [False, True])
def test_one_callback_for_a_fit_inside_its_fit(
    K, save_freq, of_the_same_model, tmp_path, data
):
    """If a callback is used by a running fit, a nested fit refuses it; nothing mixes.

    If the outer fit continues, it saves its own model as if nothing had happened.
    """
    outer = make_model(K)
    inner = outer if of_the_same_model else make_model(K)
    callback = ModelCheckpoint(tmp_path / "{epoch}.keras", save_freq=save_freq)

    def run():
        with pytest.raises(CheckpointError, match="a callback of its own"):
            fit(inner, data, callback, epochs=3)

    fit(outer, data, callback, Inside(K, run), epochs=2)
    assert seen(tmp_path) == [SAMPLES, 2 * SAMPLES]
    loaded = K.models.load_model(str(tmp_path / "2.keras"))
    assert same_weights(outer, loaded)
    fit(make_model(K), data, callback)  # afterwards it is free again
    assert seen(tmp_path)[2:] == [SAMPLES]


def test_a_callback_is_free_after_a_fit_that_broke(K, tmp_path, data):
    """A fit that ended with an error does not keep its callback, nested or not."""

    class Broken(Exception):
        pass

    class Break(K.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            raise Broken

    callback = ModelCheckpoint(tmp_path / "{epoch}.keras")

    first, second = make_model(K), make_model(K)

    def run():
        with pytest.raises(Broken):
            fit(first, data, callback, Break())
        fit(second, data, callback)

    fit(make_model(K), data, Inside(K, run))
    assert checkpoints(tmp_path) == ["1.keras"]
    assert same_weights(second, K.models.load_model(str(tmp_path / "1.keras")))


# Threads


def in_thread(function):
    """Run a function on its own thread; return its result, or raise its error."""
    done = []

    def run():
        try:
            done.append((function(), None))
        except BaseException as error:
            done.append((None, error))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(120)
    assert done, "the thread hangs"
    result, error = done[0]
    if error is not None:
        raise error
    return result


@pytest.mark.parametrize("save_freq", ["epoch", 10])
def test_fit_in_a_thread(K, save_freq, tmp_path, data):
    """A fit on another thread saves as usual, and so does the next one on this one."""
    model = make_model(K)
    callback = ModelCheckpoint(tmp_path / "w.keras", save_freq=save_freq)
    in_thread(lambda: fit(model, data, callback))
    fit(model, data, callback)
    each = [25] if save_freq == "epoch" else [12, 24]
    assert seen(tmp_path) == each * 2
    assert callback.problems == []


def test_two_fits_at_once(K, tmp_path, data):
    """Two threads that train in one folder share its journal without tearing it."""
    models = {name: make_model(K) for name in ("a", "b")}
    failed = []

    def train(name):
        try:
            callback = ModelCheckpoint(tmp_path / f"{name}.{{epoch}}.keras")
            fit(models[name], data, callback, epochs=3)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=train, args=(name,)) for name in models]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert failed == []
    for name, model in models.items():
        assert seen(tmp_path, name) == [25, 50, 75]
        loaded = K.models.load_model(str(tmp_path / f"{name}.3.keras"))
        assert same_weights(model, loaded)

"""Ways to use a callback: several fits, several models, threads, loops by hand."""

from __future__ import annotations

import copy
import pickle
import threading

import numpy as np
import pytest
from conftest import (
    SAMPLES,
    backend_of,
    checkpoints,
    fit,
    lines,
    same_weights,
)

from modelcheckpoint import CheckpointError, ModelCheckpoint

pytestmark = pytest.mark.slow


def make_model(K):
    model = K.Sequential([K.Input((3,)), K.layers.Dense(1)])
    model.compile("sgd", loss="mean_squared_error")
    return model


def weights(name):
    return {"filepath": name, "save_weights_only": True}


def seen(folder, prefix=""):
    return [x["samples"] for x in lines(folder) if x["path"].startswith(prefix)]


# Several fits


@pytest.mark.keras2
def test_several_fits_go_on(K, tmp_path, data):
    """What counts toward the next save, and the best, live on from fit to fit."""
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
    """`{samples}` begins anew with each fit, as `{epoch}` does."""
    model = make_model(K)
    path = tmp_path / "{samples}.weights.h5"
    callback = ModelCheckpoint(**weights(path), save_freq=SAMPLES)
    for _ in range(2):
        fit(model, data, callback)
    assert seen(tmp_path) == [SAMPLES, SAMPLES]


def test_compiled_anew_between_fits(K, tmp_path, data):
    """A model that is compiled again has new metrics; the count follows them."""
    model = make_model(K)
    path = tmp_path / "{epoch}-{samples}.weights.h5"
    callback = ModelCheckpoint(**weights(path), save_freq=12)
    fit(model, data, callback)
    model.compile("sgd", loss="mean_absolute_error")
    fit(model, data, callback, batch_size=6, epochs=2, initial_epoch=1)
    assert seen(tmp_path) == [12, 24, 12, 24]
    assert callback.problems == []


def test_a_second_model_is_counted_from_the_start(K, tmp_path, data):
    """For another model the samples towards the next save begin at 0."""
    callback = ModelCheckpoint(tmp_path / "{samples}.keras", save_freq=20)
    models = [make_model(K), make_model(K)]
    for model in models:
        fit(model, data, callback)
    assert seen(tmp_path) == [20, 20]
    assert len({line["run"] for line in lines(tmp_path)}) == 2


def test_clear_session_between_fits(K, tmp_path, data):
    """Sweeps that clear Keras' session use one callback for every model."""
    callback = ModelCheckpoint(tmp_path / "{samples}.keras", save_freq=20)
    for _ in range(2):
        model = make_model(K)
        fit(model, data, callback)
        K.backend.clear_session()
    fit(model, data, callback)  # the old model goes on: 5 samples, and 16 more
    assert seen(tmp_path) == [20, 20, 16]
    assert callback.problems == []


@pytest.mark.parametrize("save_freq", ["epoch", 10])
def test_interrupted_and_fitted_again(K, save_freq, tmp_path, data):
    """After Ctrl-C in mid-epoch the next fit, of any model, saves as ever."""

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
    # The 4 samples before the interrupt count towards the next save.
    assert seen(tmp_path)[: len(each)] == each
    # The run has one name for its first and for its second fit.
    assert [text[:19] for text in callback.problems] == ["Two checkpoints of "]


# One fit inside another


class Inside:
    """Make a callback that runs a function at the end of the first epoch."""

    def __new__(cls, K, function):
        class Run(K.callbacks.Callback):
            def on_epoch_end(self, epoch, logs=None):
                if epoch == 0:
                    function()

        return Run()


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
    """A callback that serves a running fit is refused by a fit inside; nothing mixes.

    The outer fit, if it goes on, saves its own model as if nothing had been.
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
    """A fit that ended in an error does not hold its callback, inside a fit or out."""

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
    """Run a function on a thread of its own and return, or raise, what it does."""
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
    """A fit on another thread saves as on the main one, and so does the next on it."""
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


# Copies


@pytest.mark.parametrize("save_freq", ["epoch", 10])
def test_copies_are_callbacks_of_their_own(K, save_freq, tmp_path, data):
    """Copies made before use share nothing: each has its own best, count and run."""
    path = tmp_path / "{epoch}-{loss:.6f}.keras"
    original = ModelCheckpoint(path, "loss", save_best_only=True, save_freq=save_freq)
    copies = [pickle.loads(pickle.dumps(original)), copy.deepcopy(original)]
    bests = []
    for one in copies:
        fit(make_model(K), data, one)
        bests.append(one.best)
        assert one.problems == []
    assert original.best is None
    assert None not in bests


WAYS = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda callback: pickle.loads(pickle.dumps(callback)),
    "pickle 2": lambda callback: pickle.loads(pickle.dumps(callback, 2)),
}


class Tagged(ModelCheckpoint):
    """A subclass with attributes, and hooks, of its own."""

    def __init__(self, filepath, tag, **arguments):
        super().__init__(filepath, **arguments)
        self.validation_data, self.tags = tag, []

    def on_epoch_end(self, epoch, logs=None):
        super().on_epoch_end(epoch, logs)
        self.tags.append(epoch)


@pytest.mark.parametrize(
    ("way", "save_freq"),
    [("copy", 10), ("deepcopy", "epoch"), ("pickle", 10), ("pickle 2", "epoch")],
)
@pytest.mark.keras2
def test_a_callback_is_copied_at_any_time(K, way, save_freq, tmp_path, data):
    """Before, during and after a fit, and after one that broke; each copy can be used.

    It has the arguments, the best, and what a subclass has added; nothing of a fit.
    """
    path = tmp_path / "{epoch}-{loss:.4f}.weights.h5"
    arguments = {"monitor": "loss", "save_best_only": True, "save_weights_only": True}
    original = Tagged(path, "mine", save_freq=save_freq, **arguments)
    copies = {}

    def note(when):
        def hook(*_, **__):
            copies.setdefault(when, (WAYS[way](original), original.best))

        return hook

    def stop(epoch, logs=None):
        if epoch == 2:
            raise ZeroDivisionError

    others = K.callbacks.LambdaCallback(
        on_train_begin=note("at the beginning"),
        on_epoch_begin=stop,
        on_train_batch_end=note("in an epoch"),
        on_epoch_end=note("at an epoch's end"),
        on_train_end=note("at the end"),
    )
    threads = threading.active_count()
    note("before")()
    model = make_model(K)
    fit(model, data, original, others, epochs=2)
    note("after")()
    with pytest.raises(ZeroDivisionError):
        fit(model, data, original, others, epochs=4, initial_epoch=1)
    note("after one that broke")()
    assert len(copies) == 7
    assert threading.active_count() <= threads
    for when, (one, best) in copies.items():
        assert type(one) is Tagged, when
        assert (one.best, one.filepath, one.save_freq) == (best, str(path), save_freq)
        assert (one.validation_data, one.model, one.params) == ("mine", None, None)
        assert (one.problems, one.restored) == ([], None)
    assert copies["before"][1] is None
    assert copies["after one that broke"][1] == original.best
    wrote = lines(tmp_path)
    for when in ("before", "in an epoch", "after one that broke"):
        one, best = copies[when]
        loss = fit(make_model(K), data, one, epochs=9, initial_epoch=8).history["loss"]
        if save_freq == "epoch":
            assert one.best == min(loss[0], best or loss[0])
        assert one.problems == []
        assert 8 in one.tags
    ours = {line["run"] for line in wrote}
    assert ours.isdisjoint(line["run"] for line in lines(tmp_path)[len(wrote) :])
    assert {line["path"] for line in wrote} <= set(checkpoints(tmp_path))


@pytest.mark.parametrize("way", ["copy", "pickle"])
def test_a_copy_leaves_the_files_of_the_original(way, tmp_path, data):
    """It is a run of its own, so retention and `restore_best` keep the two apart."""
    import keras

    path = tmp_path / "{epoch}.weights.h5"
    arguments = {"monitor": "loss", "save_weights_only": True, "period": 2}
    original = ModelCheckpoint(path, keep_latest=1, restore_best=True, **arguments)
    model = make_model(keras)
    fit(model, data, original, epochs=3)
    copied = WAYS[way](original)
    assert checkpoints(tmp_path) == ["2.weights.h5"]
    # Of the two epochs between its saves one had passed.
    fit(model, data, copied, epochs=8, initial_epoch=3)
    assert checkpoints(tmp_path) == ["2.weights.h5", "8.weights.h5"]
    ours, *others = lines(tmp_path)
    assert ours["run"] not in {line["run"] for line in others}
    # The best that it saved, or the original did before it, is what it restores.
    other = make_model(keras)
    best = min((line for line in lines(tmp_path) if "value" in line), key=value_of)
    other.load_weights(tmp_path / best["path"])
    assert same_weights(model, other)


def value_of(line):
    return line["value"]


def test_a_copy_inside_a_fit_serves_another(tmp_path, data):
    """A `fit` inside a `fit` needs a callback of its own, and a copy is one."""
    import keras

    callback = ModelCheckpoint(tmp_path / "{epoch}.keras", "loss", save_on_exit=True)

    def nested(epoch, logs):
        if epoch == 0:
            inner = copy.deepcopy(callback)
            fit(make_model(keras), data, inner, epochs=12, initial_epoch=10)

    others = keras.callbacks.LambdaCallback(on_epoch_end=nested)
    fit(make_model(keras), data, callback, others, epochs=2)
    assert len(checkpoints(tmp_path)) == 4
    assert callback.problems == []


# Models that are built late, or that save themselves


def late_model(K):
    class Late(K.Model):
        def __init__(self):
            super().__init__()
            self.first, self.second = K.layers.Dense(2), K.layers.Dense(1)

        def call(self, inputs):
            return self.second(self.first(inputs))

    model = Late()
    model.compile("sgd", loss="mean_squared_error")
    assert not model.built
    return model


@pytest.mark.parametrize("name", ["w.weights.h5", "w.h5", "w.hdf5"])
@pytest.mark.keras2
def test_a_subclassed_model_that_is_not_built(K, name, tmp_path, data):
    """A model that `fit` builds is counted and saved like any other."""
    model = late_model(K)
    callback = ModelCheckpoint(**weights(tmp_path / name), save_freq=SAMPLES)
    fit(model, data, callback, epochs=2)
    assert seen(tmp_path) == [SAMPLES, 2 * SAMPLES]
    other = late_model(K)
    other(data[0][:1])
    other.load_weights(str(tmp_path / name))
    assert same_weights(model, other)


def test_a_full_subclassed_model_that_is_not_built(tmp_path, data):
    """The full model of a subclass, in Keras' own format, needs nothing more."""
    import keras

    model = late_model(keras)
    fit(model, data, ModelCheckpoint(tmp_path / "w.keras", save_freq=SAMPLES))
    other = late_model(keras)
    other(data[0][:1])
    other.load_weights(str(tmp_path / "w.keras"))
    assert same_weights(model, other)
    assert seen(tmp_path) == [SAMPLES]


@pytest.mark.keras2
def test_a_sequential_model_that_is_not_built(K, tmp_path, data):
    """A Sequential without an input shape, with a metric to monitor."""
    model = K.Sequential([K.layers.Dense(1)])
    model.compile("sgd", loss="mean_squared_error", metrics=["mean_absolute_error"])
    path = tmp_path / "{samples}.keras"
    best = {"monitor": "mean_absolute_error", "save_best_only": True}
    callback = ModelCheckpoint(path, save_freq=SAMPLES, **best)
    fit(model, data, callback)
    assert seen(tmp_path) == [SAMPLES]
    assert callback.problems == []


@pytest.mark.keras2
def test_a_model_that_saves_itself(K, tmp_path, data):
    """A model's own `save` and `save_weights` run in mid-epoch as at its end."""
    calls = []

    class Own(K.Model):
        def save(self, filepath, *args, **kwargs):
            calls.append("save")
            return super().save(filepath, *args, **kwargs)

        def save_weights(self, filepath, *args, **kwargs):
            calls.append("save_weights")
            return super().save_weights(filepath, *args, **kwargs)

    inputs = K.Input((3,))
    model = Own(inputs, K.layers.Dense(1)(inputs))
    model.compile("sgd", loss="mean_squared_error")
    path = tmp_path / "{samples}.weights.h5"
    often = ModelCheckpoint(**weights(path), save_freq=10)
    fit(model, data, often, ModelCheckpoint(tmp_path / "w.keras"))
    assert calls == ["save_weights", "save_weights", "save"]
    assert sorted(checkpoints(tmp_path)) == [
        "12.weights.h5",
        "24.weights.h5",
        "w.keras",
    ]


def test_a_file_of_keras_own_name_is_left_alone(tmp_path, data):
    """Some Keras write a `model.weights.h5` beside each archive: not in our folder."""
    import keras

    model = make_model(keras)
    weights_only = ModelCheckpoint(**weights(tmp_path / "model.weights.h5"))
    fit(model, data, weights_only)
    before = (tmp_path / "model.weights.h5").read_bytes()
    fit(model, data, ModelCheckpoint(tmp_path / "w.keras"))
    assert (tmp_path / "model.weights.h5").read_bytes() == before
    assert checkpoints(tmp_path) == ["model.weights.h5", "w.keras"]


# evaluate() and predict()


@pytest.mark.parametrize("save_freq", ["epoch", 10])
def test_evaluate_and_predict_save_nothing(K, save_freq, tmp_path, data, capsys):
    """In `evaluate` and `predict` the callback is silent and writes nothing."""
    model = make_model(K)
    callback = ModelCheckpoint(tmp_path / "w.keras", save_freq=save_freq)

    def ask():
        arguments = {"verbose": 0, "callbacks": [callback]}
        model.evaluate(*data, **arguments)
        model.predict(data[0], **arguments)

    ask()
    assert checkpoints(tmp_path) == []
    fit(model, data, callback)
    ask()
    fit(model, data, callback)
    each = [25] if save_freq == "epoch" else [12, 24]
    assert seen(tmp_path) == each * 2
    assert callback.problems == []
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("hook", "place", "samples"),
    [
        ("on_train_batch_begin", "before", 25),
        ("on_train_batch_begin", "after", 25),
        ("on_train_batch_end", "before", 25),
        ("on_train_batch_end", "after", 25),
        ("on_train_batch_end", "before", 5),
        ("on_train_batch_end", "after", 5),
    ],
)
@pytest.mark.keras2
def test_evaluate_in_mid_epoch(K, hook, place, samples, tmp_path, data):
    """What another callback evaluates in mid-epoch is not counted as training.

    It sets back the numbers that we count by. Only where it comes between our look at
    a batch's beginning and the batch can the count be lost: that is told.
    """
    x, y = (array[:samples] for array in data)

    class Evaluate(K.callbacks.Callback):
        def look(self, batch, logs=None):
            if batch == 2:
                self.model.evaluate(x, y, batch_size=7, verbose=0)

    setattr(Evaluate, hook, Evaluate.look)
    path = tmp_path / "{samples}.weights.h5"
    callback = ModelCheckpoint(**weights(path), save_freq=1)
    callbacks = [callback, Evaluate()]
    fit(make_model(K), data, *callbacks[:: 1 if place == "after" else -1], epochs=2)
    exact = np.cumsum([4, 4, 4, 4, 4, 4, 1] * 2).tolist()
    if (hook, place) == ("on_train_batch_begin", "after") and callback.problems:
        assert "in the middle of an epoch" in callback.problems[0]
    else:
        assert seen(tmp_path) == exact
        assert callback.problems == []


@pytest.mark.parametrize("samples", [5, 25])
def test_evaluate_in_mid_epoch_of_whole_epochs(K, samples, tmp_path, data):
    """Where no batch is watched, samples are exact or None, and never wrong."""
    x, y = (array[:samples] for array in data)

    class Evaluate(K.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 2:
                self.model.evaluate(x, y, verbose=0)

    callback = ModelCheckpoint(tmp_path / "{epoch}.keras")
    fit(make_model(K), data, callback, Evaluate(), epochs=2)
    counts = seen(tmp_path)
    assert counts in ([SAMPLES, 2 * SAMPLES], [None, None])


def test_evaluate_in_mid_epoch_with_the_callback_itself(K, tmp_path, data):
    """The same, where the evaluation gets our callback, too."""

    class Evaluate(K.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 2:
                arguments = {"verbose": 0, "callbacks": [callback]}
                self.model.evaluate(*data, **arguments)
                self.model.predict(data[0], **arguments)

    path = tmp_path / "{samples}.weights.h5"
    callback = ModelCheckpoint(**weights(path), save_freq=1)
    fit(make_model(K), data, callback, Evaluate())
    exact = np.cumsum([4, 4, 4, 4, 4, 4, 1]).tolist()
    assert seen(tmp_path) == exact
    assert callback.problems == []


@pytest.mark.parametrize("validated", [False, True])
@pytest.mark.parametrize("first", [False, True])
def test_evaluate_at_an_epochs_end(K, first, validated, tmp_path, data):
    """An evaluation of another callback's, between epochs, costs the count nothing."""

    class Evaluate(K.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.evaluate(data[0][:5], data[1][:5], verbose=0)

    arguments = {"validation_data": data} if validated else {}
    callbacks = [
        ModelCheckpoint(tmp_path / "{epoch}.keras"),
        ModelCheckpoint(tmp_path / "a{samples}.keras", save_freq=SAMPLES),
    ]
    callbacks.insert(0 if first else 2, Evaluate())
    fit(make_model(K), data, *callbacks, epochs=3, **arguments)
    samples = [SAMPLES, 2 * SAMPLES, 3 * SAMPLES]
    assert sorted(seen(tmp_path)) == sorted(2 * samples)


@pytest.mark.parametrize("save_freq", ["epoch", SAMPLES])
def test_another_model_evaluated_with_the_callback(K, save_freq, tmp_path, data):
    """An evaluation of another model, inside the fit, cannot take the callback over."""
    model, other = make_model(K), make_model(K)
    callback = ModelCheckpoint(tmp_path / "{epoch}.keras", save_freq=save_freq)

    def run():
        with pytest.raises(CheckpointError, match="a callback of its own"):
            other.evaluate(*data, verbose=0, callbacks=[callback])

    fit(model, data, callback, Inside(K, run), epochs=2)
    loaded = K.models.load_model(str(tmp_path / "2.keras"))
    assert same_weights(model, loaded)
    assert seen(tmp_path) == [SAMPLES, 2 * SAMPLES]


# Without a list, and with a list of one's own


@pytest.mark.keras2
def test_a_bare_callback(K, tmp_path, data):
    """`fit(callbacks=cb)` works where whole epochs are counted."""
    callback = ModelCheckpoint(tmp_path / "{epoch}.keras")
    model = make_model(K)
    model.fit(*data, batch_size=4, epochs=2, verbose=0, callbacks=callback)
    assert seen(tmp_path) == [SAMPLES, 2 * SAMPLES]
    assert callback.problems == []


@pytest.mark.parametrize("unit", ["samples", "batches"])
def test_a_bare_callback_that_watches_batches(K, unit, tmp_path, data):
    """On JAX and Torch Keras would call it out of order: an error says what to do."""
    path = tmp_path / "{batch}.keras"
    callback = ModelCheckpoint(path, save_freq=3, save_freq_unit=unit)
    model = make_model(K)
    arguments = {"batch_size": 4, "verbose": 0, "callbacks": callback}
    if backend_of(K) == "tensorflow":
        model.fit(*data, **arguments)
        wanted = 6 if unit == "samples" else 2  # the last batch has one sample
        assert len(lines(tmp_path)) == wanted
    else:
        with pytest.raises(
            CheckpointError, match=r"as a list, `callbacks=\[...\]` \(in R `list"
        ):
            model.fit(*data, **arguments)
        assert checkpoints(tmp_path) == []


@pytest.mark.parametrize("params", [{}, {"epochs": 2, "steps": 7, "verbose": 0}])
def test_a_list_of_ones_own_in_fit(K, params, tmp_path, data):
    """A CallbackList that the user makes: epochs always, samples with its parameters.

    Without them nothing tells a fit from a loop by hand: an error at the first batch.
    """
    model = make_model(K)
    epochs = ModelCheckpoint(tmp_path / "{epoch}.keras")
    often = ModelCheckpoint(tmp_path / "{epoch}-{batch}.keras", save_freq=10)

    def train(callback):
        arguments = {"add_history": True, "model": model, **params}
        made = K.callbacks.CallbackList([callback], **arguments)
        model.fit(*data, batch_size=4, epochs=2, verbose=0, callbacks=made)

    train(epochs)
    assert checkpoints(tmp_path) == ["1.keras", "2.keras"]
    if params:
        train(often)
        wanted = ["1-3.keras", "1-6.keras", "2-3.keras", "2-6.keras"]
        assert [line["path"] for line in lines(tmp_path)[2:]] == wanted
    else:
        with pytest.raises(ValueError, match="save_freq_unit='batches'"):
            train(often)
    assert often.problems == epochs.problems == []


@pytest.mark.parametrize("save_freq", ["epoch", 10])
@pytest.mark.keras2
def test_a_loop_with_a_callback_list(K, save_freq, tmp_path, data):
    """A loop of one's own that drives a CallbackList, and tells the sizes."""
    model = make_model(K)
    callback = ModelCheckpoint(tmp_path / "{epoch}.keras", save_freq=save_freq)
    others = K.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: None)
    made = K.callbacks.CallbackList([callback, others], model=model)
    made.on_train_begin()
    for epoch in range(2):
        made.on_epoch_begin(epoch)
        for batch, size in enumerate((4, 7, 4)):
            made.on_train_batch_begin(batch)
            loss = model.train_on_batch(data[0][:size], data[1][:size])
            made.on_train_batch_end(batch, {"loss": loss, "size": size})
        made.on_epoch_end(epoch, {"loss": loss})
    made.on_train_end()
    # With whole epochs, batches go by unseen.
    counts = {"epoch": [None, None], 10: [11, 26]}[save_freq]
    assert [line["samples"] for line in lines(tmp_path)] == counts
    last = K.models.load_model(str(tmp_path / lines(tmp_path)[-1]["path"]))
    assert int(last.optimizer.iterations.numpy()) == (6 if save_freq == "epoch" else 5)


def test_a_loop_of_train_on_batch(K, tmp_path, data):
    """The barest loop: a model, one hook for each batch, `return_dict=True`."""
    model = make_model(K)
    path = tmp_path / "{batch}-{loss:.3f}.keras"
    callback = ModelCheckpoint(path, save_freq=2, save_freq_unit="batches")
    callback.set_model(model)
    losses = []
    for batch in range(5):
        logs = model.train_on_batch(*data, return_dict=True)
        losses.append(float(logs["loss"]))
        callback.on_batch_end(batch, logs)
    wanted = [f"{n}-{losses[n - 1]:.3f}.keras" for n in (2, 4)]
    assert checkpoints(tmp_path) == wanted
    assert callback.problems == []

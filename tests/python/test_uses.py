"""Ways to use the callback: models that are built late, and custom loops."""

from __future__ import annotations

import weakref

import pytest
from conftest import (
    SAMPLES,
    backend_of,
    checkpoints,
    fit,
    lines,
    same_weights,
)
from one_layer import make_model, seen, weights_only

from modelcheckpoint import CheckpointError, ModelCheckpoint

pytestmark = pytest.mark.slow


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
    callback = ModelCheckpoint(**weights_only(tmp_path / name), save_freq=SAMPLES)
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
    """A model's own `save` and `save_weights` run mid-epoch as at its end."""
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
    often = ModelCheckpoint(**weights_only(path), save_freq=10)
    fit(model, data, often, ModelCheckpoint(tmp_path / "w.keras"))
    assert calls == ["save_weights", "save_weights", "save"]
    assert sorted(checkpoints(tmp_path)) == [
        "12.weights.h5",
        "24.weights.h5",
        "w.keras",
    ]


def test_a_file_of_keras_own_name_is_left_alone(tmp_path, data):
    """Some Keras write `model.weights.h5` next to an archive, but not in our folder."""
    import keras

    model = make_model(keras)
    callback = ModelCheckpoint(**weights_only(tmp_path / "model.weights.h5"))
    fit(model, data, callback)
    before = (tmp_path / "model.weights.h5").read_bytes()
    fit(model, data, ModelCheckpoint(tmp_path / "w.keras"))
    assert (tmp_path / "model.weights.h5").read_bytes() == before
    assert checkpoints(tmp_path) == ["model.weights.h5", "w.keras"]


# Without a list, and with the user's own list


@pytest.mark.keras2
def test_a_bare_callback(K, tmp_path, data):
    """`fit(callbacks=cb)` works if whole epochs are counted."""
    callback = ModelCheckpoint(tmp_path / "{epoch}.keras")
    model = make_model(K)
    model.fit(*data, batch_size=4, epochs=2, verbose=0, callbacks=callback)
    assert seen(tmp_path) == [SAMPLES, 2 * SAMPLES]
    assert callback.problems == []


@pytest.mark.parametrize("unit", ["samples", "batches"])
def test_a_bare_callback_that_watches_batches(K, unit, tmp_path, data):
    """On JAX and Torch, Keras would call it out of order: an error says what to do."""
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
    """With a user's CallbackList, epochs always work; samples need its parameters.

    Without them, a fit looks like a custom loop: the first batch raises an error.
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
    """A custom loop that drives a CallbackList, and passes the sizes."""
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
    # With whole epochs, batches are not watched.
    counts = {"epoch": [None, None], 10: [11, 26]}[save_freq]
    assert [line["samples"] for line in lines(tmp_path)] == counts
    last = K.models.load_model(str(tmp_path / lines(tmp_path)[-1]["path"]))
    assert int(last.optimizer.iterations.numpy()) == (6 if save_freq == "epoch" else 5)


def test_a_loop_of_train_on_batch(K, tmp_path, data):
    """The simplest loop: a model, one hook for each batch, `return_dict=True`."""
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


def test_a_save_keeps_nothing_alive_that_the_loop_around_it_has_let_go(tmp_path):
    """On TensorFlow it could be an iterator; saving would wait for its threads."""
    import keras

    class Batch:
        pass

    model = make_model(keras)
    saving = ModelCheckpoint(tmp_path / "{epoch}.keras", monitor="loss")
    callbacks = keras.callbacks.CallbackList([saving], model=model)
    callbacks.on_train_begin()
    for epoch in range(2):
        callbacks.on_epoch_begin(epoch)
        batch = Batch()
        alive = weakref.ref(batch)
        callbacks.on_epoch_end(epoch, {"loss": 1.0})
        del batch
        assert alive() is None
    callbacks.on_train_end()
    assert len(checkpoints(tmp_path)) == 2

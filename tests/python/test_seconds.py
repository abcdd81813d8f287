"""`save_seconds`: a save is due when so much time has passed since the last one."""

from __future__ import annotations

import statistics
import time

import pytest
from conftest import backend_of, checkpoints, fit, lines, make_model, names

from modelcheckpoint import ModelCheckpoint

pytestmark = pytest.mark.slow


def slow(K, seconds=0.05):
    """Return a callback that makes each batch slow."""

    class Slow(K.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            time.sleep(seconds)

    return Slow()


def callback(folder, template="{epoch}-{batch}.weights.h5", **arguments):
    arguments = {"save_weights_only": True, "save_seconds": 0.12, **arguments}
    return ModelCheckpoint(folder / template, **arguments)


def places(folder):
    return [(line["epoch"], line["batch"]) for line in lines(folder)]


def test_seconds_and_the_end_of_the_epoch(K, data, tmp_path):
    """By the clock within an epoch, and at its end, where the batch is None."""
    model = make_model(K)
    fit(model, data, slow(K, 0), callback(tmp_path / "warm"))
    began = time.monotonic()
    fit(model, data, slow(K), callback(tmp_path / "w"), epochs=2)
    seconds = time.monotonic() - began
    found = places(tmp_path / "w")
    assert [place for place in found if place[1] is None] == [(1, None), (2, None)]
    within = [batch for epoch, batch in found if batch]
    assert 2 <= len(within) <= seconds / 0.12
    assert len({epoch for epoch, batch in found if batch}) == 2
    samples = {line["batch"]: line["samples"] for line in lines(tmp_path / "w")[:1]}
    assert all(samples[batch] == min(batch * 4, 25) for batch in samples)
    assert "1-7.weights.h5" in checkpoints(tmp_path / "w")  # the epoch's last batch


def test_seconds_with_a_number_of_batches(data, tmp_path):
    """Whichever is due first; a save by either restarts the seconds."""
    import keras

    model = make_model(keras)
    fit(model, data, callback(tmp_path / "warm"))
    one = callback(
        tmp_path / "w", save_seconds=1.2, save_freq=2, save_freq_unit="batches"
    )
    fit(model, data, slow(keras, 0.25), one, epochs=2)
    # Two batches take less than that, so the seconds never fall due.
    assert places(tmp_path / "w") == [
        (1, 2),
        (1, 4),
        (1, 6),
        (2, 1),
        (2, 3),
        (2, 5),
        (2, 7),
    ]


def test_seconds_wait_for_what_the_epochs_end_brings(data, tmp_path):
    """If its name or monitor is missing, a save waits for the epoch's end, once."""
    import keras

    one = callback(tmp_path, "{epoch}-{val_loss:.2f}.weights.h5", period=5)
    fit(make_model(keras), data, slow(keras), one, validation_split=0.2, epochs=2)
    assert places(tmp_path) == [(1, None), (2, None)]
    assert not any("nan" in name for name in names(tmp_path))
    best = callback(tmp_path / "b", save_best_only=True, period=5)
    fit(make_model(keras), data, slow(keras), best, validation_split=0.2)
    assert places(tmp_path / "b") == [(1, None)]


def test_more_seconds_than_there_are(data, tmp_path):
    """Only the saves of `save_freq` fall due."""
    import keras

    fit(make_model(keras), data, callback(tmp_path, save_seconds=1000), epochs=2)
    assert places(tmp_path) == [(1, None), (2, None)]


def test_samples_that_nobody_counts(tmp_path):
    """They need not be countable: time is enough, and the record has no count."""
    import keras
    import numpy as np

    class OwnStep(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(1)

        def call(self, x):
            return self.dense(x)

        def train_step(self, *arguments):
            return super().train_step(*arguments)

    model = OwnStep()
    model.compile("sgd", "mean_squared_error")
    x = np.ones((12, 3), "float32")
    one = callback(tmp_path, save_seconds=0.001)
    fit(model, (x, x[:, :1]), slow(keras), one)
    assert len(places(tmp_path)) > 2
    if backend_of(keras) != "jax":  # JAX's step has another name inside
        assert {line["samples"] for line in lines(tmp_path)} == {None}


def test_the_time_goes_on_from_fit_to_fit(data, tmp_path):
    """Short trainings in a row still save: the time counts from the last save."""
    import keras

    one, model = callback(tmp_path, period=100, save_seconds=0.3), make_model(keras)
    for _ in range(4):
        fit(model, data, slow(keras, 0.02), one)
    assert len(places(tmp_path)) >= 1


def test_what_is_told(data, tmp_path, capsys):
    """With `verbose=1`, both intervals are named, and why nothing was saved."""
    import keras

    one = callback(tmp_path, save_seconds=90.5, period=3, verbose=1)
    fit(make_model(keras), data, one)
    said = capsys.readouterr().out
    assert "saving every 3 epochs or 90.5 seconds" in said
    assert "NO CHECKPOINT WAS SAVED" in said
    assert "3 epochs or 90.5 seconds had not passed yet" in said


@pytest.mark.parametrize(
    "arguments",
    [{"save_seconds": 1000}, {"save_seconds": None, "save_on_exit": True}],
    ids=["save_seconds", "save_on_exit"],
)
def test_a_batch_costs_next_to_nothing(tmp_path, arguments):
    """If nothing is due, both hooks together take less than 50 microseconds."""
    import keras

    one = callback(tmp_path, **arguments)
    one.set_params({"steps": 2000})
    one.set_model(make_model(keras))
    one.on_train_begin()
    one.on_epoch_begin(0)
    took = []
    for batch in range(2000):
        began = time.perf_counter()
        one.on_batch_begin(batch)
        one.on_batch_end(batch, {"loss": 1.0})
        took.append(time.perf_counter() - began)
    one.on_train_end()
    assert statistics.median(took) < 50e-6


def test_with_neither_there_is_no_batch_hook():
    """So Keras keeps dispatching hooks asynchronously; with either, there is one."""
    plain = ModelCheckpoint("w.keras")
    assert plain.on_batch_end._is_default
    assert plain.on_test_batch_end._is_default
    timed = ModelCheckpoint("w.keras", save_seconds=60)
    assert not hasattr(timed.on_batch_end, "_is_default")
    assert timed.on_test_batch_end._is_default
    exits = ModelCheckpoint("w.keras", save_on_exit=True)
    assert not hasattr(exits.on_batch_end, "_is_default")
    assert not hasattr(exits.on_test_batch_end, "_is_default")

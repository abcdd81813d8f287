"""Samples are counted exactly, whatever feeds the model, or an error says why not."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import SAMPLES, backend_of, checkpoints, fit, lines, make_model

from modelcheckpoint import ModelCheckpoint
from modelcheckpoint.observe.metric_readers import feeds_no_weight

pytestmark = pytest.mark.slow


def arrays(K, x, y):
    return {"x": x, "y": y, "batch_size": 4}


def weighted(K, x, y):
    weights = np.linspace(0, 3, len(x))
    return {"x": x, "y": y, "batch_size": 4, "sample_weight": weights}


def dataset(K, x, y):
    tf = pytest.importorskip("tensorflow")
    return {"x": tf.data.Dataset.from_tensor_slices((x, y)).batch(4)}


def generator(K, x, y):
    sizes = (1, 9, 2, 13)  # of varying size; together SAMPLES

    def batches():
        while True:
            start = 0
            for size in sizes:
                yield x[start : start + size], y[start : start + size]
                start += size

    return {"x": batches(), "steps_per_epoch": len(sizes)}


def sequence(K, x, y):
    base = getattr(K.utils, "PyDataset", None) or K.utils.Sequence

    class Batches(base):
        def __len__(self):
            return 7

        def __getitem__(self, index):
            return x[index * 4 : index * 4 + 4], y[index * 4 : index * 4 + 4]

    return {"x": Batches(), "shuffle": False}


FEEDS = [arrays, weighted, dataset, generator, sequence]


def cumulated(feed, epochs):
    sizes = [1, 9, 2, 13] if feed is generator else [4, 4, 4, 4, 4, 4, 1]
    return np.cumsum(sizes * epochs).tolist()


@pytest.mark.parametrize("feed", FEEDS)
@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.keras2
def test_every_sample_is_counted(K, feed, steps, tmp_path, data):
    """Every batch's end has the exact count, across epochs and uneven batches.

    With `save_freq=1` a save falls due at each hook, so the names show each count.
    """
    if steps > 1 and backend_of(K) == "torch":
        pytest.skip("Keras has no steps_per_execution on Torch")
    # With 4 steps in an epoch, Keras makes 6 if it runs 3 at once.
    steps = 2 if feed is generator and steps > 1 else steps
    model = make_model(K, steps_per_execution=steps)
    path = tmp_path / "{samples}.weights.h5"
    callback = ModelCheckpoint(path, save_freq=1, save_weights_only=True)
    arguments = feed(K, *data)
    model.fit(**arguments, epochs=2, verbose=0, callbacks=[callback])
    seen = [line["samples"] for line in lines(tmp_path)]
    possible = cumulated(feed, epochs=2)
    assert seen[-1] == 2 * SAMPLES
    assert set(seen) <= set(possible)
    assert SAMPLES in seen
    if steps == 1:
        assert seen == possible


@pytest.mark.keras2
def test_due_counts_since_last_due(K, tmp_path, data):
    """Every 10 samples in batches of 4 of 25: at 12, 24, 36 (the count starts at 0)."""
    path = tmp_path / "{epoch}-{batch}-{samples}.weights.h5"
    callback = ModelCheckpoint(path, save_freq=10, save_weights_only=True)
    fit(make_model(K), data, callback, epochs=2)
    names = [line["path"].partition(".")[0] for line in lines(tmp_path)]
    assert names == ["1-3-12", "1-6-24", "2-3-37", "2-6-49"]


@pytest.mark.keras2
def test_validation_is_not_counted(K, tmp_path, data):
    """Validation samples do not count as training samples."""
    path = tmp_path / "{samples}.weights.h5"
    callback = ModelCheckpoint(path, save_freq=20, save_weights_only=True)
    fit(make_model(K), data, callback, epochs=3, validation_data=data)
    assert [line["samples"] for line in lines(tmp_path)] == [20, 41, 62]


@pytest.mark.keras2
def test_several_outputs(K, tmp_path, data):
    """With two outputs and class weights per sample, each sample is counted once."""
    inputs = K.Input((3,))
    outputs = [K.layers.Dense(1, name=name)(inputs) for name in ("a", "b")]
    model = K.Model(inputs, outputs)
    model.compile("sgd", loss=["mean_squared_error", "mean_absolute_error"])
    x, y = data
    path = tmp_path / "{samples}.weights.h5"
    callback = ModelCheckpoint(path, save_freq=25, save_weights_only=True)
    model.fit(x, [y, y], batch_size=4, epochs=2, verbose=0, callbacks=[callback])
    assert [line["samples"] for line in lines(tmp_path)] == [25, 50]


def test_accumulated_gradients(tmp_path, data):
    """An optimizer that updates only every few batches still uses every batch."""
    import keras

    try:
        optimizer = keras.optimizers.SGD(gradient_accumulation_steps=3)
    except (TypeError, ValueError):
        pytest.skip("this Keras does not accumulate gradients")
    model = make_model(keras)
    model.compile(optimizer, loss="mean_squared_error")
    often = ModelCheckpoint(tmp_path / "{samples}.keras", save_freq=1)
    fit(model, data, often, epochs=2, validation_data=data)
    assert [line["samples"] for line in lines(tmp_path)] == cumulated(arrays, 2)
    fit(model, data, ModelCheckpoint(tmp_path / "w.keras"), epochs=2)
    assert [line["samples"] for line in lines(tmp_path)][-2:] == [25, 50]


@pytest.mark.keras2
def test_class_weight(K, tmp_path, data):
    """Class weights change the loss, but not the count."""
    model = make_model(K, loss="binary_crossentropy")
    labels = (data[1] > 0).astype("float32")
    path = tmp_path / "{samples}.weights.h5"
    callback = ModelCheckpoint(path, save_freq=25, save_weights_only=True)
    fit(model, (data[0], labels), callback, class_weight={0: 1.0, 1: 9.0})
    assert [line["samples"] for line in lines(tmp_path)] == [25]


@pytest.mark.keras2
def test_batches_instead_of_samples(K, tmp_path, data):
    """`save_freq_unit="batches"` saves every so many batches, as today's Keras does."""
    path = tmp_path / "{epoch}-{batch}-{samples}.weights.h5"
    arguments = {"save_freq": 5, "save_freq_unit": "batches"}
    callback = ModelCheckpoint(path, save_weights_only=True, **arguments)
    fit(make_model(K), data, callback, epochs=2)
    names = [line["path"].partition(".")[0] for line in lines(tmp_path)]
    assert names == ["1-5-20", "2-3-37"]


def own_train_step(K, base):
    class Own(base):
        def train_step(self, *arguments):
            return super().train_step(*arguments)

    inputs = K.Input((3,))
    model = Own(inputs, K.layers.Dense(1)(inputs))
    model.compile("sgd", loss="mean_squared_error")
    return model


@pytest.mark.keras2
def test_own_train_step(K, tmp_path, data):
    """If `train_step` is the model's own, samples raise an error before training."""
    model = own_train_step(K, K.Model)
    before = model.get_weights()
    with pytest.raises(ValueError, match=r"own `train_step`.*save_freq_unit='batches'"):
        fit(model, data, ModelCheckpoint(tmp_path / "w.keras", save_freq=10))
    assert all(map(np.array_equal, before, model.get_weights()))
    path = tmp_path / "{batch}.weights.h5"
    arguments = {"save_freq": 7, "save_freq_unit": "batches"}
    fit(model, data, ModelCheckpoint(path, save_weights_only=True, **arguments))
    assert checkpoints(tmp_path) == ["7.weights.h5"]


def test_a_tracker_that_stays_at_zero(tmp_path, data):
    """If Keras' mean of the loss is never updated, the first batch raises an error."""
    import keras

    class Unfed(keras.metrics.Mean):
        def update_state(self, values, sample_weight=None):
            pass

    model = make_model(keras)
    model._loss_tracker = Unfed(name="loss")
    with pytest.raises(ValueError, match=r"Keras count them.*save_freq_unit='batches'"):
        fit(model, data, ModelCheckpoint(tmp_path / "w.keras", save_freq=10))


@pytest.mark.parametrize(
    ("fed", "counts_batches"),
    [
        ("loss", True),  # Keras 3.0 and 3.1
        ("loss, sample_weight=tf.shape(tree.flatten(x)[0])[0]", False),  # 3.2
        (
            "\n    unscale(loss),\n    sample_weight=next(i for i in x).shape[0],\n",
            False,
        ),
    ],
)
def test_a_keras_that_counts_batches(fed, counts_batches):
    """If Keras' mean counts batches, this is recognized from how it is updated."""
    assert feeds_no_weight(f"self._loss_tracker.update_state({fed})") is counts_batches


def test_a_mean_called_loss_is_not_taken_for_keras_own(tmp_path, data):
    """A user's metric called `loss` does not disturb the count."""
    import keras

    class Own(keras.Model):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            self.mean = keras.metrics.Mean(name="loss")

        def compute_loss(self, *args, **kwargs):
            loss = super().compute_loss(*args, **kwargs)
            self.mean.update_state(loss)
            return loss

    inputs = keras.Input((3,))
    model = Own(inputs, keras.layers.Dense(1)(inputs))
    model.compile("sgd", loss="mean_squared_error")
    path = tmp_path / "{samples}.weights.h5"
    fit(model, data, ModelCheckpoint(path, save_freq=25, save_weights_only=True))
    assert [line["samples"] for line in lines(tmp_path)] == [25]


@pytest.mark.parametrize("hook", ["on_train_batch_begin", "on_train_batch_end"])
@pytest.mark.parametrize("first", [True, False])
@pytest.mark.keras2
def test_a_reset_in_mid_epoch(K, hook, first, tmp_path, data):
    """A callback that resets metrics within the epoch does not disturb the count.

    If it does so between our hook and the batch, that batch is missed and reported.
    """

    class Reset(K.callbacks.Callback):
        def reset(self, batch, logs=None):
            self.model.reset_metrics()

    setattr(Reset, hook, Reset.reset)
    path = tmp_path / "{samples}.weights.h5"
    callback = ModelCheckpoint(path, save_freq=1, save_weights_only=True)
    callbacks = [Reset(), callback] if first else [callback, Reset()]
    fit(make_model(K), data, *callbacks, epochs=2)
    if callback.problems:
        assert (hook, first) == ("on_train_batch_begin", False)
        assert "reset in the middle of an epoch" in callback.problems[0]
    else:
        assert [line["samples"] for line in lines(tmp_path)] == cumulated(arrays, 2)


@pytest.mark.parametrize(("save_freq", "told"), [(4, True), (5, False)])
def test_a_small_save_freq_is_told(save_freq, told, tmp_path, data, capsys):
    """If somebody writes 4 and means batches, one warning comes at the first batch."""
    import keras

    arguments = {"save_freq": save_freq, "save_weights_only": True}
    fit(
        make_model(keras), data, ModelCheckpoint(tmp_path / "w.weights.h5", **arguments)
    )
    said = capsys.readouterr().out
    assert said.count("a batch holds 4") == (1 if told else 0)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"save_freq": 1000}, "saving every 1000 samples"),
        ({"save_freq": 9, "save_freq_unit": "batches"}, "saving every 9 batches"),
        ({"save_freq": 1, "save_freq_unit": "batches"}, "saving every 1 batch\n"),
        ({"save_seconds": 1}, "saving every 1 epoch or 1 second\n"),
    ],
)
def test_verbose_says_what_the_number_means(arguments, words, tmp_path, data, capsys):
    """With `verbose=1`, training starts with a line on what `save_freq` counts."""
    import keras

    path = tmp_path / "w.keras"
    fit(make_model(keras), data, ModelCheckpoint(path, verbose=1, **arguments))
    assert capsys.readouterr().out.count(words) == 1

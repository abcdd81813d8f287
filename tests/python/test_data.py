"""The sample count is exact for every kind of data that Keras accepts.

With `save_freq=1` a save falls due at the end of each batch: the names and the journal
show the count after every one.
"""

from __future__ import annotations

import numpy as np
import pytest
from conftest import backend_of, lines
from feeds import (
    EVEN,
    VARYING,
    after_each,
    counted,
    is_keras_3,
    pieces,
    skip_where_keras_fails,
)
from keras_process import run_with_keras
from one_layer import make_model

pytestmark = pytest.mark.slow


# tf.data


def dataset_of_unknown_size(tf, x, y):
    """Batch sizes that only the data shows, and no length."""
    signature = tuple(tf.TensorSpec((None, n), "float32") for n in (3, 1))
    made = tf.data.Dataset.from_generator(
        lambda: pieces(x, y, VARYING), output_signature=signature
    )
    return {"x": made}, VARYING * 2


def dataset_filtered(tf, x, y):
    """After a filter, a dataset has no length, either."""
    made = tf.data.Dataset.from_tensor_slices((x, y)).enumerate()
    made = made.filter(lambda i, _: i % 5 != 0).map(lambda _, xy: xy)
    return {"x": made.batch(8).take(3)}, [8, 8, 4] * 2


def dataset_in_short_epochs(tf, x, y):
    """With `steps_per_epoch`, an epoch continues where the last one stopped."""
    made = tf.data.Dataset.from_tensor_slices((x, y)).batch(4)
    return {"x": made, "steps_per_epoch": 3}, EVEN[:6]


def dataset_repeated(tf, x, y):
    """An endless dataset: its smaller batch comes in the middle of an epoch."""
    made = tf.data.Dataset.from_tensor_slices((x, y)).batch(4).repeat()
    return {"x": made, "steps_per_epoch": 5}, (EVEN * 2)[:10]


def dataset_without_the_rest(tf, x, y):
    """The incomplete batch is dropped."""
    made = tf.data.Dataset.from_tensor_slices((x, y)).batch(4, drop_remainder=True)
    return {"x": made}, [4] * 12


def dataset_of_varying_batches(tf, x, y):
    """Two datasets with batches of different sizes, one after the other."""
    made = tf.data.Dataset.from_tensor_slices((x, y))
    made = made.take(10).batch(5).concatenate(made.skip(10).batch(6))
    return {"x": made}, [5, 5, 6, 6, 3] * 2


def dataset_with_weights(tf, x, y):
    """Weights, including zeros, do not change the number of samples."""
    weights = (np.arange(len(x)) % 2).astype("float32")
    made = tf.data.Dataset.from_tensor_slices((x, y, weights)).batch(4)
    return {"x": made}, EVEN * 2


def dataset_of_one_by_one(tf, x, y):
    """Batches of one sample."""
    made = tf.data.Dataset.from_tensor_slices((x, y)).take(5).batch(1)
    return {"x": made}, [1] * 10


DATASETS = [
    dataset_of_unknown_size,
    dataset_filtered,
    dataset_in_short_epochs,
    dataset_repeated,
    dataset_without_the_rest,
    dataset_of_varying_batches,
    dataset_with_weights,
    dataset_of_one_by_one,
]


@pytest.mark.parametrize("feed", DATASETS)
@pytest.mark.keras2
def test_tf_data(K, feed, tmp_path, data):
    """A `tf.data` pipeline of any length, with any batches, is counted."""
    tf = pytest.importorskip("tensorflow")
    arguments, sizes = feed(tf, *data)
    assert counted(K, tmp_path, arguments) == np.cumsum(sizes).tolist()


def test_a_dataset_that_runs_dry(K, tmp_path, data):
    """Data that ends before `steps_per_epoch` is counted as far as it went."""
    tf = pytest.importorskip("tensorflow")
    made = tf.data.Dataset.from_tensor_slices(data).batch(4)
    arguments = {"x": made, "steps_per_epoch": 4}
    assert counted(K, tmp_path, arguments) == after_each(EVEN, 1)


# Validation


def by_split(x, y):
    return {"validation_split": 0.2}, [4] * 5


def by_arrays(x, y):
    # More data than for training, in batches of another size.
    more = np.tile(x, (3, 1)), np.tile(y, (3, 1))
    return {"validation_data": more, "validation_batch_size": 7}, EVEN


def every_other_epoch(x, y):
    return {"validation_data": (x, y), "validation_freq": 2}, EVEN


def in_given_epochs(x, y):
    return {"validation_data": (x, y), "validation_freq": [1, 3]}, EVEN


def some_steps(x, y):
    return {"validation_data": (x, y), "validation_steps": 2}, EVEN


def with_weights(x, y):
    return {"validation_data": (x, y, np.full(len(x), 5.0))}, EVEN


VALIDATIONS = [
    by_split,
    by_arrays,
    every_other_epoch,
    in_given_epochs,
    some_steps,
    with_weights,
]


@pytest.mark.parametrize("validation", VALIDATIONS)
def test_validation(K, validation, tmp_path, data):
    """No kind of validation changes the count."""
    more, sizes = validation(*data)
    x, y = data
    arguments = {"x": x, "y": y, "batch_size": 4, "epochs": 3, **more}
    assert counted(K, tmp_path, arguments) == after_each(sizes, 3)


def test_validation_on_a_dataset(K, tmp_path, data):
    """Validation and training each have their own pipeline."""
    tf = pytest.importorskip("tensorflow")
    made = tf.data.Dataset.from_tensor_slices(data)
    arguments = {"x": made.batch(4), "validation_data": made.repeat(3).batch(9)}
    assert counted(K, tmp_path, arguments) == after_each(EVEN)


# Where training begins and where it ends


@pytest.mark.keras2
def test_initial_epoch(K, tmp_path, data):
    """Training that begins at a later epoch counts only the samples it sees itself."""
    arguments = {"x": data[0], "y": data[1], "batch_size": 4}
    arguments |= {"initial_epoch": 3, "epochs": 5}
    assert counted(K, tmp_path, arguments) == after_each(EVEN)
    assert {line["epoch"] for line in lines(tmp_path)} == {4, 5}


def stopper(K, after):
    class Stop(K.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch + 1 >= after:
                self.model.stop_training = True

    return Stop()


def test_a_stop_in_mid_epoch(K, tmp_path, data):
    """`stop_training`, set at a batch's end, ends training there; nothing is lost."""
    arguments = {"x": data[0], "y": data[1], "batch_size": 4}
    seen = counted(K, tmp_path, arguments, None, stopper(K, after=3))
    assert seen == after_each(EVEN[:3], 1)


# Several steps at once


def steps_of_unknown_number(tf, x, y):
    return *dataset_of_unknown_size(tf, x, y), 2


def steps_of_varying_size(tf, x, y):
    return *dataset_of_varying_batches(tf, x, y), 2


def steps_of_a_repeated_dataset(tf, x, y):
    made = tf.data.Dataset.from_tensor_slices((x, y)).batch(4).repeat()
    return {"x": made, "steps_per_epoch": 6}, (EVEN * 2)[:12], 3


def steps_with_validation(tf, x, y):
    arguments = {"x": x, "y": y, "batch_size": 4, "validation_data": (x, y)}
    return arguments, EVEN * 2, 2


def more_steps_than_batches(tf, x, y):
    return {"x": x, "y": y, "batch_size": 4}, EVEN * 2, 10


MANY_STEPS = [
    steps_of_unknown_number,
    steps_of_varying_size,
    steps_of_a_repeated_dataset,
    steps_with_validation,
    more_steps_than_batches,
]


@pytest.mark.parametrize("feed", MANY_STEPS)
@pytest.mark.keras2
def test_steps_per_execution(K, feed, tmp_path, data):
    """Hooks that are called once for several batches still see the full count."""
    tf = pytest.importorskip("tensorflow")
    if backend_of(K) == "torch":
        pytest.skip("Keras has no steps_per_execution on Torch")
    if feed is steps_of_unknown_number and not is_keras_3(K):
        pytest.skip("tf_keras refuses several steps at once of data without a length")
    arguments, sizes, steps = feed(tf, *data)
    model = make_model(K, steps_per_execution=steps)
    if feed is more_steps_than_batches:
        skip_where_keras_fails(make_model(K, steps_per_execution=steps), arguments)
    seen = counted(K, tmp_path, arguments, model)
    possible = np.cumsum(sizes).tolist()
    assert set(seen) <= set(possible)
    assert seen[-1] == possible[-1]
    assert possible[len(possible) // 2 - 1] in seen  # the end of the first epoch


def test_steps_per_execution_on_arrays(K, tmp_path, data):
    """The same without TensorFlow's datasets: at every third batch, and at the end."""
    if backend_of(K) == "torch":
        pytest.skip("Keras has no steps_per_execution on Torch")
    arguments = {"x": data[0][:24], "y": data[1][:24], "batch_size": 4}
    model = make_model(K, steps_per_execution=3)
    assert counted(K, tmp_path, arguments, model) == [12, 24, 36, 48]


# Several devices


@pytest.fixture(scope="module")
def mirrored(tmp_path_factory):
    """Run both Keras on two logical CPUs, and return the folder of their files.

    In a separate process: the CPU must be split before TensorFlow is first used.
    """
    folder = tmp_path_factory.mktemp("mirrored")
    status, _, errors = run_with_keras("run_mirrored.py", folder)
    assert status == 0, errors[-3000:]
    return folder


@pytest.mark.keras2
def test_mirrored_strategy(K, request):
    """Two replicas of one model: all samples are counted, even an uneven rest.

    They are counted in a separate process, for both Keras at once.
    """
    if backend_of(K) != "tensorflow":
        pytest.skip(f"MirroredStrategy is TensorFlow's; this is {backend_of(K)}")
    folder = request.getfixturevalue("mirrored") / K.__name__
    if (folder / "refused.txt").exists():  # before Keras 3.10
        refused = (folder / "refused.txt").read_text()
        assert "each device" in refused
        assert "save_freq_unit='batches'" in refused
        return
    assert [line["samples"] for line in lines(folder)] == after_each(EVEN)


@pytest.mark.keras2
def test_restore_best_on_a_mirrored_strategy(K, request):
    """By then, Keras 2 has metrics whose sums it cannot load there: they are kept."""
    if backend_of(K) != "tensorflow":
        pytest.skip(f"MirroredStrategy is TensorFlow's; this is {backend_of(K)}")
    folder = request.getfixturevalue("mirrored") / f"{K.__name__}-best"
    assert (folder / "same.txt").read_text() == "True"

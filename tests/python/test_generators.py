"""Data from generators, PyDataset and DataLoader: every sample is counted."""

from __future__ import annotations

import numpy as np
import pytest
from feeds import (
    EVEN,
    VARYING,
    after_each,
    counted,
    is_keras_3,
    pieces,
    skip_where_keras_fails,
)
from one_layer import make_model

pytestmark = pytest.mark.slow


# Python generators


def test_a_generator_for_each_epoch(K, tmp_path, data):
    """A generator with the batches of one epoch ends the epoch when it ends."""
    arguments = {"x": pieces(*data, VARYING), "epochs": 1}
    assert counted(K, tmp_path, arguments) == after_each(VARYING, 1)


def test_a_finite_generator_over_epochs(K, tmp_path, data):
    """Two epochs of two steps use the generator's four batches."""
    arguments = {"x": pieces(*data, VARYING), "steps_per_epoch": 2}
    assert counted(K, tmp_path, arguments) == after_each(VARYING, 1)


def test_a_generator_with_weights(K, tmp_path, data):
    """A generator of (x, y, sample_weight); Keras allows no class weights with it."""
    weighted = ((x, y, np.zeros(len(x))) for x, y in pieces(*data, VARYING))
    arguments = {"x": weighted, "epochs": 1}
    assert counted(K, tmp_path, arguments) == after_each(VARYING, 1)


# PyDataset, or tf_keras' Sequence


@pytest.mark.parametrize(("workers", "queue"), [(1, 10), (2, 1)])
@pytest.mark.keras2
def test_py_dataset(K, workers, queue, tmp_path, data):
    """Batches that threads fetch ahead are counted as they arrive.

    With several threads, Keras 3 delivers some twice and some never, so a metric that
    adds up ones says what arrived.
    """
    base = getattr(K.utils, "PyDataset", None) or K.utils.Sequence
    batches = list(pieces(*data, VARYING))

    class Batches(base):
        def __len__(self):
            return len(VARYING)

        def __getitem__(self, index):
            return batches[index]

    threads = {"workers": workers, "max_queue_size": queue}
    # tf_keras waits five seconds for its threads at each epoch's end.
    epochs = 2 if is_keras_3(K) else 1
    arguments = {"shuffle": False, "epochs": epochs}
    if is_keras_3(K):
        arguments["x"] = Batches(**threads)
    else:
        arguments |= {"x": Batches(), **threads}
    model, came = adding_ones(K)
    seen = counted(K, tmp_path, arguments, model, came)
    assert seen == came.samples
    assert workers > 1 or seen == after_each(VARYING, epochs)


def adding_ones(K):
    """Return a model, and a callback that records the samples the model got."""

    class Ones(K.metrics.Sum):
        def update_state(self, y_true, y_pred, sample_weight=None):
            return super().update_state(y_pred * 0 + 1)

    class Came(K.callbacks.Callback):
        def on_train_begin(self, logs=None):
            self.samples, self.before = [], 0

        def on_train_batch_end(self, batch, logs=None):
            self.samples.append(self.before + round(float(logs["ones"])))

        def on_epoch_end(self, epoch, logs=None):
            self.before = self.samples[-1]

    return make_model(K, metrics=[Ones(name="ones")]), Came()


@pytest.mark.keras2
def test_class_weight(K, tmp_path, data):
    """Class weights, including zero, do not change the number of samples."""
    tf = pytest.importorskip("tensorflow")
    labels = (data[1] > 0).astype("float32")
    made = tf.data.Dataset.from_tensor_slices((data[0], labels)).batch(4)
    arguments = {"x": made, "class_weight": {0: 0.0, 1: 3.0}}
    model = make_model(K, loss="binary_crossentropy")
    assert counted(K, tmp_path, arguments, model) == after_each(EVEN)


def test_py_dataset_without_an_end(tmp_path, data):
    """A PyDataset without a length is counted, too."""
    import keras

    if not hasattr(keras.utils, "PyDataset"):
        pytest.skip("Keras 2 has Sequence only, which has a length")
    batches = list(pieces(*data, VARYING))

    class Endless(keras.utils.PyDataset):
        @property
        def num_batches(self):
            return None

        def __getitem__(self, index):
            return batches[index % len(batches)]

    arguments = {"x": Endless(), "steps_per_epoch": 4, "shuffle": False}
    skip_where_keras_fails(make_model(keras), arguments)
    assert counted(keras, tmp_path, arguments) == after_each(VARYING)


# Torch


@pytest.mark.parametrize("iterable", [False, True])
@pytest.mark.parametrize("drop_last", [False, True])
def test_dataloader(iterable, drop_last, tmp_path, data):
    """A Torch DataLoader, with and without a length, with and without its rest."""
    import keras

    torch = pytest.importorskip("torch")
    x, y = map(torch.from_numpy, data)

    class Stream(torch.utils.data.IterableDataset):
        def __iter__(self):
            return zip(x, y)

    source = Stream() if iterable else torch.utils.data.TensorDataset(x, y)
    loader = torch.utils.data.DataLoader(source, batch_size=4, drop_last=drop_last)
    wanted = after_each(EVEN[:6] if drop_last else EVEN)
    assert counted(keras, tmp_path, {"x": loader}) == wanted

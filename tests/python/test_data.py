"""The sample count is exact on every kind of data that Keras takes.

With `save_freq=1` a save falls due at the end of each batch: the names and the journal
hold the count after every single one.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import SAMPLES, backend_of, lines

from modelcheckpoint import ModelCheckpoint

pytestmark = pytest.mark.slow

EVEN = [4, 4, 4, 4, 4, 4, 1]
VARYING = [1, 9, 2, 13]
HERE = Path(__file__).parent


def make_model(K, loss="mean_squared_error", **compiled):
    model = K.Sequential([K.Input((3,)), K.layers.Dense(1)])
    model.compile("sgd", loss=loss, **compiled)
    return model


def counted(K, folder, arguments, model=None, *others):
    """Return the samples after each batch, as the names and the journal tell them."""
    path = folder / "{samples}.weights.h5"
    callback = ModelCheckpoint(path, save_freq=1, save_weights_only=True)
    arguments = {"epochs": 2, "verbose": 0, **arguments}
    model = model or make_model(K)
    model.fit(**arguments, callbacks=[callback, *others])
    assert callback.problems == []
    seen = lines(folder)
    named = [line["path"] for line in seen]
    assert named == [f"{line['samples']}.weights.h5" for line in seen]
    return [line["samples"] for line in seen]


def after_each(sizes, epochs=2):
    return np.cumsum(sizes * epochs).tolist()


def pieces(x, y, sizes):
    """Yield batches of the given sizes, one after the other."""
    start = 0
    for size in sizes:
        yield x[start : start + size], y[start : start + size]
        start += size


def is_keras_3(K):
    return hasattr(K.utils, "PyDataset")


# tf.data


def dataset_of_unknown_size(tf, x, y):
    """Sizes that only the data tells, and no length."""
    signature = tuple(tf.TensorSpec((None, n), "float32") for n in (3, 1))
    made = tf.data.Dataset.from_generator(
        lambda: pieces(x, y, VARYING), output_signature=signature
    )
    return {"x": made}, VARYING * 2


def dataset_filtered(tf, x, y):
    """What a filter leaves over has no length, either."""
    made = tf.data.Dataset.from_tensor_slices((x, y)).enumerate()
    made = made.filter(lambda i, _: i % 5 != 0).map(lambda _, xy: xy)
    return {"x": made.batch(8).take(3)}, [8, 8, 4] * 2


def dataset_in_short_epochs(tf, x, y):
    """With `steps_per_epoch` an epoch goes on where the last one stopped."""
    made = tf.data.Dataset.from_tensor_slices((x, y)).batch(4)
    return {"x": made, "steps_per_epoch": 3}, EVEN[:6]


def dataset_repeated(tf, x, y):
    """An endless dataset: its ragged batch comes in the middle of an epoch."""
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
    """Weights, zeros among them, do not change how many samples there are."""
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
    """A `tf.data` pipeline of any length and with any batches is counted."""
    tf = pytest.importorskip("tensorflow")
    arguments, sizes = feed(tf, *data)
    assert counted(K, tmp_path, arguments) == np.cumsum(sizes).tolist()


def test_a_dataset_that_runs_dry(K, tmp_path, data):
    """Data that ends before `steps_per_epoch` is counted as far as it went."""
    tf = pytest.importorskip("tensorflow")
    made = tf.data.Dataset.from_tensor_slices(data).batch(4)
    arguments = {"x": made, "steps_per_epoch": 4}
    assert counted(K, tmp_path, arguments) == after_each(EVEN, 1)


# Python generators


def test_a_generator_for_each_epoch(K, tmp_path, data):
    """A generator of one epoch's batches tells its end by ending."""
    arguments = {"x": pieces(*data, VARYING), "epochs": 1}
    assert counted(K, tmp_path, arguments) == after_each(VARYING, 1)


def test_a_finite_generator_over_epochs(K, tmp_path, data):
    """Two epochs of two steps take the four batches that a generator has."""
    arguments = {"x": pieces(*data, VARYING), "steps_per_epoch": 2}
    assert counted(K, tmp_path, arguments) == after_each(VARYING, 1)


def test_a_generator_with_weights(K, tmp_path, data):
    """A generator of (x, y, sample_weight); Keras takes no class weights beside it."""
    weighted = ((x, y, np.zeros(len(x))) for x, y in pieces(*data, VARYING))
    arguments = {"x": weighted, "epochs": 1}
    assert counted(K, tmp_path, arguments) == after_each(VARYING, 1)


# PyDataset, or tf_keras' Sequence


@pytest.mark.parametrize(("workers", "queue"), [(1, 10), (2, 1)])
@pytest.mark.keras2
def test_py_dataset(K, workers, queue, tmp_path, data):
    """Batches that threads fetch ahead are counted as they come.

    With several threads Keras 3 hands some out twice and some never, so what came is
    asked of a metric that adds up ones.
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
    """Return a model, and a callback that knows the samples that it was given."""

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
    """Class weights, zero among them, do not change how many samples there are."""
    tf = pytest.importorskip("tensorflow")
    labels = (data[1] > 0).astype("float32")
    made = tf.data.Dataset.from_tensor_slices((data[0], labels)).batch(4)
    arguments = {"x": made, "class_weight": {0: 0.0, 1: 3.0}}
    model = make_model(K, loss="binary_crossentropy")
    assert counted(K, tmp_path, arguments, model) == after_each(EVEN)


def test_py_dataset_without_an_end(tmp_path, data):
    """A PyDataset of no length is counted, too."""
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


# Arrays and their relatives


def dict_inputs(K, x, y):
    """Two inputs by name, the smaller one first."""
    inputs = {"b": K.Input((3,), name="b"), "a": K.Input((1,), name="a")}
    joined = K.layers.Concatenate()([inputs["b"], inputs["a"]])
    return K.Model(inputs, K.layers.Dense(1)(joined)), {"x": {"a": y, "b": x}, "y": y}


def nested_inputs(K, x, y):
    """A tuple that holds a dictionary."""
    first, second = K.Input((3,), name="first"), K.Input((1,), name="second")
    outputs = K.layers.Dense(1)(K.layers.Concatenate()([first, second]))
    try:
        model = K.Model((first, {"second": second}), outputs)
    except ValueError as error:
        pytest.skip(f"this Keras makes no such model: {str(error)[:80]}")
    return model, {"x": (x, {"second": y}), "y": y}


def inputs_of_several_shapes(K, x, y):
    """Images and vectors: the first axis is the samples in each."""
    image, vector = K.Input((2, 2, 3)), K.Input((3,))
    joined = K.layers.Concatenate()([K.layers.Flatten()(image), vector])
    model = K.Model([image, vector], K.layers.Dense(1)(joined))
    return model, {"x": [np.tile(x[:, None, None, :], (1, 2, 2, 1)), x], "y": y}


def dict_outputs(K, x, y):
    """Two outputs by name, with a weight for each sample."""
    inputs = K.Input((3,))
    heads = {name: K.layers.Dense(1, name=name)(inputs) for name in ("p", "q")}
    return K.Model(inputs, heads), {"x": x, "y": {"p": y, "q": y}}


def sequences_as_output(K, x, y):
    """Five values for each sample, each of which has a loss."""
    model = K.Sequential([K.Input((3,)), K.layers.RepeatVector(5), K.layers.Dense(1)])
    return model, {"x": x, "y": np.tile(y[:, None, :], (1, 5, 1))}


def no_weight_at_all(K, x, y):
    """Every sample has the weight 0."""
    return make_model(K), {"x": x, "y": y, "sample_weight": np.zeros(len(x))}


def integers(K, x, y):
    """Whole numbers as input, a vector of them as labels."""
    layers = [K.Input((3,)), K.layers.Embedding(10, 2), K.layers.Flatten()]
    model = K.Sequential([*layers, K.layers.Dense(1)])
    return model, {"x": (abs(x) * 3).astype("int32"), "y": y[:, 0]}


ARRAYS = [
    dict_inputs,
    nested_inputs,
    inputs_of_several_shapes,
    dict_outputs,
    sequences_as_output,
    no_weight_at_all,
    integers,
]


@pytest.mark.parametrize("feed", ARRAYS)
def test_arrays(K, feed, tmp_path, data):
    """Arrays in any structure are counted by their first axis."""
    model, arguments = feed(K, *data)
    model.compile("sgd", loss="mean_squared_error")
    arguments["batch_size"] = 4
    assert counted(K, tmp_path, arguments, model) == after_each(EVEN)


def test_one_batch_is_all(K, tmp_path, data):
    """A batch larger than the data has as many samples as there are."""
    arguments = {"x": data[0], "y": data[1], "batch_size": 1000}
    assert counted(K, tmp_path, arguments) == [SAMPLES, 2 * SAMPLES]


def test_pandas(K, tmp_path, data):
    """Data frames count as the arrays that they hold."""
    pandas = pytest.importorskip("pandas")
    x, y = (pandas.DataFrame(array) for array in data)
    arguments = {"x": x, "y": y, "batch_size": 4}
    assert counted(K, tmp_path, arguments) == after_each(EVEN)


@pytest.mark.parametrize("package", ["tensorflow", "torch", "jax"])
def test_tensors(K, package, tmp_path, data):
    """Tensors of any package that this Keras takes count as arrays do."""
    module = pytest.importorskip(package)
    if package != backend_of(K):
        pytest.skip(f"Keras runs on {backend_of(K)} here")
    ways = {"tensorflow": "constant", "torch": "tensor"}
    tensor = (
        module.numpy.asarray if package == "jax" else getattr(module, ways[package])
    )
    arguments = {"x": tensor(data[0]), "y": tensor(data[1]), "batch_size": 4}
    assert counted(K, tmp_path, arguments) == after_each(EVEN)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float64"])
@pytest.mark.keras2
def test_other_precisions(K, dtype, tmp_path, data):
    """Keras counts in its own default type; the short ones, which round, are refused.

    bfloat16 holds whole numbers up to 256 only, float16 up to 2048.
    """
    if dtype == "bfloat16" and not hasattr(K, "ops"):
        pytest.skip("Keras 2 has no bfloat16 as floatx")
    x, y = (np.tile(array, (100, 1)) for array in data)
    before = K.backend.floatx()
    K.backend.set_floatx(dtype)
    try:
        model = make_model(K)
        arguments = {"x": x, "y": y, "batch_size": 25, "verbose": 0, "epochs": 2}
        path = tmp_path / "w.weights.h5"
        callback = ModelCheckpoint(path, save_weights_only=True, save_freq=600)
        refused = refusal_of(model, {**arguments, "callbacks": [callback]})
    finally:
        K.backend.set_floatx(before)
    if dtype == "float64":
        assert [line["samples"] for line in lines(tmp_path)] == list(
            range(600, 2 * len(x) + 1, 600)
        )
    else:
        assert f"`floatx` set to {dtype}" in refused
        assert "save_freq_unit='batches'" in refused
        assert not (tmp_path / "modelcheckpoint.jsonl").exists()


def refusal_of(model, arguments):
    try:
        model.fit(**arguments)
    except ValueError as error:
        return str(error)
    return ""


# Validation


def by_split(x, y):
    return {"validation_split": 0.2}, [4] * 5


def by_arrays(x, y):
    # More of it than of the training, in batches of its own size.
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
    """No way of validating adds to the count, or takes from it."""
    more, sizes = validation(*data)
    x, y = data
    arguments = {"x": x, "y": y, "batch_size": 4, "epochs": 3, **more}
    assert counted(K, tmp_path, arguments) == after_each(sizes, 3)


def test_validation_on_a_dataset(K, tmp_path, data):
    """Validation that has its own pipeline, and so has training."""
    tf = pytest.importorskip("tensorflow")
    made = tf.data.Dataset.from_tensor_slices(data)
    arguments = {"x": made.batch(4), "validation_data": made.repeat(3).batch(9)}
    assert counted(K, tmp_path, arguments) == after_each(EVEN)


# Where training begins and where it ends


@pytest.mark.keras2
def test_initial_epoch(K, tmp_path, data):
    """Training that begins at a later epoch counts the samples that it sees itself."""
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
    """`stop_training` set at a batch's end ends training there; nothing is lost."""
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
    """Hooks that are called once for several batches still see the whole count."""
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


def skip_where_keras_fails(model, arguments):
    try:
        model.fit(**arguments, verbose=0)
    # Keras 3.4, at an epoch without a whole execution; Keras 3.2, of no length
    except (TypeError, NotImplementedError) as error:
        pytest.skip(f"this Keras fails without any callback, too: {error!r}")


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

    In a process of its own: a CPU is cut in two before TensorFlow is used at all.
    """
    folder = tmp_path_factory.mktemp("mirrored")
    command = [sys.executable, HERE / "run_mirrored.py", folder]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


@pytest.mark.keras2
def test_mirrored_strategy(K, request):
    """Two replicas of one model: the samples of both are counted, the uneven rest too.

    They are counted in a process of its own, for both Keras at once.
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

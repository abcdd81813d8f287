"""Arrays, data frames and tensors: every sample is counted."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import SAMPLES, backend_of, lines
from feeds import (
    EVEN,
    after_each,
    counted,
    refusal_of,
)
from one_layer import make_model

from modelcheckpoint import ModelCheckpoint

pytestmark = pytest.mark.slow


def dict_inputs(K, x, y):
    """Two inputs by name, the smaller one first."""
    inputs = {"b": K.Input((3,), name="b"), "a": K.Input((1,), name="a")}
    joined = K.layers.Concatenate()([inputs["b"], inputs["a"]])
    return K.Model(inputs, K.layers.Dense(1)(joined)), {"x": {"a": y, "b": x}, "y": y}


def nested_inputs(K, x, y):
    """A tuple that contains a dictionary."""
    first, second = K.Input((3,), name="first"), K.Input((1,), name="second")
    outputs = K.layers.Dense(1)(K.layers.Concatenate()([first, second]))
    try:
        model = K.Model((first, {"second": second}), outputs)
    except ValueError as error:
        pytest.skip(f"this Keras makes no such model: {str(error)[:80]}")
    return model, {"x": (x, {"second": y}), "y": y}


def inputs_of_several_shapes(K, x, y):
    """Images and vectors: the first axis always counts the samples."""
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
    """Five values for each sample, each with its own loss."""
    model = K.Sequential([K.Input((3,)), K.layers.RepeatVector(5), K.layers.Dense(1)])
    return model, {"x": x, "y": np.tile(y[:, None, :], (1, 5, 1))}


def no_weight_at_all(K, x, y):
    """Every sample has the weight 0."""
    return make_model(K), {"x": x, "y": y, "sample_weight": np.zeros(len(x))}


def integers(K, x, y):
    """Integers as input, a vector of integers as labels."""
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
    """A batch larger than the data has as many samples as the data."""
    arguments = {"x": data[0], "y": data[1], "batch_size": 1000}
    assert counted(K, tmp_path, arguments) == [SAMPLES, 2 * SAMPLES]


def test_pandas(K, tmp_path, data):
    """Data frames count like the arrays they hold."""
    pandas = pytest.importorskip("pandas")
    x, y = (pandas.DataFrame(array) for array in data)
    arguments = {"x": x, "y": y, "batch_size": 4}
    assert counted(K, tmp_path, arguments) == after_each(EVEN)


@pytest.mark.parametrize("package", ["tensorflow", "torch", "jax"])
def test_tensors(K, package, tmp_path, data):
    """Tensors of any package that this Keras accepts count like arrays."""
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
    """Keras counts in its own default type; short types, which round, are refused.

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

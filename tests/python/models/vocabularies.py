"""Layers with a vocabulary, and other layers that adapt."""

from __future__ import annotations

import numpy as np
import pytest

from .base import (
    ERROR,
    FILE,
    IN_HDF5_ERROR,
    backend,
    case,
    keras,
    needs,
    numbers,
    stack,
    tokens,
    words,
)


# Weights can be loaded into a model that is made with its vocabulary.
@case(h5=ERROR, data=words, keras2=True, cells2=IN_HDF5_ERROR)
def string_lookup(K):
    layer = K.layers.StringLookup(output_mode="multi_hot")
    layer.adapt(["a", "b", "b"])
    return stack(K, layer, K.layers.Dense(1), shape=(1,), dtype="string")


@case(h5=ERROR, data=words, keras2=True, cells2=IN_HDF5_ERROR)
def text_vectorization(K):
    layer = K.layers.TextVectorization(output_sequence_length=2)
    layer.adapt(["a b", "c"])
    pool = K.layers.GlobalAveragePooling1D()
    layers = (layer, K.layers.Embedding(9, 2), pool, K.layers.Dense(1))
    return stack(K, *layers, shape=(1,), dtype="string")


@case(data=words)
def vocabulary_given(K):
    layer = K.layers.StringLookup(vocabulary=["a", "b"], output_mode="multi_hot")
    return stack(K, layer, K.layers.Dense(1), shape=(1,), dtype="string")


@case(h5=ERROR, data=words)
def vocabulary_in_a_nested_model(K):
    layer = K.layers.StringLookup(output_mode="multi_hot")
    layer.adapt(["a", "b", "b"])
    inner = K.Sequential([K.Input((1,), dtype="string"), layer])
    return stack(K, inner, K.layers.Dense(1), shape=(1,), dtype="string")


@case(h5=ERROR, data=tokens)
def integer_lookup(K):
    needs("tensorflow", "IntegerLookup looks up in TensorFlow")
    layer = K.layers.IntegerLookup(output_mode="multi_hot")
    layer.adapt(np.array([1, 2, 2, 5]))
    return stack(K, layer, K.layers.Dense(1), shape=(4,), dtype="int64")


@case(data=words)
def hashing(K):
    layer = K.layers.Hashing(4, output_mode="one_hot")
    return stack(K, layer, K.layers.Dense(1), shape=(1,), dtype="string")


@case(data=tokens)
def category_encoding(K):
    layer = K.layers.CategoryEncoding(7, output_mode="count")
    model = stack(K, layer, K.layers.Dense(1), shape=(4,), dtype="int32")
    try:
        model.predict(tokens(K)[0], verbose=0)
    except TypeError as error:
        pytest.skip(f"Keras {keras.__version__} casts the integers: {error}")
    return model


def adapted(K):
    layer = K.layers.Normalization()
    layer.adapt(np.random.default_rng().normal(size=(8, 3)).astype("float32"))
    return layer


@case()
def discretization(K):
    pytest.importorskip("tensorflow", reason="Discretization adapts by TensorFlow")
    layer = K.layers.Discretization(num_bins=3)
    layer.adapt(numbers(K)[0])
    return stack(K, layer, K.layers.Embedding(3, 2), K.layers.Flatten())


def finished(deeper):
    """Return whether Keras finishes an adapted layer's state that it loads from HDF5.

    Older versions never do; newer ones do not for a nested layer. On Torch this state
    is a view of the variables, so nothing needs finishing.
    """
    if backend() == "torch" or not hasattr(keras, "ops"):
        return FILE
    from keras.src.legacy.saving import legacy_h5_format as legacy

    code = getattr(getattr(legacy, "_set_weights", None), "__code__", None)
    known = code is not None and "finalize_state" in code.co_names
    return FILE if known and not deeper else ERROR


@case(h5=finished(deeper=False), hdf5=finished(deeper=False))
def normalization(K):
    return stack(K, adapted(K), K.layers.Dense(1))


@case(h5=finished(deeper=True), hdf5=finished(deeper=True))
def normalization_in_a_nested_model(K):
    inner = K.Sequential([K.Input((3,)), adapted(K)])
    return stack(K, inner, K.layers.Dense(1))


# A layer that was not adapted is as its config makes it, nested or not.
@case()
def normalization_of_nothing_in_a_nested_model(K):
    inner = K.Sequential([K.Input((3,)), K.layers.Normalization()])
    return stack(K, inner, K.layers.Dense(1))

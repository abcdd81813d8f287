"""A model at one moment, as arrays that can be compared bit by bit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

keras = pytest.importorskip("keras")


@dataclass(frozen=True)
class State:
    """A model at one moment: its optimizers' variables and its outputs."""

    kind: str
    optimizers: list[np.ndarray]
    predicted: list[np.ndarray]
    evaluated: list[np.ndarray]


def variables_of(model):
    """Return a model's weights without vocabularies, which are weights in Keras 2."""
    return [weight for weight in model.weights if hasattr(weight, "assign")]


def slots_of(K, model):
    """Return the variables of all optimizers that a model has."""
    values = (getattr(model, "optimizer", None), *vars(model).values())
    found = (v for v in values if isinstance(v, K.optimizers.Optimizer))
    optimizers = {id(optimizer): optimizer for optimizer in found}
    return arrays(v for o in optimizers.values() for v in o.variables)


def first_batch(values):
    """Return the first four samples: of an array, or of each in a dictionary."""
    if isinstance(values, dict):
        return {key: value[:4] for key, value in values.items()}
    return values[:4]


def predict(K, model, x):
    for layer in model.layers:
        if isinstance(layer, K.layers.RNN) and layer.stateful:
            layer.reset_state()  # no format of Keras saves it
    outputs = model(first_batch(x), training=False)
    outputs = outputs if isinstance(outputs, dict) else {"": outputs}
    return arrays(outputs[key] for key in sorted(outputs))


def arrays(variables):
    convert = getattr(getattr(keras, "ops", None), "convert_to_numpy", np.array)
    return [np.array(convert(variable)) for variable in variables]


def assert_equal(what, ones, others):
    assert equal(ones, others), f"{what}: {ones} and {others}"


def equal(ones, others):
    """Return whether two lists of arrays are equal bit by bit."""
    return [(a.shape, a.tobytes()) for a in ones] == [
        (a.shape, a.tobytes()) for a in others
    ]

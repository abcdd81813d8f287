"""Keras' own callbacks next to ours: the model, the orders, what they need."""

from __future__ import annotations

import importlib.util

import pytest

EVERY = 30
NEEDS = {"RemoteMonitor": ["requests"], "TensorBoard": ["tensorflow", "tensorboard"]}


@pytest.fixture
def same_start(K):
    """Have each test draw the same numbers."""
    K.utils.set_random_seed(7)


def adam_model(K, ema=False):
    model = K.Sequential([K.Input((3,)), K.layers.Dense(2), K.layers.Dense(1)])
    average = {"use_ema": True, "ema_momentum": 0.5} if ema else {}
    optimizer = K.optimizers.Adam(0.01, **average)
    model.compile(optimizer, loss="mean_squared_error")
    optimizer.build(model.trainable_variables)  # so that its step is traced once
    return model


def missing(K, name):
    """Return why Keras' callback is not available here, or None."""
    if not hasattr(K.callbacks, name):
        return f"this {K.__name__} has no {name}"
    for package in NEEDS.get(name, ()):
        if importlib.util.find_spec(package) is None:
            return f"Keras' {name} needs the package {package}, which is missing"
    return None


def ours_first(ours, others):
    return [*ours, *others]


def ours_last(ours, others):
    return [*others, *ours]

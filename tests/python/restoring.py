"""A model that is saved and then restored into another one."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import drive, fit, make_model
from model_state import arrays

from modelcheckpoint import ModelCheckpoint
from modelcheckpoint.formats import format_of_file
from modelcheckpoint.formats.optimizer_state import build

pytest.importorskip("keras")

FORMATS = [(".keras", False), (".h5", False), (".weights.h5", True)]
TEMPLATES = {
    "w.{epoch}.keras": (False, True),
    "w.{epoch}.weights.h5": (True, True),
    "w.{epoch}.h5": (False, True),
    "w.{epoch}.hdf5": (True, False),
}
"""For each format: is it weights only, and does it hold the optimizer's state?"""
rng = np.random.default_rng(0)
X = (rng.normal(size=(16, 4)) * 3 + 2).astype("float32")
Y = X.sum(axis=1, keepdims=True)


def save(model, path, **arguments):
    """Save as the callback does at the end of an epoch."""
    build(model)
    drive(ModelCheckpoint(path, monitor="loss", **arguments), model, 1.0)


def load(model, path, record):
    return format_of_file(path).read(model, path, record)


def saved(K, folder, data, name="w.{epoch}.keras", epochs=2, **arguments):
    """Return a trained model whose checkpoints are in the folder."""
    model = make_model(K)
    fit(model, data, ModelCheckpoint(folder / name, **arguments), epochs=epochs)
    return model


def optimizer_values(model):
    return arrays(model.optimizer.variables)

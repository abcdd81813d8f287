"""A model that is saved, to be restored into another one."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import drive

from modelcheckpoint import ModelCheckpoint
from modelcheckpoint.formats import format_of_file
from modelcheckpoint.formats.optimizer_state import build

keras = pytest.importorskip("keras")

FORMATS = [(".keras", False), (".h5", False), (".weights.h5", True)]
rng = np.random.default_rng(0)
X = (rng.normal(size=(16, 4)) * 3 + 2).astype("float32")
Y = X.sum(axis=1, keepdims=True)


def save(model, path, **arguments):
    """Save as the callback does at the end of an epoch."""
    build(model)
    drive(ModelCheckpoint(path, monitor="loss", **arguments), model, 1.0)


def load(model, path, record):
    return format_of_file(path).read(model, path, record)


def optimizer_values(model):
    return [keras.ops.convert_to_numpy(v) for v in model.optimizer.variables]

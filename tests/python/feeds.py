"""A model, and how its samples are counted with any kind of data."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import lines
from one_layer import make_model

from modelcheckpoint import ModelCheckpoint

EVEN = [4, 4, 4, 4, 4, 4, 1]
VARYING = [1, 9, 2, 13]


def counted(K, folder, arguments, model=None, *others):
    """Return the samples after each batch, as in the names and in the journal."""
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


def refusal_of(model, arguments):
    try:
        model.fit(**arguments)
    except ValueError as error:
        return str(error)
    return ""


def skip_where_keras_fails(model, arguments):
    try:
        model.fit(**arguments, verbose=0)
    # Keras 3.4, at an epoch without a whole execution; Keras 3.2, of no length
    except (TypeError, NotImplementedError) as error:
        pytest.skip(f"this Keras fails even without a callback: {error!r}")

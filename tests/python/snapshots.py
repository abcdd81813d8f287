"""Snapshots of small models, and Keras' own files of the same moments."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest
from contents import contents_of
from keras_files import save_by_keras
from models import trained

from modelcheckpoint.formats import format_of

keras = pytest.importorskip("keras", minversion="3.4")


def format_for(suffix):
    return format_of(f"m{suffix}", suffix, suffix in (".weights.h5", ".hdf5"))


def written(snapshot):
    snapshot.complete()
    return b"".join(bytes(data) for data, _ in snapshot.parts())


def keras_own(model, suffix, folder):
    path = folder / f"keras{suffix}"
    save_by_keras(keras, model, str(path), suffix)
    return path.read_bytes()


def small(*layers, **compiled):
    layers = layers or (keras.layers.Dense(2),)
    return trained(keras.Sequential([keras.Input((3,)), *layers]), **compiled)


def fit(model):
    x = np.random.default_rng(1).normal(size=(8, 3)).astype("float32")
    model.fit(x, x[:, :1], batch_size=4, verbose=0)


def check(snapshotter, model, suffix, folder):
    """A snapshot holds what Keras' own file does, and its archive is sound."""
    ours = written(snapshotter.take(model))
    if suffix == ".keras":
        with zipfile.ZipFile(io.BytesIO(ours)) as archive:
            assert archive.testzip() is None
            assert {info.compress_type for info in archive.infolist()} == {0}
    own = keras_own(model, suffix, folder)
    assert contents_of(ours, suffix) == contents_of(own, suffix)

"""`restore_checkpoint`: restoring a checkpoint by hand."""

from __future__ import annotations

import dataclasses
import os

import keras
import numpy as np
import pytest
from conftest import fit, make_model, same_weights
from restoring import TEMPLATES, optimizer_values, saved

from modelcheckpoint import (
    CheckpointError,
    ModelCheckpoint,
    restore_checkpoint,
)
from modelcheckpoint.formats.reading import before_loading

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", TEMPLATES)
@pytest.mark.keras2
def test_each_format(K, name, tmp_path, data):
    """Weights are restored, and the optimizer's state if the file has it."""
    weights_only, optimizer = TEMPLATES[name]
    trained = saved(K, tmp_path, data, name, save_weights_only=weights_only)
    path = tmp_path / name.format(epoch=2)
    model = make_model(K)
    restored = restore_checkpoint(model, path)
    assert same_weights(model, trained)
    if optimizer:
        pairs = zip(optimizer_values(model), optimizer_values(trained))
        assert all(np.array_equal(here, there) for here, there in pairs)
    record = restored.record
    assert restored.optimizer is optimizer
    assert restored.path == str(path)
    assert (restored.epochs_done, restored.epoch, restored.batch) == (2, 2, None)
    assert (restored.samples, restored.value) == (50, record.value)
    assert record.path == path.name
    with pytest.raises(dataclasses.FrozenInstanceError):
        restored.epoch = 3
    history = fit(model, data, epochs=3, initial_epoch=restored.epochs_done)
    assert history.epoch == [2]


@pytest.mark.parametrize("name", TEMPLATES)
def test_what_comes_before_loading(K, name, tmp_path, data):
    """The function is called once the file fits; if it raises, nothing changes."""
    saved(K, tmp_path, data, name, save_weights_only=TEMPLATES[name][0])
    calls = []

    def ready():
        calls.append("ready")
        if len(calls) == 1:
            raise CheckpointError("process 1 has failed")

    path, model, before = tmp_path / name.format(epoch=2), make_model(K), make_model(K)
    before.set_weights(model.get_weights())
    with before_loading(ready):
        with pytest.raises(CheckpointError, match="process 1"):
            restore_checkpoint(model, path)
        assert same_weights(model, before)
        restore_checkpoint(model, path)
        path.write_bytes(b"")
        with pytest.raises(CheckpointError, match="is damaged"):
            restore_checkpoint(model, path)
    assert len(calls) == 2
    assert not same_weights(model, before)


def test_the_state_of_dropout(tmp_path, data):
    """A model with Dropout continues as if it had not stopped."""
    if keras.backend.backend() == "torch":
        pytest.skip("a `fit` on Torch draws from the generator before it begins")

    def make():
        layers = [keras.Input((3,)), keras.layers.Dense(4), keras.layers.Dropout(0.5)]
        model = keras.Sequential([*layers, keras.layers.Dense(1)])
        model.compile(optimizer="adam", loss="mean_squared_error")
        return model

    one = make()
    callback = ModelCheckpoint(tmp_path / "w.{epoch}.keras")
    fit(one, data, callback, epochs=4, shuffle=False)
    other = make()
    assert restore_checkpoint(other, tmp_path / "w.2.keras").seeds
    fit(other, data, epochs=4, initial_epoch=2, shuffle=False)
    assert same_weights(one, other)


@pytest.mark.keras2
def test_a_model_without_optimizer(K, tmp_path, data):
    """If it is not compiled, it gets its weights."""
    trained = saved(K, tmp_path, data)
    model = K.Sequential([K.Input((3,)), K.layers.Dense(2), K.layers.Dense(1)])
    restored = restore_checkpoint(model, tmp_path / "w.2.keras")
    assert same_weights(model, trained)
    assert not restored.optimizer


@pytest.mark.keras2
def test_a_file_of_keras_own(K, tmp_path, data):
    """Values that only a journal has are None."""
    trained = saved(K, tmp_path / "other", data)
    trained.save(tmp_path / "own.keras")
    model = make_model(K)
    restored = restore_checkpoint(model, str(tmp_path / "own.keras"))
    assert same_weights(model, trained)
    assert restored.optimizer
    assert restored.record is None
    assert restored.epochs_done is None


def test_the_journal_of_a_folder_above(K, tmp_path, data):
    """A template can contain folders."""
    saved(K, tmp_path, data, "{epoch}/w.keras")
    restored = restore_checkpoint(make_model(K), tmp_path / "2" / "w.keras")
    assert restored.epochs_done == 2


def test_a_link_to_a_checkpoint(K, tmp_path, data):
    """The user named it, so it is followed; the journal next to its target is used."""
    saved(K, tmp_path / "run", data)
    os.symlink(tmp_path / "run" / "w.2.keras", tmp_path / "latest.keras")
    restored = restore_checkpoint(make_model(K), tmp_path / "latest.keras")
    assert restored.epochs_done == 2

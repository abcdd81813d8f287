"""Deliberate differences from Keras' own callback: which checkpoint is the best."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import (
    checkpoints,
    drive,
    fit,
    lines,
    make_model,
    names,
    warning_texts,
)

from modelcheckpoint import CheckpointWarning, ModelCheckpoint


def test_a_missing_monitor_saves_nothing(K, tmp_path, data, capsys):
    """Without the monitored value, nothing is saved; one warning lists the keys."""
    path = tmp_path / "w.keras"
    callback = ModelCheckpoint(path, monitor="val_los", save_best_only=True)
    with pytest.warns(CheckpointWarning) as warned:
        fit(make_model(K), data, callback, epochs=3, validation_split=0.2)
    (text,) = warning_texts(warned)
    for part in ("'val_los'", "loss, val_loss", "Did you mean 'val_loss'?"):
        assert part in text
    assert names(tmp_path) == []
    said = capsys.readouterr().out
    assert f"NO CHECKPOINT WAS SAVED to {path}" in said
    assert "Did you mean 'val_loss'?" in said


def test_best_only_with_a_number(K, tmp_path, data):
    """If the value exists only at the epoch's end, the save happens there, once."""
    path = tmp_path / "{epoch}-{batch}-{samples}.keras"
    callback = ModelCheckpoint(path, save_best_only=True, save_freq=5)
    fit(make_model(K), data, callback, epochs=2, validation_data=data)
    assert checkpoints(tmp_path) == ["1-7-25.keras", "2-7-50.keras"]


@pytest.mark.keras2
def test_best_only_with_a_number_and_a_batch_metric(K, tmp_path, data):
    """If the value exists at a batch's end, the save is decided there."""
    path = tmp_path / "{epoch}-{batch}.keras"
    arguments = {"monitor": "loss", "mode": "max", "save_freq": 5}
    callback = ModelCheckpoint(path, save_best_only=True, **arguments)
    fit(make_model(K), data, callback, epochs=2)
    values = [line["value"] for line in lines(tmp_path)]
    assert values == sorted(values)
    assert all("-7" not in name for name in checkpoints(tmp_path)[:1])


def test_a_name_with_a_key_of_the_epochs_end(K, tmp_path, data):
    """A name with a value that exists only at the epoch's end waits for it, too."""
    path = tmp_path / "{epoch}-{batch}-{val_loss:.1f}.keras"
    callback = ModelCheckpoint(path, save_freq=5)
    history = fit(make_model(K), data, callback, epochs=2, validation_data=data)
    first, second = history.history["val_loss"]
    assert checkpoints(tmp_path) == [
        f"1-7-{first:.1f}.keras",
        f"2-7-{second:.1f}.keras",
    ]
    assert callback.problems == []


def test_nan_is_never_the_best(K, tmp_path):
    """The first finite value improves on NaN; NaN improves on nothing."""
    nan = float("nan")
    callback = ModelCheckpoint(tmp_path / "w.keras", save_best_only=True)
    drive(callback, make_model(K), *({"val_loss": v} for v in (nan, 2.0, nan, 1.0)))
    assert [line["value"] for line in lines(tmp_path)] == [2.0, 1.0]


def test_nan_is_told_in_the_journal(tmp_path):
    """The save of a diverged model is in the journal, as valid JSON."""
    import keras

    callback = ModelCheckpoint(tmp_path / "w.{epoch}.keras")
    drive(callback, make_model(keras), {"val_loss": float("nan"), "loss": np.inf})
    (line,) = lines(tmp_path)
    assert (line["value"], line["best"]) == ("NaN", False)
    assert line["logs"] == {"val_loss": "NaN", "loss": "Inf"}


def test_validation_every_other_epoch(K, tmp_path, data):
    """`{val_loss}` with `validation_freq=2` does not end training: nan, one warning."""
    path = tmp_path / "{epoch}-{val_loss:.1f}.keras"
    callback = ModelCheckpoint(path)
    arguments = {"validation_data": data, "validation_freq": 2, "epochs": 4}
    with pytest.warns(CheckpointWarning, match="no number for 'val_loss'") as warned:
        fit(make_model(K), data, callback, **arguments)
    assert len(warning_texts(warned)) == 1
    found = checkpoints(tmp_path)
    assert [name for name in found if "nan" in name] == ["1-nan.keras", "3-nan.keras"]
    assert len(found) == 4


def test_a_typing_error_in_the_name(K, tmp_path, data):
    """A field that never has a value is nan; a message suggests the nearest key."""
    path = tmp_path / "{val_acc:.2f}.keras"
    model = make_model(K, metrics=["accuracy"])
    with pytest.warns(CheckpointWarning, match="Did you mean 'val_accuracy'") as warned:
        fit(model, data, ModelCheckpoint(path), validation_data=data)
    assert "val_loss" in warning_texts(warned)[0]
    assert checkpoints(tmp_path) == ["nan.keras"]
    callback = ModelCheckpoint(path, on_error="raise")
    with pytest.raises(KeyError, match="Failed to format this callback filepath"):
        fit(model, data, callback, validation_data=data)


def test_what_is_no_number_counts_as_missing(tmp_path):
    """Text and vectors in `logs` cannot be part of a name, nor be the best."""
    import keras

    path = tmp_path / "{epoch}-{note}-{vector:.1f}.keras"
    callback = ModelCheckpoint(path, monitor="note")
    with pytest.warns(CheckpointWarning, match="'note', 'vector'"):
        drive(callback, make_model(keras), {"note": "../x", "vector": np.ones(3)})
    assert checkpoints(tmp_path) == ["1-nan-nan.keras"]


def test_auto_mode_knows_metrics(tmp_path, data):
    """Compiled metrics state their direction; others mean `min`, with a warning."""
    import keras

    class Mine(keras.metrics.Mean):
        def __init__(self, name):
            super().__init__(name=name)
            self._direction = "up"

        def update_state(self, y_true, y_pred, sample_weight=None):
            super().update_state(y_pred)

    model = make_model(keras, metrics=[Mine("delight")])
    path = tmp_path / "w.keras"
    callback = ModelCheckpoint(path, monitor="delight", save_best_only=True)
    fit(model, data, callback)
    assert lines(tmp_path)[-1]["mode"] == "max"
    callback = ModelCheckpoint(path, monitor="sorrow", save_best_only=True)
    with pytest.warns(CheckpointWarning, match="cannot tell from the name 'sorrow'"):
        drive(callback, model, {"sorrow": 2.0}, {"sorrow": 3.0}, {"sorrow": 1.0})
    assert callback.best == 1.0

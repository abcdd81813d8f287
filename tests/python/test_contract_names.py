"""The names of files, as `filepath` asks for them."""

from __future__ import annotations

import math
import os
from fractions import Fraction

import pytest
from conftest import (
    checkpoints,
    fit,
    lines,
    make_model,
    posix,
)

from modelcheckpoint import ModelCheckpoint


@pytest.mark.keras2
def test_names_hold_epoch_and_metrics(K, tmp_path, data):
    """The usual template works, in a folder that is created for it."""
    template = tmp_path / "a" / "weights.{epoch:02d}-{val_loss:.2f}.hdf5"
    callback = ModelCheckpoint(template, save_weights_only=True)
    history = fit(make_model(K), data, callback, epochs=2, validation_split=0.2)
    losses = history.history["val_loss"]
    wanted = [f"weights.0{i + 1}-{loss:.2f}.hdf5" for i, loss in enumerate(losses)]
    assert checkpoints(tmp_path / "a") == wanted


def test_any_metric_can_stand_in_a_name(K, tmp_path, data):
    """The text between the braces is a key of `logs`, and makes no folder.

    A later run with the same names resumes, so the journal knows them, too.
    """
    model = make_model(K, metrics=[K.metrics.MeanSquaredError("F1 score"), "mae"])
    values = {"val_out/acc": 0.25, "top-5": 93.125}
    others = K.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: logs.update(values)
    )
    name = "{epoch}-{F1 score:.2f}-{val_out/acc:.3f}-{top-5:.1f}.weights.h5"
    arguments = {"monitor": "F1 score", "save_weights_only": True}
    callback = ModelCheckpoint(tmp_path / name, **arguments)
    scores = fit(model, data, others, callback, epochs=2).history["F1 score"]
    wanted = [f"{i}-{s:.2f}-0.250-93.1.weights.h5" for i, s in enumerate(scores, 1)]
    assert checkpoints(tmp_path) == wanted
    assert callback.problems == []
    callback = ModelCheckpoint(tmp_path / name, resume=True, **arguments)
    fit(make_model(K), data, others, callback, epochs=3)
    assert callback.restored.epochs_done == 2
    # A metric that this model lacks is nan, as in any other field.
    assert checkpoints(tmp_path) == [*wanted, "3-nan-0.250-93.1.weights.h5"]


@posix
@pytest.mark.parametrize("target", ["kept.keras", "nowhere"])
def test_a_link_is_replaced(tmp_path, data, target):
    """The checkpoint replaces the link, and the link's target is not written to."""
    import keras

    (tmp_path / "kept.keras").write_bytes(b"somebody else's")
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "w.keras").symlink_to(tmp_path / target)
    callback = ModelCheckpoint(tmp_path / "runs" / "w.keras")
    fit(make_model(keras), data, callback)
    assert not (tmp_path / "runs" / "w.keras").is_symlink()
    assert keras.models.load_model(tmp_path / "runs" / "w.keras").built
    assert (tmp_path / "kept.keras").read_bytes() == b"somebody else's"
    assert not (tmp_path / "nowhere").exists()
    assert callback.problems == []


def test_a_number_beyond_all_floats_is_infinite(K, tmp_path, data, capsys):
    """10**400 does not end training: not in a name, comparison, message or line."""
    values = {"huge": 10**400, "deep": -(10**5000), "ratio": Fraction(10**400)}
    others = K.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: logs.update(values)
    )
    name = tmp_path / "{epoch}-{huge:.1f}-{deep}-{ratio:e}.weights.h5"
    arguments = {"monitor": "huge", "mode": "max", "verbose": 1, "keep_best": 1}
    records = []
    each = ModelCheckpoint(
        name, save_weights_only=True, on_saved=records.append, **arguments
    )
    best = ModelCheckpoint(
        tmp_path / "best.keras",
        monitor="deep",
        mode="min",
        verbose=1,
        save_best_only=True,
    )
    fit(make_model(K), data, others, each, best)
    assert checkpoints(tmp_path) == ["1-inf--inf-inf.weights.h5"]
    assert (each.best, best.best) == (None, None)
    assert "deep did not improve" in capsys.readouterr().out
    (record,), (line,) = records, lines(tmp_path)
    assert (record.value, line["value"]) == (math.inf, "Inf")
    assert (line["logs"]["deep"], line["logs"]["ratio"]) == ("-Inf", "Inf")


def test_folders_can_have_fields(tmp_path, data):
    """A field in a folder's name makes a folder per value, with one journal for all."""
    import keras

    callback = ModelCheckpoint(tmp_path / "{epoch}" / "w.keras")
    fit(make_model(keras), data, callback, epochs=2)
    assert checkpoints(tmp_path) == ["1/w.keras", "2/w.keras"]
    assert [line["path"] for line in lines(tmp_path)] == ["1/w.keras", "2/w.keras"]


def test_home_and_relative_paths(tmp_path, data, monkeypatch):
    """`~` is the home folder; a relative path starts where `fit` began."""
    import keras

    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()

    class Leave(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            os.chdir(elsewhere)

    callbacks = [
        ModelCheckpoint("~/home.keras"),
        ModelCheckpoint("here.keras"),
        Leave(),
    ]
    fit(make_model(keras), data, *callbacks)
    assert checkpoints(tmp_path) == ["here.keras", "home.keras"]

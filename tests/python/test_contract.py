"""The contract that users rely on: signature, arguments, formats, hooks."""

from __future__ import annotations

import copy
import inspect
import os
import pathlib
import pickle
import subprocess
import sys

import numpy as np
import pytest
from conftest import (
    SAMPLES,
    backend_of,
    checkpoints,
    fit,
    lines,
    make_model,
    same_weights,
)

from modelcheckpoint import ModelCheckpoint

FORMATS = [
    ("w.keras", False),
    ("w.h5", False),
    ("w.hdf5", False),
    ("w.weights.h5", True),
    ("w.h5", True),
    ("w.hdf5", True),
]


def test_signature():
    """The eight known arguments come first and in this order, with these defaults."""
    parameters = list(inspect.signature(ModelCheckpoint).parameters.values())
    assert [(p.name, p.default) for p in parameters[1:8]] == [
        ("monitor", "val_loss"),
        ("verbose", 0),
        ("save_best_only", False),
        ("save_weights_only", False),
        ("mode", "auto"),
        ("period", 1),
        ("save_freq", "epoch"),
    ]
    assert parameters[0].name == "filepath"
    assert all(p.kind is p.KEYWORD_ONLY for p in parameters[8:])


def test_arguments_can_be_read(tmp_path):
    """Every argument is an attribute of the same name, with the value passed."""
    given = {
        "filepath": str(tmp_path / "w.keras"),
        "monitor": "val_accuracy",
        "verbose": 1,
        "save_best_only": True,
        "save_weights_only": False,
        "mode": "max",
        "period": 3,
        "save_freq": "epoch",
        "save_freq_unit": "batches",
        "initial_value_threshold": 0.25,
        "on_error": "raise",
    }
    callback = ModelCheckpoint(**given)
    assert {name: getattr(callback, name) for name in given} == given
    assert callback.best == 0.25
    assert callback.problems == []
    assert ModelCheckpoint(pathlib.Path("w.keras")).filepath == "w.keras"


@pytest.mark.parametrize("name", inspect.signature(ModelCheckpoint).parameters)
def test_arguments_stay_as_they_are(name, tmp_path):
    """Setting one later raises an error, as it would have no effect; subclasses may."""
    callback = ModelCheckpoint(tmp_path / "w.keras")
    with pytest.raises(AttributeError, match=f"`{name}` must be given when"):
        setattr(callback, name, None)
    callback.of_its_own = None


@pytest.mark.parametrize(("name", "weights_only"), FORMATS)
@pytest.mark.keras2
def test_every_format_loads_with_plain_keras(K, name, weights_only, tmp_path, data):
    """What is written loads with plain Keras and gives the same predictions."""
    model = make_model(K)
    path = tmp_path / "new" / name
    fit(model, data, ModelCheckpoint(path, save_weights_only=weights_only))
    if weights_only:
        loaded = make_model(K)
        loaded.build((None, 3))
        loaded.load_weights(str(path))
    else:
        loaded = K.models.load_model(str(path))
    assert same_weights(model, loaded)
    predictions = [m.predict(data[0], verbose=0) for m in (model, loaded)]
    assert np.array_equal(*predictions)
    assert checkpoints(tmp_path / "new") == [name]
    assert (path.stat().st_mode & 0o777) == 0o666 & ~_umask()


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


@pytest.mark.parametrize("epochs", [[5], [1, 1, 1, 1, 1]])
def test_period_counts_epochs_since_a_save_was_due(K, tmp_path, data, epochs):
    """`period=2` saves after epochs 2 and 4, even over several short fits."""
    model = make_model(K)
    callback = ModelCheckpoint(tmp_path / "w.{epoch}.keras", period=2)
    done = 0
    for more in epochs:
        arguments = {"initial_epoch": done, "epochs": done + more}
        fit(model, data, callback, **arguments)
        done += more
    assert checkpoints(tmp_path) == ["w.2.keras", "w.4.keras"]


def test_period_is_no_remainder(tmp_path, data):
    """It counts from where training begins: from epoch 3 (of 0, 1, ...), two later."""
    import keras

    callback = ModelCheckpoint(tmp_path / "w.{epoch}.keras", period=2)
    fit(make_model(keras), data, callback, initial_epoch=2, epochs=7)
    assert checkpoints(tmp_path) == ["w.4.keras", "w.6.keras"]


def test_period_with_save_freq_is_ignored(tmp_path):
    """As in tf.keras, a number for `save_freq` overrides `period`, with a warning."""
    with pytest.warns(UserWarning, match="`period=2` is ignored"):
        callback = ModelCheckpoint(tmp_path / "w.keras", period=2, save_freq=10)
    assert len(callback.problems) == 1


def test_best_only_never_overwrites_a_better_one(K, tmp_path, data):
    """The file holds the weights of the best epoch, by the monitored value."""
    model = make_model(K)
    best, each = tmp_path / "best.keras", tmp_path / "{epoch}.keras"
    callback = ModelCheckpoint(best, save_best_only=True)
    model.optimizer.learning_rate.assign(0.02)
    callbacks = [callback, ModelCheckpoint(each)]
    history = fit(model, data, *callbacks, epochs=8, validation_split=0.2)
    losses = history.history["val_loss"]
    winner = K.models.load_model(str(tmp_path / f"{np.argmin(losses) + 1}.keras"))
    assert same_weights(winner, K.models.load_model(str(best)))
    assert callback.best == pytest.approx(min(losses))
    saved = [x for x in lines(tmp_path) if x["path"] == "best.keras"]
    assert [x["value"] for x in saved] == sorted({x["value"] for x in saved})[::-1]


def test_initial_value_threshold(K, tmp_path, data, capsys):
    """Values that do not beat the threshold are not saved; the end of fit says so."""
    path = tmp_path / "w.keras"
    arguments = {"save_best_only": True, "initial_value_threshold": 0.0}
    fit(make_model(K), data, ModelCheckpoint(path, monitor="loss", **arguments))
    assert checkpoints(tmp_path) == []
    said = capsys.readouterr().out
    assert "NO CHECKPOINT WAS SAVED" in said
    assert "loss did not improve from 0.0" in said


def test_verbose_says_each_decision(K, tmp_path, data, capsys):
    """One line for saved, improved and not improved; nothing without `verbose`."""
    model = make_model(K)
    first = {"loss": 0.5, "val_loss": 0.5}
    for verbose in (0, 1):
        arguments = {"save_best_only": True, "verbose": verbose}
        callback = ModelCheckpoint(tmp_path / f"{verbose}.keras", **arguments)
        callback.set_model(model)
        callback.on_train_begin()
        for epoch, value in enumerate((0.5, 0.25, 0.75)):
            callback.on_epoch_begin(epoch)
            callback.on_epoch_end(epoch, {**first, "val_loss": value})
        callback.on_train_end()
        said = capsys.readouterr().out.split("\n")
    path = tmp_path / "1.keras"
    # On Keras 2, one line says that it cannot be saved in the background.
    assert [line for line in said if line and "training waits" not in line] == [
        f"Epoch 1: val_loss improved to 0.50000, saved {path}",
        f"Epoch 2: val_loss improved from 0.50000 to 0.25000, saved {path}",
        "Epoch 3: val_loss did not improve from 0.25000 (0.75000)",
    ]


def test_silent_without_verbose(tmp_path, data, capsys, recwarn):
    """Without a problem, nothing is printed."""
    import keras

    fit(make_model(keras), data, ModelCheckpoint(tmp_path / "w.keras"))
    assert capsys.readouterr().out == ""
    assert [w for w in recwarn if "modelcheckpoint" in str(w.filename)] == []


def test_tensorflow_is_not_needed(tmp_path):
    """On JAX and Torch, saving works without TensorFlow."""
    import keras

    if backend_of(keras) == "tensorflow":
        pytest.skip("Keras runs on TensorFlow here")
    script = """
import sys
sys.modules["tensorflow"] = None  # importing it is now an error
import keras, numpy
from modelcheckpoint import ModelCheckpoint
model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
model.compile("adam", loss="mean_squared_error")
x = numpy.zeros((8, 3))
each = [
    ModelCheckpoint("{samples}.keras", save_freq=4),
    ModelCheckpoint("w.h5"),
    ModelCheckpoint("w.hdf5", save_weights_only=True),
    ModelCheckpoint("w.weights.h5", save_weights_only=True),
]
model.fit(x, x[:, :1], batch_size=4, verbose=0, callbacks=each)
keras.models.load_model("8.keras")
"""
    command = [sys.executable, "-c", script]
    subprocess.run(command, cwd=tmp_path, check=True)
    wanted = ["4.keras", "8.keras", "w.h5", "w.hdf5", "w.weights.h5"]
    assert checkpoints(tmp_path) == wanted


def test_pickled_and_copied_before_use(tmp_path, data):
    """A callback survives pickle and deepcopy, and the copy does the work."""
    import keras

    callback = ModelCheckpoint(tmp_path / "w.{epoch}-{batch}.keras", save_freq=10)
    copies = [pickle.loads(pickle.dumps(callback)), copy.deepcopy(callback)]
    for one in copies:
        fit(make_model(keras), data, one)
        assert one.problems == []
    assert checkpoints(tmp_path) == ["w.1-3.keras", "w.1-6.keras"]


def test_another_model_is_another_run(tmp_path, data):
    """A callback that gets a second model starts a new run, and harms no file."""
    import keras

    path = tmp_path / "best.keras"
    callback = ModelCheckpoint(path, monitor="loss", save_best_only=True)
    first = make_model(keras)
    fit(first, data, callback)
    good = callback.best
    second = make_model(keras)
    fit(second, (data[0], data[1] * 100), callback)
    assert callback.best > good
    assert same_weights(second, keras.models.load_model(path))
    aside = [name for name in checkpoints(tmp_path) if ".run-" in name]
    assert same_weights(first, keras.models.load_model(tmp_path / aside[0]))


def test_journal_line(K, tmp_path, data):
    """Each save has a complete line that matches the file."""
    import zlib

    path = tmp_path / "w.{epoch:02d}.keras"
    fit(make_model(K), data, ModelCheckpoint(path), epochs=2, validation_split=0.2)
    first, second = lines(tmp_path)
    content = (tmp_path / "w.02.keras").read_bytes()
    assert second["schema"] == 1
    assert (second["path"], second["epoch"], second["batch"]) == ("w.02.keras", 2, None)
    assert second["samples"] == 2 * SAMPLES * 4 // 5
    assert set(second["logs"]) == {"loss", "val_loss"}
    assert (second["monitor"], second["mode"]) == ("val_loss", "min")
    assert second["value"] == second["logs"]["val_loss"]
    assert second["best"] == (second["value"] < first["value"])
    assert (second["format"], second["bytes"]) == ("keras", len(content))
    assert second["crc32"] == f"{zlib.crc32(content):08x}"
    assert second["time"].endswith("+00:00")
    assert second["run"] == first["run"]
    assert second["template"] == str(path)
    assert set(second["versions"]) == {"modelcheckpoint", K.__name__, backend_of(K)}

"""`restore_checkpoint`: what is refused, which leaves the model unchanged."""

from __future__ import annotations

import io
import json
import os
import pickle
import zipfile

import h5py
import keras
import numpy as np
import pytest
from conftest import fit, lines, make_model, same_weights
from restoring import TEMPLATES, optimizer_values, saved

from modelcheckpoint import (
    CheckpointError,
    ModelCheckpoint,
    RestoreError,
    restore_checkpoint,
)
from modelcheckpoint.formats import format_of_file

pytestmark = pytest.mark.slow


def test_a_damaged_file_is_not_loaded(K, tmp_path, data):
    """The reason is reported, and the model is unchanged."""
    saved(K, tmp_path, data)
    path = tmp_path / "w.2.keras"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    model = make_model(K)
    before = model.get_weights()
    with pytest.raises(RestoreError, match=r"w\.2\.keras is damaged: its crc32 is"):
        restore_checkpoint(model, path)
    assert all(map(np.array_equal, before, model.get_weights()))


def test_what_is_no_checkpoint(K, tmp_path):
    """Each gets an error of its kind."""
    model = make_model(K)
    with pytest.raises(FileNotFoundError):
        restore_checkpoint(model, tmp_path / "none.keras")
    with pytest.raises(ValueError, match="`path` must be a string or a path object"):
        restore_checkpoint(model, 3)
    (tmp_path / "text.keras").write_text("no archive")
    with pytest.raises(RestoreError, match="is damaged: it cannot be opened"):
        restore_checkpoint(model, tmp_path / "text.keras")


@pytest.mark.parametrize("suffix", [".keras", ".weights.h5", ".h5"])
@pytest.mark.parametrize("harm", ["cut short", "cut to its head", "overwritten"])
def test_a_damaged_file_without_a_journal(suffix, harm, tmp_path):
    """Errors of the libraries are reported as damage, and the model is unchanged."""
    model = make_model(keras)
    path = tmp_path / f"w{suffix}"
    (model.save_weights if suffix == ".weights.h5" else model.save)(path)
    content = path.read_bytes()
    half = len(content) // 2
    path.write_bytes(
        {
            "cut short": content[:half],
            "cut to its head": content[:4],
            "overwritten": content[:100] + b"\xa5" * 1900 + content[2000:],
        }[harm]
    )
    before = model.get_weights()
    with pytest.raises(RestoreError, match="is damaged: it cannot be opened"):
        restore_checkpoint(model, path)
    assert all(map(np.array_equal, before, model.get_weights()))


@pytest.mark.parametrize(
    ("model", "text"),
    [
        ("w.keras", "not 'w.keras'. The model is the first argument"),
        (None, "not None"),
        (1.5, "not an object of class 'float'"),
        (dict, "not the class 'dict'"),
    ],
)
def test_what_is_no_model(model, text, tmp_path):
    """An error says so, here and if a callback gets it."""
    with pytest.raises(ValueError, match=rf"^`model` must be a Keras model, {text}"):
        restore_checkpoint(model, tmp_path / "w.keras")
    with pytest.raises(ValueError, match=r"^`model` must be a Keras model, not "):
        ModelCheckpoint(tmp_path / "w.keras").set_model(model)


def test_no_file_that_can_be_read(K, tmp_path):
    """The message names the argument and the value, without an errno."""
    model = make_model(K)
    missing = str(tmp_path / "w.keras")
    with pytest.raises(FileNotFoundError, match=r"^`path` must be") as raised:
        restore_checkpoint(model, missing)
    assert raised.value.filename == missing
    assert type(raised.value).__name__ == "FileNotFoundError"
    with pytest.raises(IsADirectoryError, match=r"^`path` must be"):
        restore_checkpoint(model, tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes")
def test_a_pipe_is_not_waited_for(K, tmp_path):
    """Possibly nobody ever writes to it."""
    os.mkfifo(tmp_path / "w.keras")
    with pytest.raises(OSError, match=r"is not a regular file: .*w\.keras"):
        restore_checkpoint(make_model(K), tmp_path / "w.keras")


def load_weights_only(model, path):
    format_of_file(path).read_weights(model, path, None)


@pytest.mark.parametrize("restore", [restore_checkpoint, load_weights_only])
def test_ctrl_c_while_it_loads(K, restore, tmp_path, data, monkeypatch):
    """The model is unchanged, and the interrupt is passed on."""
    saved(K, tmp_path, data)
    model = make_model(K)
    fit(model, data)

    def load_half(path):
        model.layers[0].set_weights([w + 1 for w in model.layers[0].get_weights()])
        raise KeyboardInterrupt

    before = [*model.get_weights(), *optimizer_values(model)]
    monkeypatch.setattr(model, "load_weights", load_half)
    with pytest.raises(KeyboardInterrupt):
        restore(model, str(tmp_path / "w.2.keras"))
    after = [*model.get_weights(), *optimizer_values(model)]
    assert all(map(np.array_equal, before, after))


@pytest.mark.parametrize("name", ["w.{epoch}.keras", "w.{epoch}.h5", "w.{epoch}.hdf5"])
@pytest.mark.keras2
def test_another_model(K, name, tmp_path, data):
    """The error names file and way out; weights and optimizer are unchanged."""
    saved(K, tmp_path, data, name, save_weights_only=TEMPLATES[name][0])
    model = K.Sequential([K.Input((3,)), K.layers.Dense(2), K.layers.Dense(2)])
    model.compile(optimizer="adam", loss="mean_squared_error")
    fit(model, (data[0], data[0][:, :2]))
    before = [*model.get_weights(), *optimizer_values(model)]
    with pytest.raises(RestoreError, match="Build and compile the model as it was"):
        restore_checkpoint(model, tmp_path / name.format(epoch=2))
    after = [*model.get_weights(), *optimizer_values(model)]
    assert all(map(np.array_equal, before, after))


def test_a_model_with_fewer_layers(K, tmp_path, data):
    """Keras would ignore the arrays for which the model has no place."""
    if not hasattr(K, "ops"):
        pytest.skip("the layout of Keras 2 is not known")
    model = K.Sequential([K.Input((3,)), *[K.layers.Dense(3) for _ in range(3)]])
    model.compile(optimizer="sgd", loss="mean_squared_error")
    fit(model, (data[0], data[0]), ModelCheckpoint(tmp_path / "w.keras"))
    fewer = K.Sequential([K.Input((3,)), *[K.layers.Dense(3) for _ in range(2)]])
    fewer.compile(optimizer="sgd", loss="mean_squared_error")
    with pytest.raises(RestoreError, match="in the file, and none in the model"):
        restore_checkpoint(fewer, tmp_path / "w.keras")


@pytest.mark.keras2
def test_a_model_that_nobody_can_build(K, tmp_path, data):
    """A model without weights has no place for them; the error names the way out."""
    trained = make_model(K)
    fit(trained, data)
    trained.save(tmp_path / "own.keras")
    model = K.Sequential([K.layers.Dense(2), K.layers.Dense(1)])
    with pytest.raises(RestoreError, match=r"`model\.build\(input_shape\)`"):
        restore_checkpoint(model, tmp_path / "own.keras")


class Evil:
    def __reduce__(self):
        return os.mkdir, ("harm",)


@pytest.mark.keras2
def test_nothing_in_a_file_is_run(K, tmp_path, data, monkeypatch):
    """Neither pickled code, nor a lambda, nor code that is stored elsewhere."""
    monkeypatch.chdir(tmp_path)
    trained = saved(K, tmp_path, data)
    with zipfile.ZipFile("w.2.keras") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(members["config.json"])
    config["module"], config["class_name"] = "os", "mkdir"
    members["config.json"] = json.dumps(config).encode()
    members["data.pkl"] = pickle.dumps(Evil())
    with zipfile.ZipFile("evil.keras", "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    model = make_model(K)
    restore_checkpoint(model, "evil.keras")
    assert same_weights(model, trained)
    assert not os.path.exists("harm")
    inside = io.BytesIO(members["model.weights.h5"])
    with h5py.File(inside, "a") as file:
        file["elsewhere"] = h5py.ExternalLink("secret.h5", "/")
    (tmp_path / "linked.weights.h5").write_bytes(inside.getvalue())
    with pytest.raises(RestoreError, match="'elsewhere' in it leads elsewhere"):
        restore_checkpoint(model, "linked.weights.h5")


def test_a_journal_that_lies(K, tmp_path, data):
    """Invalid values in a line count as missing."""
    saved(K, tmp_path, data)
    line = lines(tmp_path)[-1]
    line |= {
        "seeds": [1, "x"],
        "since": -3,
        "epochs_done": 99,
        "build": [],
        "random": 1,
    }
    (tmp_path / "modelcheckpoint.jsonl").write_text(json.dumps(line) + "\n")
    restored = restore_checkpoint(make_model(K), tmp_path / "w.2.keras")
    assert restored.epochs_done == 2
    assert not restored.seeds
    line |= {"seeds": [2**70, -5], "random": {"cpu": "!", "cuda": "!"}, "build": {}}
    (tmp_path / "modelcheckpoint.jsonl").write_text(json.dumps(line) + "\n")
    assert not restore_checkpoint(make_model(K), tmp_path / "w.2.keras").seeds


def test_errors_are_of_one_family():
    """One `except` catches them."""
    assert issubclass(RestoreError, CheckpointError)
    assert issubclass(RestoreError, ValueError)

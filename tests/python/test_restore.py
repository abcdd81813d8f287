"""Back to a checkpoint by hand, and to the best one when training ends."""

from __future__ import annotations

import dataclasses
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

from modelcheckpoint import (
    CheckpointError,
    CheckpointWarning,
    ModelCheckpoint,
    RestoreError,
    restore_checkpoint,
)
from modelcheckpoint.formats import format_of_file

pytestmark = pytest.mark.slow

NAMES = {
    "w.{epoch}.keras": (False, True),
    "w.{epoch}.weights.h5": (True, True),
    "w.{epoch}.h5": (False, True),
    "w.{epoch}.hdf5": (True, False),
}


def saved(K, folder, data, name="w.{epoch}.keras", epochs=2, **arguments):
    model = make_model(K)
    fit(model, data, ModelCheckpoint(folder / name, **arguments), epochs=epochs)
    return model


def optimizer_of(K, model):
    if hasattr(K, "ops"):
        return [K.ops.convert_to_numpy(v) for v in model.optimizer.variables]
    return [v.numpy() for v in model.optimizer.variables]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.keras2
def test_each_format(K, name, tmp_path, data):
    """Weights come back, and the optimizer's state where the file has it."""
    weights_only, optimizer = NAMES[name]
    trained = saved(K, tmp_path, data, name, save_weights_only=weights_only)
    path = tmp_path / name.format(epoch=2)
    model = make_model(K)
    restored = restore_checkpoint(model, path)
    assert same_weights(model, trained)
    if optimizer:
        pairs = zip(optimizer_of(K, model), optimizer_of(K, trained))
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


def test_the_state_of_dropout(tmp_path, data):
    """The model goes on as if it had not stopped, with Dropout."""
    import keras

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
    """One that is not compiled gets its weights."""
    trained = saved(K, tmp_path, data)
    model = K.Sequential([K.Input((3,)), K.layers.Dense(2), K.layers.Dense(1)])
    restored = restore_checkpoint(model, tmp_path / "w.2.keras")
    assert same_weights(model, trained)
    assert not restored.optimizer


@pytest.mark.keras2
def test_a_file_of_keras_own(K, tmp_path, data):
    """What no journal tells is None."""
    trained = saved(K, tmp_path / "other", data)
    trained.save(tmp_path / "own.keras")
    model = make_model(K)
    restored = restore_checkpoint(model, str(tmp_path / "own.keras"))
    assert same_weights(model, trained)
    assert restored.optimizer
    assert restored.record is None
    assert restored.epochs_done is None


def test_the_journal_of_a_folder_above(K, tmp_path, data):
    """A template can have folders in it."""
    saved(K, tmp_path, data, "{epoch}/w.keras")
    restored = restore_checkpoint(make_model(K), tmp_path / "2" / "w.keras")
    assert restored.epochs_done == 2


def test_a_link_to_a_checkpoint(K, tmp_path, data):
    """It is followed, as somebody asked for it, and its journal is found there."""
    saved(K, tmp_path / "run", data)
    os.symlink(tmp_path / "run" / "w.2.keras", tmp_path / "latest.keras")
    restored = restore_checkpoint(make_model(K), tmp_path / "latest.keras")
    assert restored.epochs_done == 2


def test_a_damaged_file_is_not_loaded(K, tmp_path, data):
    """The reason is told, and the model is as it was."""
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
    """Each is an error of its kind."""
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
    """What the libraries make of it is told as damage, and the model is as it was."""
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
    """An error says so, here and where a callback gets it."""
    with pytest.raises(ValueError, match=rf"^`model` must be a Keras model, {text}"):
        restore_checkpoint(model, tmp_path / "w.keras")
    with pytest.raises(ValueError, match=r"^`model` must be a Keras model, not "):
        ModelCheckpoint(tmp_path / "w.keras").set_model(model)


def test_no_file_that_can_be_read(K, tmp_path):
    """The sentence names the argument and what came, and no number."""
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
    """Nobody may ever write into it."""
    os.mkfifo(tmp_path / "w.keras")
    with pytest.raises(OSError, match=r"is no regular file: .*w\.keras"):
        restore_checkpoint(make_model(K), tmp_path / "w.keras")


def load_weights_only(model, path):
    format_of_file(path).read_weights(model, path, None)


@pytest.mark.parametrize("restore", [restore_checkpoint, load_weights_only])
def test_ctrl_c_while_it_loads(K, restore, tmp_path, data, monkeypatch):
    """The model is as it was, and the interrupt goes on."""
    saved(K, tmp_path, data)
    model = make_model(K)
    fit(model, data)

    def load_half(path):
        model.layers[0].set_weights([w + 1 for w in model.layers[0].get_weights()])
        raise KeyboardInterrupt

    before = [*model.get_weights(), *optimizer_of(K, model)]
    monkeypatch.setattr(model, "load_weights", load_half)
    with pytest.raises(KeyboardInterrupt):
        restore(model, str(tmp_path / "w.2.keras"))
    after = [*model.get_weights(), *optimizer_of(K, model)]
    assert all(map(np.array_equal, before, after))


@pytest.mark.parametrize("name", ["w.{epoch}.keras", "w.{epoch}.h5", "w.{epoch}.hdf5"])
@pytest.mark.keras2
def test_another_model(K, name, tmp_path, data):
    """The error names file and way out; weights and optimizer are as they were."""
    saved(K, tmp_path, data, name, save_weights_only=NAMES[name][0])
    model = K.Sequential([K.Input((3,)), K.layers.Dense(2), K.layers.Dense(2)])
    model.compile(optimizer="adam", loss="mean_squared_error")
    fit(model, (data[0], data[0][:, :2]))
    before = [*model.get_weights(), *optimizer_of(K, model)]
    with pytest.raises(RestoreError, match="Build and compile the model as it was"):
        restore_checkpoint(model, tmp_path / name.format(epoch=2))
    after = [*model.get_weights(), *optimizer_of(K, model)]
    assert all(map(np.array_equal, before, after))


def test_a_model_with_fewer_layers(K, tmp_path, data):
    """Keras would pass over the arrays that the model has no place for."""
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
    """A model without weights has no place for them; the way out is named."""
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
    """Neither what is pickled, nor code of a lambda, nor what lies elsewhere."""
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
    """Unsound values in a line are as values that are not there."""
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


# The best at the end


class Values:
    """Gives each epoch the value of `monitor` that a test wants."""

    def __new__(cls, K, values):
        def put(epoch, logs):
            logs["score"] = values[epoch]

        return K.callbacks.LambdaCallback(on_epoch_end=put)


def best_of(K, folder, data, values, name="w.{epoch}.keras", **arguments):
    callback = ModelCheckpoint(
        folder / name, "score", mode="max", restore_best=True, **arguments
    )
    model = make_model(K)
    fit(model, data, Values(K, values), callback, epochs=len(values))
    return model, callback


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.keras2
def test_the_model_ends_with_the_best_weights(K, name, tmp_path, data):
    """They are those of the best file; the optimizer is as training left it."""
    weights_only = NAMES[name][0]
    model, callback = best_of(
        K, tmp_path, data, [1, 3, 2], name, save_weights_only=weights_only
    )
    best, last = make_model(K), make_model(K)
    restore_checkpoint(best, tmp_path / name.format(epoch=2))
    restore_checkpoint(last, tmp_path / name.format(epoch=3))
    assert same_weights(model, best)
    assert not same_weights(model, last)
    if NAMES[name][1]:
        pairs = zip(optimizer_of(K, model), optimizer_of(K, last))
        assert all(np.array_equal(here, there) for here, there in pairs)
    assert callback.problems == []


def test_one_file_with_save_best_only(K, tmp_path, data, capsys):
    """Then a name without fields is the best; with `verbose` a line says so."""
    arguments = {"save_best_only": True, "verbose": 1}
    model, _ = best_of(K, tmp_path, data, [3, 2], "best.keras", **arguments)
    best = make_model(K)
    restore_checkpoint(best, tmp_path / "best.keras")
    assert same_weights(model, best)
    assert "the model has the weights of the best, " in capsys.readouterr().out


def test_a_name_that_is_overwritten_is_refused(tmp_path):
    """The best would be lost; the constructor says what to do."""
    with pytest.raises(ValueError, match="later epochs would overwrite the best"):
        ModelCheckpoint(tmp_path / "w.keras", restore_best=True)


def test_a_best_that_is_damaged_stays_on_disk(K, tmp_path, data):
    """The model is left as it is, and the reason is told."""

    def harm(record):
        if record.epoch == 2:
            (tmp_path / "w.1.keras").write_bytes(b"harm")

    with pytest.warns(CheckpointWarning, match=r"the model stays as it is: w\.1\."):
        model, _ = best_of(K, tmp_path, data, [2, 1], on_saved=harm)
    last = make_model(K)
    restore_checkpoint(last, tmp_path / "w.2.keras")
    assert same_weights(model, last)


def test_a_best_that_is_gone(K, tmp_path, data):
    """So it is told where somebody has deleted it."""

    def harm(record):
        if record.epoch == 2:
            (tmp_path / "w.1.keras").unlink()

    with pytest.warns(CheckpointWarning, match=r"w\.1\.keras: it is gone"):
        best_of(K, tmp_path, data, [2, 1], on_saved=harm)


def test_no_best_at_all(K, tmp_path, data):
    """Without `monitor` nothing was ever the best."""
    callback = ModelCheckpoint(tmp_path / "w.{epoch}.keras", restore_best=True)
    with pytest.warns(CheckpointWarning, match="no checkpoint was the best by 'val_"):
        fit(make_model(K), data, callback)


def test_the_best_of_the_run_before(K, tmp_path, data):
    """A run that was resumed gives back the best of all of it."""
    best_of(K, tmp_path, data, [1, 3, 2])
    model, _ = best_of(K, tmp_path, data, [0, 0, 0, 2, 1], resume=True)
    best = make_model(K)
    restore_checkpoint(best, tmp_path / "w.2.keras")
    assert same_weights(model, best)


def test_errors_are_of_one_family():
    """One `except` catches them."""
    assert issubclass(RestoreError, CheckpointError)
    assert issubclass(RestoreError, ValueError)

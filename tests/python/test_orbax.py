"""The format `.orbax`: plain Keras and this package restore the model as it was."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from conftest import drive, fit, make_model, names
from model_state import arrays, first_batch
from models import CASES

from modelcheckpoint import (
    FormatError,
    ModelCheckpoint,
    RestoreError,
    best_checkpoint,
    list_checkpoints,
    restore_checkpoint,
)

keras = pytest.importorskip("keras", minversion="3.4")
pytest.importorskip("orbax.checkpoint")

pytestmark = pytest.mark.slow

reads_orbax = pytest.mark.skipif(
    not hasattr(keras.callbacks, "OrbaxCheckpoint"), reason="this Keras reads none"
)

KEPT_BY_KERAS = [
    "sequential",
    "functional",
    "nested",
    "batch_normalization",
    "mixed_bfloat16",
    "int8",
]
"""Models whose variables have the same paths once `load_model` has made them again."""

FOUND_BY_US_ALONE = ["subclassed", "attention"]


def saved(name, folder, **arguments):
    """Return a trained model of the table, its row, its path and its callback."""
    case = CASES[name]
    x, y = case.data(keras)
    model = case.make(keras)
    callback = ModelCheckpoint(folder / "{epoch}.orbax", **arguments)
    model.fit(x, y, batch_size=4, verbose=0, callbacks=[callback])
    return model, case, folder / "1.orbax", callback


def again(case):
    """Return the model made again, with other weights, and built."""
    model = case.make(keras)
    if not model.built:
        model(first_batch(case.data(keras)[0]))
    return model


def state_of(model):
    return [*arrays(model.variables), *arrays(model.optimizer.variables)]


def same(one, other):
    pairs = list(zip(state_of(one), state_of(other)))
    return len(state_of(one)) == len(state_of(other)) and all(
        np.array_equal(*pair) for pair in pairs
    )


@pytest.mark.parametrize("name", KEPT_BY_KERAS)
@reads_orbax
def test_plain_keras_and_we_read_it(name, tmp_path):
    """Weights and optimizer, in a model that Keras makes and in an existing one."""
    case = CASES[name]
    with case.policy(keras):
        model, case, path, callback = saved(name, tmp_path)
        assert callback.problems == []
        loaded = keras.models.load_model(
            path, custom_objects=case.custom_objects(keras)
        )
        assert same_weights(model, loaded)
        ours = again(case)
        assert not same(model, ours)
        assert restore_checkpoint(ours, path).optimizer
        assert same(model, ours)


def same_weights(one, other):
    pairs = zip(arrays(one.weights), arrays(other.weights))
    return all(np.array_equal(*pair) for pair in pairs)


@pytest.mark.parametrize("name", FOUND_BY_US_ALONE)
@reads_orbax
def test_what_keras_would_lose_is_told(name, tmp_path):
    """Keras finds variables by their paths, which can change in a new model."""
    with pytest.warns(UserWarning, match="restore_checkpoint"):
        model, case, path, callback = saved(name, tmp_path)
    assert "`load_model` of Keras looks for variables" in callback.problems[0]
    ours = again(case)
    assert restore_checkpoint(ours, path).optimizer
    assert same(model, ours)


@reads_orbax
def test_weights_and_optimizer_alone(tmp_path):
    """Without a config, `load_weights` and this package read it, optimizer included."""
    model, case, path, _ = saved("sequential", tmp_path, save_weights_only=True)
    other = keras.models.clone_model(model)
    other.load_weights(path)
    assert same_weights(model, other)
    ours = again(case)
    assert restore_checkpoint(ours, path).optimizer
    assert same(model, ours)
    assert not (path / "0" / "model_config").exists()


@reads_orbax
def test_what_keras_itself_has_written(tmp_path):
    """The newest step in the folder counts."""
    case = CASES["functional"]
    x, y = case.data(keras)
    model = case.make(keras)
    keras_own = keras.callbacks.OrbaxCheckpoint(
        tmp_path / "own.orbax", monitor="loss", max_to_keep=2, save_on_background=False
    )
    model.fit(x, y, batch_size=4, epochs=3, verbose=0, callbacks=[keras_own])
    other = keras.models.clone_model(model)
    optimizer = type(model.optimizer)(name=model.optimizer.name)
    other.compile(optimizer, loss="mean_squared_error")
    assert restore_checkpoint(other, tmp_path / "own.orbax").optimizer
    assert same(model, other)


@reads_orbax
def test_vocabularies_are_in_it(tmp_path):
    """Keras' `load_model` restores them from it."""
    pytest.importorskip("tensorflow")
    if keras.backend.backend() != "tensorflow":
        pytest.skip("strings are tensors of TensorFlow")
    model, case, path, _ = saved("text_vectorization", tmp_path)
    loaded = keras.models.load_model(path, custom_objects=case.custom_objects(keras))
    x = case.data(keras)[0]
    assert np.array_equal(model.predict(x, verbose=0), loaded.predict(x, verbose=0))


def test_variables_that_are_frozen_since(tmp_path):
    """They belong to another group of the tree then, and are found there."""
    model, case, path, _ = saved("sequential", tmp_path)
    other = case.make(keras)
    other.layers[0].trainable = False
    other.compile("sgd", loss="mean_squared_error")
    with pytest.warns(UserWarning, match="the optimizer starts from scratch"):
        restore_checkpoint(other, path)
    assert same_weights(model, other)


def test_another_model_stays_as_it_is(tmp_path):
    """The error names the first difference."""
    _, _, path, _ = saved("sequential", tmp_path)
    other = keras.Sequential([keras.Input((3,)), keras.layers.Dense(5)])
    before = arrays(other.variables)
    with pytest.raises(RestoreError, match="Cannot restore"):
        restore_checkpoint(other, path)
    assert all(map(np.array_equal, before, arrays(other.variables)))


def test_training_goes_on_from_it(tmp_path, data):
    """It ends with the weights of an uninterrupted run; names may have fields."""

    def trained(epochs, *callbacks):
        keras.utils.set_random_seed(7)
        layers = [keras.layers.Dense(4), keras.layers.Dropout(0.5)]
        model = keras.Sequential([keras.Input((3,)), *layers, keras.layers.Dense(1)])
        model.compile("adam", loss="mean_squared_error")
        fit(model, data, *callbacks, epochs=epochs, shuffle=False)
        return model

    template = tmp_path / "{epoch:02d}-{loss:.2f}.orbax"
    given = {"filepath": template, "monitor": "loss", "keep_latest": 1}
    whole = trained(4)
    trained(2, ModelCheckpoint(**given))
    resumed = ModelCheckpoint(**given, resume=True)
    second = trained(4, resumed)
    assert resumed.restored.epochs_done == 2
    assert same(whole, second)
    kept = list_checkpoints(tmp_path)
    assert {found.path for found in kept if found.epoch < 4} <= {
        best_checkpoint(tmp_path)
    }


def test_a_save_says_nothing(tmp_path, capfd):
    """Orbax logs each step, which would clutter Keras' progress bar."""
    saved("sequential", tmp_path)
    out, err = capfd.readouterr()
    assert "rbax" not in out + err


def test_numbers_are_not_compressed(tmp_path):
    """Compression would take more processor time than all else, while training runs."""
    layer = keras.layers.Dense(100, kernel_initializer="zeros")
    model = keras.Sequential([keras.Input((1000,)), layer])
    model.compile("sgd", "mean_squared_error")
    drive(ModelCheckpoint(tmp_path / "{epoch}.orbax"), model, 1.0)
    assert list_checkpoints(tmp_path)[0].bytes > 4 * 1000 * 100


def test_models_that_it_cannot_hold(tmp_path):
    """No batch is trained, and nothing is left behind."""
    for name, why in {
        "nested_with_equal_names": "two of this model have the path 'same/kernel'",
        "own_variables": "a `save_own_variables` of its own",
    }.items():
        with pytest.raises(FormatError, match=why):
            saved(name, tmp_path)
    assert names(tmp_path) == []


def test_a_model_of_tf_keras(tmp_path):
    """Its variables have no paths."""
    K = pytest.importorskip("tf_keras")
    with pytest.raises(FormatError, match=r"Keras 3\.4 or newer, not of tf_keras"):
        drive(ModelCheckpoint(tmp_path / "{epoch}.orbax"), make_model(K), 1.0)
    _, _, path, _ = saved("sequential", tmp_path)
    with pytest.raises(RestoreError, match="and this one is of tf_keras"):
        restore_checkpoint(make_model(K), path)


def test_what_has_the_name_and_is_none(tmp_path):
    """A file, and folders that Orbax did not write."""
    model = make_model(keras)
    (tmp_path / "file.orbax").write_bytes(b"x")
    with pytest.raises(NotADirectoryError, match="`path` must be a checkpoint's file"):
        restore_checkpoint(model, tmp_path / "file.orbax")
    (tmp_path / "w.orbax").mkdir()
    with pytest.raises(RestoreError, match=r"damaged: .*no folder of a step"):
        restore_checkpoint(model, tmp_path / "w.orbax")
    (tmp_path / "w.orbax" / "7").mkdir()
    with pytest.raises(RestoreError, match="damaged: it cannot be opened"):
        restore_checkpoint(model, tmp_path / "w.orbax")


def test_jax_takes_no_memory_of_a_gpu(tmp_path):
    """Another backend trains on it; a user's own setting is kept."""
    script = """if True:
        import os, sys
        import numpy as np
        from jax._src import xla_bridge
        from modelcheckpoint.formats import orbax_io

        def device():
            print(os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"])
            raise RuntimeError("there is none")

        xla_bridge.register_backend_factory(
            "probe", device, priority=-1, fail_quietly=True
        )
        for number in range(2):
            folder = os.path.join(sys.argv[1], str(number))
            os.mkdir(folder)
            orbax_io.write(folder, {"a": {"b": np.ones(3)}}, {}, None, {})
        print(os.environ.get("XLA_PYTHON_CLIENT_PREALLOCATE"))
        """
    environment = {**os.environ, "JAX_PLATFORMS": ""}
    for given, seen in {"": ["false", "None"], "true": ["true", "true"]}.items():
        environment.pop("XLA_PYTHON_CLIENT_PREALLOCATE", None)
        if given:
            environment["XLA_PYTHON_CLIENT_PREALLOCATE"] = given
        folder = tmp_path / f"given {given}"
        folder.mkdir()
        command = [sys.executable, "-c", script, str(folder)]
        said = subprocess.check_output(command, env=environment, text=True)
        assert said.split() == seen

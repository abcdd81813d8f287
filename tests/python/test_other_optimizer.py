"""Loading into a model with another optimizer."""

from __future__ import annotations

import itertools
import json
from functools import partial
from itertools import islice

import numpy as np
import pytest
from conftest import drop_key, lines
from model_state import assert_equal
from restoring import FORMATS, X, Y, load, optimizer_values, save

from modelcheckpoint import ModelCheckpoint, restore_checkpoint
from modelcheckpoint.errors import CheckpointWarning
from modelcheckpoint.formats.optimizer_state import (
    OptimizerState,
    StoredOptimizer,
    build,
    look,
)
from modelcheckpoint.records import Record

keras = pytest.importorskip("keras")

pytestmark = pytest.mark.slow

optimizers = keras.optimizers
OPTIMIZERS = {
    "SGD": lambda: optimizers.SGD(0.001),
    "SGD with momentum": lambda: optimizers.SGD(0.001, momentum=0.9),
    "SGD with ema": lambda: optimizers.SGD(0.001, use_ema=True),
    "RMSprop": lambda: optimizers.RMSprop(0.001),
    "RMSprop centered": lambda: optimizers.RMSprop(0.001, centered=True),
    "RMSprop with momentum": lambda: optimizers.RMSprop(0.001, momentum=0.9),
    "Adagrad": lambda: optimizers.Adagrad(0.001),
    "Adadelta": lambda: optimizers.Adadelta(0.001),
    "Adam": lambda: optimizers.Adam(0.001),
    "Adam amsgrad": lambda: optimizers.Adam(0.001, amsgrad=True),
    "Adam with ema": lambda: optimizers.Adam(0.001, use_ema=True),
    "AdamW": lambda: optimizers.AdamW(0.001),
    "Adamax": lambda: optimizers.Adamax(0.001),
    "Nadam": lambda: optimizers.Nadam(0.001),
    "Ftrl": lambda: optimizers.Ftrl(0.001),
    "Lion": lambda: optimizers.Lion(0.001),
    "Adafactor": lambda: optimizers.Adafactor(0.001),
    "Adam scaled": lambda: optimizers.LossScaleOptimizer(optimizers.Adam(0.001)),
    "SGD scaled": lambda: optimizers.LossScaleOptimizer(optimizers.SGD(0.001)),
}
for name in ("Lamb", "Muon"):  # only newer Keras has them; HDF5 has no name for one
    if hasattr(optimizers, name):
        OPTIMIZERS[name] = partial(getattr(optimizers, name), 0.001)
ALIKE = {"SGD", "SGD scaled"}, {"Adam", "Adam scaled"}


def model_with(optimizer):
    model = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(5), keras.layers.Dense(1)]
    )
    model.compile(optimizer, "mean_squared_error")
    return model


def state(model):
    return [np.array(v) for v in (*model.variables, *optimizer_values(model))]


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Files saved from a model with each optimizer, whose state has changed since then.

    Returns the models by the names of their optimizers, and the paths and records by
    suffix and name.
    """
    folder, models, files = tmp_path_factory.mktemp("saved"), {}, {}
    for number, (name, make) in enumerate(OPTIMIZERS.items()):
        models[name] = model = model_with(make())
        build(model)
        for suffix, only in FORMATS:
            if (suffix, name) != (".h5", "Lamb"):
                path = folder / f"{number}{suffix}"
                save(model, path, save_weights_only=only)
                record = Record.from_line(json.dumps(lines(folder)[-1]))
                files[suffix, name] = str(path), record
        for variable in model.optimizer.variables:
            variable.assign(variable + 1)
    return models, files


def assert_another(state, here, in_file):
    """Check the result for a file with the state of another optimizer."""
    assert not state.fits, (in_file, here)
    # With or without scaling, it is the same optimizer, with other variables.
    alike = {in_file, here} in ALIKE
    why = "with other variables" if alike else "another optimizer ("
    assert why in state.note, (in_file, here)


def test_each_optimizer_is_told_from_each_other(saved):
    """By the file's arrays and the journal's line, whatever the format."""
    models, files = saved
    stored = {
        name: StoredOptimizer([value.shape for value in optimizer_values(model)])
        for name, model in models.items()
    }
    for here, in_file in itertools.permutations(OPTIMIZERS, 2):
        _, record = files[".weights.h5", in_file]
        assert_another(look(models[here], stored[in_file], record), here, in_file)


def test_another_optimizers_state_is_never_filled_in(saved):
    """The optimizer is unchanged, and the reason is given; its own state is restored.

    Each optimizer is tried with another one in each format, and with a similar one.
    """
    models, files = saved
    pairs = [pair for alike in ALIKE for pair in itertools.permutations(alike)]
    for step, (suffix, _) in enumerate(FORMATS, 1):
        others = [*islice(OPTIMIZERS, step, None), *islice(OPTIMIZERS, step)]
        for here, in_file in [*pairs, *zip(OPTIMIZERS, others)]:
            if not {(suffix, here), (suffix, in_file)} <= files.keys():
                continue
            before = optimizer_values(models[here])
            assert_another(load(models[here], *files[suffix, in_file]), here, in_file)
            assert_equal("optimizer", before, optimizer_values(models[here]))
    for (suffix, name), file in files.items():
        assert load(models[name], *file) == OptimizerState(True), (suffix, name)


@pytest.mark.parametrize(("suffix", "only"), FORMATS)
def test_resume_with_another_optimizer(tmp_path, suffix, only):
    """The run continues with the weights; `problems` says what was left out."""
    path = tmp_path / f"{{epoch}}{suffix}"
    model = model_with(optimizers.Adam(0.01))
    first = ModelCheckpoint(path, save_weights_only=only)
    model.fit(X, Y, epochs=2, verbose=0, callbacks=[first])
    again = ModelCheckpoint(path, save_weights_only=only, resume=True)
    other = model_with(optimizers.AdamW(0.01))
    with pytest.warns(CheckpointWarning, match=r"\(Adam in the file, AdamW here\)"):
        history = other.fit(X, Y, epochs=3, verbose=0, callbacks=[again])
    assert history.epoch == [2]
    assert not again.restored.optimizer
    assert len(again.problems) == 1
    assert int(other.optimizer.iterations) == 1


def test_another_learning_rate_is_the_same_optimizer(tmp_path):
    """It is restored from the checkpoint, as before."""
    model = model_with(optimizers.Adam(0.5))
    save(model, tmp_path / "m.keras")
    other = model_with(optimizers.Adam(0.1))
    assert restore_checkpoint(other, tmp_path / "m.keras").optimizer
    assert float(other.optimizer.learning_rate) == 0.5


@pytest.mark.parametrize("journal", ["before", None])
def test_where_nothing_tells_whose_state_it_is(tmp_path, journal):
    """Weights by Keras or an earlier version: used if they fit, with a warning."""
    path = tmp_path / "m.weights.h5"
    model = model_with(optimizers.Adam(0.001))
    model.train_on_batch(X, Y)
    save(model, path, save_weights_only=True)
    drop_key(tmp_path, "optimizer")
    if journal is None:
        (tmp_path / "modelcheckpoint.jsonl").unlink()
    other = model_with(optimizers.Adam(0.001))
    with pytest.warns(CheckpointWarning, match="shows which optimizer"):
        restored = restore_checkpoint(other, path)
    assert restored.optimizer
    for a, b in zip(state(model), state(other)):
        np.testing.assert_array_equal(a, b)
    another = model_with(optimizers.Lion(0.001))
    with pytest.warns(CheckpointWarning, match="another optimizer"):
        assert not restore_checkpoint(another, path).optimizer


def test_the_line_names_the_optimizer(tmp_path):
    """The journal has what `.weights.h5` cannot hold."""
    save(model_with("sgd"), tmp_path / "m.weights.h5", save_weights_only=True)
    (line,) = (tmp_path / "modelcheckpoint.jsonl").read_text().splitlines()
    found = json.loads(line)["optimizer"]
    assert (found["name"], found["options"]) == ("SGD", [])
    assert len(found["trains"]) == 8


def test_mixed_precision_wraps_the_optimizer(tmp_path):
    """Keras' own file names the inner optimizer: the same one, so it is restored."""
    keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        models = [model_with(optimizers.Adam(0.001)) for _ in range(2)]
    finally:
        keras.mixed_precision.set_global_policy("float32")
    for model in models:
        build(model)
    models[0].train_on_batch(X, Y)
    models[0].save(tmp_path / "own.keras")
    assert restore_checkpoint(models[1], tmp_path / "own.keras").optimizer
    for a, b in zip(state(models[0]), state(models[1])):
        np.testing.assert_array_equal(a, b)
    plain = model_with(optimizers.Adam(0.001))
    with pytest.warns(CheckpointWarning, match="with other variables"):
        assert not restore_checkpoint(plain, tmp_path / "own.keras").optimizer


def test_classes_of_one_name(tmp_path):
    """A registered class is identified by its full name."""
    for package, base in (("one", optimizers.Adam), ("two", optimizers.Adam)):
        cls = type("Opt", (base,), {})
        keras.saving.register_keras_serializable(package, name="Opt")(cls)
        model = model_with(cls(0.001))
        if package == "one":
            save(model, tmp_path / "w.weights.h5", save_weights_only=True)
        else:
            with pytest.warns(CheckpointWarning, match="one>Opt in the file, two>Opt"):
                restore_checkpoint(model, tmp_path / "w.weights.h5")


def test_weights_of_keras_alone_name_their_optimizer(tmp_path):
    """Keras writes the name next to the arrays: Adam's is not Lamb's."""
    model = model_with(optimizers.Adam(0.001))
    build(model)
    model.save_weights(tmp_path / "w.weights.h5")
    other = model_with(optimizers.AdamW(0.001))
    with pytest.warns(CheckpointWarning, match="another optimizer"):
        assert not restore_checkpoint(other, tmp_path / "w.weights.h5").optimizer

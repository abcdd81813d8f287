"""Loading into a model that is frozen otherwise, or has another optimizer."""

from __future__ import annotations

import itertools
import json
import warnings
from functools import partial

import numpy as np
import pytest
from conftest import drop_key, lines

from modelcheckpoint import ModelCheckpoint, restore_checkpoint
from modelcheckpoint.errors import CheckpointWarning, RestoreError
from modelcheckpoint.formats import format_of_file
from modelcheckpoint.formats.optimizer_state import OptimizerState, build
from modelcheckpoint.records import Record

keras = pytest.importorskip("keras")

pytestmark = pytest.mark.slow

FORMATS = [(".keras", False), (".h5", False), (".weights.h5", True)]
rng = np.random.default_rng(0)
X = (rng.normal(size=(16, 4)) * 3 + 2).astype("float32")
Y = X.sum(axis=1, keepdims=True)


def load(model, path, record):
    return format_of_file(path).read(model, path, record)


def save(model, path, **arguments):
    """Save as the callback does at the end of an epoch."""
    build(model)
    callback = ModelCheckpoint(path, monitor="loss", **arguments)
    callback.set_model(model)
    callback.on_train_begin()
    callback.on_epoch_begin(0)
    callback.on_epoch_end(0, {"loss": 1.0})
    callback.on_train_end()


def state(model):
    return [np.array(v) for v in (*model.variables, *optimizer(model))]


def optimizer(model):
    return [keras.ops.convert_to_numpy(v) for v in model.optimizer.variables]


# Other `trainable` flags.


def nested(K, frozen):
    """Return a model of models whose inner layers are all of one shape."""
    L = K.layers
    deep = K.Sequential([K.Input((4,)), L.Dense(4), L.Dense(4)])
    inner = K.Sequential([K.Input((4,)), L.BatchNormalization(), L.Dense(4)])
    for layer in (deep, L.Dense(4), L.BatchNormalization()):
        inner.add(layer)
    inputs = K.Input((4,))
    model = K.Model(inputs, L.Dense(1)(inner(inputs)))
    for place in frozen:
        (inner.layers if place < 9 else deep.layers)[place % 9].trainable = False
    model.compile(K.optimizers.SGD(0.001), "mean_squared_error")
    for number, variable in enumerate(model.weights):
        variable.assign(rng.normal(size=variable.shape) ** 2 + number / 10)
    return model


@pytest.mark.keras2
def test_whatever_was_and_is_frozen(K, tmp_path):
    """Each variable gets its own array, whichever flags both models have."""
    suffixes = {".h5": False, ".hdf5": True, ".keras": False, ".weights.h5": True}
    models = {flags: nested(K, flags) for flags in [(), (0, 4), (3, 10), (1, 9)]}
    weights = {flags: model.get_weights() for flags, model in models.items()}
    for number, model in enumerate(models.values()):
        for suffix, only in suffixes.items():
            save(model, tmp_path / f"{number}{suffix}", save_weights_only=only)
    for before, now in itertools.permutations(models, 2):
        for suffix in suffixes:
            load(
                models[now], str(tmp_path / f"{[*models].index(before)}{suffix}"), None
            )
            for a, b in zip(weights[before], models[now].get_weights()):
                np.testing.assert_array_equal(a, b)
            models[now].set_weights(weights[now])


def test_files_of_kerass_own(tmp_path):
    """What Keras itself has written is put in order, too."""
    model, other = nested(keras, ()), nested(keras, (0, 1))
    model.save(tmp_path / "m.h5")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        restore_checkpoint(other, tmp_path / "m.h5")
    wanted, found = (m.predict(X, verbose=0) for m in (model, other))
    np.testing.assert_array_equal(wanted, found)


# Other optimizers.


def model_with(optimizer):
    model = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(5), keras.layers.Dense(1)]
    )
    model.compile(optimizer, "mean_squared_error")
    return model


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
for name in ("Lamb", "Muon"):  # newer Keras has them, and no name for one in HDF5
    if hasattr(optimizers, name):
        OPTIMIZERS[name] = partial(getattr(optimizers, name), 0.001)


def test_another_optimizers_state_is_never_filled_in(tmp_path):
    """The weights come back, and the optimizer is as it was, with the reason.

    Each pair of optimizers meets in one format; the formats take turns.
    """
    records, models = {}, {}
    for number, (name, make) in enumerate(OPTIMIZERS.items()):
        models[name] = model = model_with(make())
        build(model)
        for suffix, only in FORMATS:
            if (suffix, name) != (".h5", "Lamb"):
                save(model, tmp_path / f"{number}{suffix}", save_weights_only=only)
                record = Record.from_line(json.dumps(lines(tmp_path)[-1]))
                records[suffix, name] = record
        for variable in model.optimizer.variables:
            variable.assign(variable + 1)
    pairs = itertools.permutations(OPTIMIZERS, 2)
    for (suffix, _), (here, there) in zip(itertools.cycle(FORMATS), pairs):
        if not {(suffix, here), (suffix, there)} <= records.keys():
            continue
        model, record = models[here], records[suffix, there]
        before = optimizer(model)
        found = load(model, str(tmp_path / record.path), record)
        assert not found.fits, (there, here)
        # Scaled or not, it is the same optimizer, with other variables.
        alike = {there, here} in ({"SGD", "SGD scaled"}, {"Adam", "Adam scaled"})
        why = "with other variables" if alike else "another optimizer ("
        assert why in found.note, (there, here)
        for a, b in zip(before, optimizer(model)):
            np.testing.assert_array_equal(a, b)
    for (suffix, name), record in records.items():
        own = load(models[name], str(tmp_path / record.path), record)
        assert own == OptimizerState(True), (suffix, name)


@pytest.mark.parametrize(("suffix", "only"), FORMATS)
def test_resume_with_another_optimizer(tmp_path, suffix, only):
    """The run goes on with the weights, and `problems` says what was left out."""
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
    """It comes from the checkpoint, as before."""
    model = model_with(optimizers.Adam(0.5))
    save(model, tmp_path / "m.keras")
    other = model_with(optimizers.Adam(0.1))
    assert restore_checkpoint(other, tmp_path / "m.keras").optimizer
    assert float(other.optimizer.learning_rate) == 0.5


@pytest.mark.parametrize("journal", ["before", None])
def test_where_nothing_tells_whose_state_it_is(tmp_path, journal):
    """Weights of Keras' own, or of a version before: taken if it fits, and told."""
    path = tmp_path / "m.weights.h5"
    model = model_with(optimizers.Adam(0.001))
    model.train_on_batch(X, Y)
    save(model, path, save_weights_only=True)
    drop_key(tmp_path, "optimizer")
    if journal is None:
        (tmp_path / "modelcheckpoint.jsonl").unlink()
    other = model_with(optimizers.Adam(0.001))
    with pytest.warns(CheckpointWarning, match="tells which optimizer"):
        restored = restore_checkpoint(other, path)
    assert restored.optimizer
    for a, b in zip(state(model), state(other)):
        np.testing.assert_array_equal(a, b)
    another = model_with(optimizers.Lion(0.001))
    with pytest.warns(CheckpointWarning, match="another optimizer"):
        assert not restore_checkpoint(another, path).optimizer


def test_the_line_names_the_optimizer(tmp_path):
    """The journal holds what `.weights.h5` cannot."""
    save(model_with("sgd"), tmp_path / "m.weights.h5", save_weights_only=True)
    (line,) = (tmp_path / "modelcheckpoint.jsonl").read_text().splitlines()
    found = json.loads(line)["optimizer"]
    assert (found["name"], found["options"]) == ("SGD", [])
    assert len(found["trains"]) == 8


@pytest.mark.parametrize(("suffix", "only"), FORMATS)
def test_the_state_of_other_variables(tmp_path, suffix, only):
    """As many of the same shapes, of another layer: not filled in."""
    models = [model_of_two(place) for place in (0, 1)]
    models[0].train_on_batch(X, Y)
    save(models[0], tmp_path / f"m{suffix}", save_weights_only=only)
    fresh = optimizer(models[1])
    with pytest.warns(CheckpointWarning, match="other variables were trained"):
        restored = restore_checkpoint(models[1], tmp_path / f"m{suffix}")
    assert not restored.optimizer
    for a, b in zip(fresh, optimizer(models[1])):
        np.testing.assert_array_equal(a, b)
    for a, b in zip(models[0].get_weights(), models[1].get_weights()):
        np.testing.assert_array_equal(a, b)


def model_of_two(frozen, optimizer=None):
    model = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(4), keras.layers.Dense(4)]
    )
    model.layers[frozen].trainable = False
    model.compile(optimizer or optimizers.Adam(0.001), "mean_squared_error")
    build(model)
    return model


def test_mixed_precision_wraps_the_optimizer(tmp_path):
    """Keras' own file names the optimizer inside; it is the same, and is restored."""
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
    """A registered class is known by its whole name."""
    for package, base in (("one", optimizers.Adam), ("two", optimizers.Adam)):
        cls = type("Opt", (base,), {})
        keras.saving.register_keras_serializable(package, name="Opt")(cls)
        model = model_with(cls(0.001))
        if package == "one":
            save(model, tmp_path / "w.weights.h5", save_weights_only=True)
        else:
            with pytest.warns(CheckpointWarning, match="one>Opt in the file, two>Opt"):
                restore_checkpoint(model, tmp_path / "w.weights.h5")


def test_renamed_layers_and_other_flags(tmp_path):
    """Nothing tells which array is which: an error, and the model is as it was."""

    def nested_of(names, frozen):
        inner = keras.Sequential(
            [keras.Input((4,)), *(keras.layers.Dense(4, name=name) for name in names)]
        )
        inner.layers[0].trainable = not frozen
        model = keras.Sequential([keras.Input((4,)), inner])
        model.compile("sgd", "mean_squared_error")
        return model

    saved = nested_of("ab", False)
    save(saved, tmp_path / "w.hdf5", save_weights_only=True)
    other = nested_of("cd", True)
    before = other.get_weights()
    with pytest.raises(RestoreError, match="were other layers trainable"):
        restore_checkpoint(other, tmp_path / "w.hdf5")
    for a, b in zip(before, other.get_weights()):
        np.testing.assert_array_equal(a, b)
    alike = nested_of("cd", False)
    restore_checkpoint(alike, tmp_path / "w.hdf5")
    for a, b in zip(saved.get_weights(), alike.get_weights()):
        np.testing.assert_array_equal(a, b)


def test_plain_sgd_with_other_flags(tmp_path):
    """Its learning rate and its count belong to no variable, and come back."""
    model = model_of_two(0, optimizers.SGD(0.5))
    save(model, tmp_path / "w.weights.h5", save_weights_only=True)
    other = model_of_two(1, optimizers.SGD(0.1))
    assert restore_checkpoint(other, tmp_path / "w.weights.h5").optimizer
    assert float(other.optimizer.learning_rate) == 0.5


def test_weights_of_keras_alone_name_their_optimizer(tmp_path):
    """Keras writes the name beside the arrays: that of Adam is not that of Lamb."""
    model = model_with(optimizers.Adam(0.001))
    build(model)
    model.save_weights(tmp_path / "w.weights.h5")
    other = model_with(optimizers.AdamW(0.001))
    with pytest.warns(CheckpointWarning, match="another optimizer"):
        assert not restore_checkpoint(other, tmp_path / "w.weights.h5").optimizer

"""Every model of the table, in every format: restored, or an error says why not."""

from __future__ import annotations

import gc
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import names
from contents import contents
from held_snapshots import HeldSnapshots
from keras_files import as_hdf5_holds, save_by_keras, slots_in
from model_state import (
    State,
    arrays,
    assert_equal,
    equal,
    first_batch,
    predict,
    slots_of,
    variables_of,
)
from models import AS_KERAS, CASES, ERROR, FILE, MENDED, SUFFIXES, Case

from modelcheckpoint import CheckpointError, FormatError, ModelCheckpoint

keras = pytest.importorskip("keras")

pytestmark = [
    pytest.mark.slow,
    # Keras advises against HDF5, and we warn of what it does not restore.
    pytest.mark.filterwarnings("ignore::UserWarning"),
]
KERAS_2 = keras.__version__.startswith("2.")


@dataclass(frozen=True)
class Run:
    """One fit of one model, and what was saved at its end by us and by Keras."""

    K: Any
    case: Case
    folder: Path
    saved: dict[str, State | CheckpointError] = field(default_factory=dict)
    unsaved: set[str] = field(default_factory=set)  # the formats where Keras failed
    first: dict[str, bool] = field(default_factory=dict)  # were the first files equal?
    held: dict[str, bool] = field(default_factory=dict)  # do snapshots stay as taken?
    loads: dict[str, bool] = field(default_factory=dict)  # for cells that depend on it

    def cell(self, suffix: str) -> str:
        cell = self.case.cell(self.K, suffix)
        if cell != AS_KERAS:
            return cell
        if suffix not in self.loads:
            self.loads[suffix] = keras_loads_its_own(self, suffix)
        return FILE if self.loads[suffix] else ERROR

    def path(self, who: str, suffix: str) -> Path:
        return self.folder / f"{who}{suffix}"


@pytest.fixture(scope="module")
def run(request, tmp_path_factory):
    """One fit for the four tests of a model: tracing it takes longer than they do."""
    module, name = request.param
    run = Run(pytest.importorskip(module), CASES[name], tmp_path_factory.mktemp(name))
    if KERAS_2 and not run.case.keras2:
        pytest.skip("a model of Keras 3")
    gc.collect()  # the previous model, which later collections would skip
    with run.case.policy(run.K):
        train_for_all(run)
        yield run


def train_for_all(run):
    possible = [suffix for suffix in SUFFIXES if run.cell(suffix) != ERROR]
    try:
        train(run, SUFFIXES, possible)
    except CheckpointError:
        for suffix in SUFFIXES:  # one by one, to find out which one it is
            try:
                train(run, [suffix], [suffix] if suffix in possible else [])
            except CheckpointError as error:
                run.saved[suffix] = error


def test_it_comes_back_or_is_an_error(run, suffix):
    """The model comes back unchanged from a file equal to Keras' own, or not at all."""
    if run.cell(suffix) == ERROR:
        check_error(run, suffix)
    else:
        check_file(run, suffix)


def pytest_generate_tests(metafunc):
    """Try each model on Keras 3; on tf_keras only one, and those that differ there."""
    everywhere = metafunc.config.getoption("keras2") == "all"
    rows = [("keras", name) for name in CASES] + [
        ("tf_keras", name)
        for name, case in CASES.items()
        if case.keras2 and (everywhere or case.cells2 or name == "sequential")
    ]
    if "run" in metafunc.fixturenames:
        metafunc.parametrize("run", rows, indirect=True, ids="-".join, scope="module")
        metafunc.parametrize("suffix", SUFFIXES)


def check_file(run, suffix):
    if isinstance(run.saved[suffix], CheckpointError):
        raise run.saved[suffix]
    assert run.first[suffix], "the first file differs from Keras' own"
    assert run.held.get(suffix, True), "a snapshot holds what was trained since"
    skip_what_keras_cannot(run, suffix)
    ours, state = load(run, "ours", suffix), run.saved[suffix]
    # Older versions of Keras fail to write some of what today's writes.
    if run.cell(suffix) != MENDED and suffix not in run.unsaved:
        # As both are the same, Keras' own file loads with the same result.
        assert contents(run.path("ours", suffix)) == contents(run.path("keras", suffix))
    if run.case.inexact:
        own = load(run, "keras", suffix)
        assert_equal("predictions", ours.predicted, own.predicted)
    else:
        assert_equal("predictions", ours.predicted, state.predicted)
    assert_equal("evaluation", ours.evaluated, state.evaluated)
    if suffix in (".keras", ".h5") and run.case.compiled:
        assert ours.kind == state.kind
    if suffix == ".weights.h5" or (suffix == ".keras" and run.case.compiled):
        assert_equal("optimizer", ours.optimizers, state.optimizers)
    if suffix == ".h5":
        slots = slots_in(run.path("ours", suffix))
        assert_equal("slots", slots, as_hdf5_holds(state.optimizers))


def skip_what_keras_cannot(run, suffix):
    """Skip if Keras does not load its own file, as in older Keras 3."""
    if not run.case.fragile or suffix == ".hdf5":
        return
    # Both full models are rebuilt from one config: if that fails, both fail.
    if keras_own(run, ".keras" if suffix == ".h5" else suffix) is not None:
        return
    if run.cell(suffix) == FILE and suffix not in run.unsaved:
        assert contents(run.path("ours", suffix)) == contents(run.path("keras", suffix))
    pytest.skip(f"Keras {keras.__version__} does not load its own file")


def check_error(run, suffix):
    """No batch is trained, nothing is left behind, and Keras cannot do it, either."""
    (x, y), model = run.case.data(run.K), run.case.make(run.K)
    folder, batches = run.folder / f"error{suffix}", []
    counter = run.K.callbacks.LambdaCallback(
        on_train_batch_begin=lambda batch, logs: batches.append(batch)
    )
    checkpoint = callback(run, folder / f"w{suffix}", suffix)
    with pytest.raises(FormatError, match=r"\.keras"):
        model.fit(x, y, batch_size=4, verbose=0, callbacks=[checkpoint, counter])
    assert batches == []
    assert names(folder) == []
    assert keras_own(run, suffix) is None


# Saving


def train(run, suffixes, possible):
    """Fit for two epochs with our callbacks; let Keras save at the same moments."""
    (x, y), model = run.case.data(run.K), run.case.make(run.K)
    callbacks = {
        suffix: callback(run, run.path("ours", suffix), suffix) for suffix in possible
    }
    weights, optimizers, first = [], [], {}
    snapshots = HeldSnapshots(possible)

    def save(epoch, logs):
        model = last.model  # on JAX this takes the state out of the running fit
        weights[:] = arrays(variables_of(model))
        optimizers[:] = slots_of(run.K, model)
        for suffix in suffixes:
            save_by_keras_if_it_can(run, model, suffix)
            if epoch == 0 and suffix in possible:
                callbacks[suffix].wait()
                run.first[suffix] = alike(run, suffix)
                first[suffix] = contents(run.path("ours", suffix))
        if epoch == 0:
            snapshots.take(model)
        else:  # later training is not in them
            for suffix, found in snapshots.contents().items():
                run.held[suffix] = found == first[suffix]

    last = run.K.callbacks.LambdaCallback(on_epoch_end=save)
    # HDF5 first: saving a format must not change the model for the others.
    order = [
        callbacks[s] for s in (".h5", ".hdf5", ".keras", ".weights.h5") if s in possible
    ]
    feed = one_batch(x, y) if model.run_eagerly else {"x": x, "y": y, "batch_size": 4}
    model.fit(**feed, epochs=2, verbose=0, callbacks=[*order, last])
    # At its end, fit may put other weights into the model, as with EMA.
    for variable, value in zip(variables_of(model), weights):
        variable.assign(value)
    kind = type(model.optimizer).__name__
    state = State(kind, optimizers, predict(run.K, model, x), evaluate(run, model))
    run.saved.update(dict.fromkeys(suffixes, state))


def one_batch(x, y):
    """Return arguments that feed `fit` the first batch: only its values matter here.

    Eager models trace nothing, so one step in an epoch is enough.
    """
    tf = pytest.importorskip("tensorflow")  # only TensorFlow's models are run eagerly
    return {"x": tf.data.Dataset.from_tensors((first_batch(x), first_batch(y)))}


def save_by_keras_if_it_can(run, model, suffix):
    try:
        save_by_keras(run.K, model, str(run.path("keras", suffix)), suffix)
    except Exception as error:  # of many kinds
        print(f"Keras cannot save {suffix}: {error}")
        run.unsaved.add(suffix)


def alike(run, suffix):
    """Return whether our file equals Keras' own, if required and possible to check."""
    if run.cell(suffix) != FILE or suffix in run.unsaved:
        return True
    return contents(run.path("ours", suffix)) == contents(run.path("keras", suffix))


def callback(run, path, suffix):
    weights_only = suffix in (".weights.h5", ".hdf5")
    return ModelCheckpoint(path, save_weights_only=weights_only, **run.case.checkpoint)


# Loading


def keras_own(run, suffix):
    """Return what comes back from Keras' own file; None if that is not the model."""
    if suffix in run.unsaved:
        return None
    try:
        own = load(run, "keras", suffix)
    except Exception as error:  # of many kinds
        print(f"Keras cannot load its {suffix}: {error}")
        return None
    state = run.saved[suffix]
    same = equal(own.predicted, state.predicted)
    return own if same and equal(own.evaluated, state.evaluated) else None


def keras_loads_its_own(run, suffix):
    """Return whether a model that Keras saves before any training comes back."""
    (x, _), model = run.case.data(run.K), run.case.make(run.K)
    save_by_keras(run.K, model, str(run.path("keras", suffix)), suffix)
    try:
        own = load(run, "keras", suffix)
    except Exception as error:  # of many kinds
        print(f"Keras cannot load its {suffix}: {error}")
        return False
    return equal(own.predicted, predict(run.K, model, x))


def load(run, who, suffix):
    """Load a file with plain Keras into a fresh model."""
    K, case, path = run.K, run.case, str(run.path(who, suffix))
    x, _ = case.data(K)
    if suffix in (".keras", ".h5"):
        arguments = {} if case.safe_mode else {"safe_mode": False}
        # The first versions of Keras 3 do not pass `custom_objects` on to HDF5.
        with K.utils.custom_object_scope(case.custom_objects(K)):
            model = K.models.load_model(path, **arguments)
    else:
        model = case.make(K)
        before = predict(K, model, x)  # this also builds it
        model.optimizer.build(model.trainable_variables)
        model.load_weights(path)
    slots, predicted = slots_of(K, model), predict(K, model, x)
    if suffix in (".weights.h5", ".hdf5"):
        assert not equal(before, predicted)
    kind = type(getattr(model, "optimizer", None)).__name__
    return State(kind, slots, predicted, evaluate(run, model))


def evaluate(run, model):
    if not run.case.evaluated:
        return []
    x, y = run.case.data(run.K)
    found = model.evaluate(x, y, verbose=0, return_dict=True)
    return [np.array(found[key]) for key in sorted(found)]

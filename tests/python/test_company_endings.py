"""With Keras' own callbacks: averaged weights, and trainings that end early."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from company import (  # noqa: F401  (a fixture)
    EVERY,
    adam_model,
    missing,
    ours_first,
    ours_last,
    same_start,
)
from conftest import checkpoints, fit, lines, names

from modelcheckpoint import ModelCheckpoint

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("same_start")]


# What SwapEMAWeights leaves in the model


@pytest.mark.parametrize("swap_on_epoch", [False, True])
@pytest.mark.parametrize("place", ["first", "last"])
def test_averaged_weights_are_saved_as_keras_saves_them(
    K, place, swap_on_epoch, tmp_path, data
):
    """The saved weights equal what Keras' own callback saves in our position."""
    if missing(K, "SwapEMAWeights"):
        pytest.skip(missing(K, "SwapEMAWeights"))
    (tmp_path / "theirs").mkdir()
    callbacks = []
    for name, save_freq in (("{epoch}", "epoch"), ("{epoch}-{batch}", 3)):
        kind = {"save_weights_only": True, "save_freq": save_freq}
        paths = [tmp_path / f / f"{name}.weights.h5" for f in ("ours", "theirs")]
        callbacks.append(ModelCheckpoint(paths[0], save_freq_unit="batches", **kind))
        callbacks.append(K.callbacks.ModelCheckpoint(str(paths[1]), **kind))
    swap = K.callbacks.SwapEMAWeights(swap_on_epoch)
    callbacks.insert(0 if place == "first" else len(callbacks), swap)
    arguments = {"epochs": 3, "validation_data": data}
    fit(adam_model(K, ema=True), data, *callbacks, **arguments)
    saved = names(tmp_path / "theirs")
    assert len(saved) == 3 + 7
    assert checkpoints(tmp_path / "ours") == saved
    for name in saved:
        ours, theirs = (arrays_in(tmp_path / f / name) for f in ("ours", "theirs"))
        assert ours.keys() == theirs.keys()
        assert all(np.array_equal(ours[key], theirs[key]) for key in ours)
    # The test is not vacuous: while it is swapped in, the average is another model.
    last = arrays_in(tmp_path / "ours" / "3.weights.h5")
    middle = arrays_in(tmp_path / "ours" / "3-7.weights.h5")
    weights = [key for key in last if key.startswith(("layers", "_layer"))]
    same = all(np.allclose(last[key], middle[key], rtol=1e-3) for key in weights)
    assert same is not (swap_on_epoch and place == "first")


def arrays_in(path):
    """Return all arrays of a file by their names in it."""
    found = {}
    with h5py.File(path, "r") as file:
        file.visititems(
            lambda name, item: (
                found.update({name: item[()]})
                if isinstance(item, h5py.Dataset)
                else None
            )
        )
    return found


# Other ways to end


@pytest.mark.parametrize("order", [ours_first, ours_last])
def test_terminate_on_nan(K, order, tmp_path, data):
    """When TerminateOnNaN stops training, the best model is untouched."""

    class Spoil(K.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                nan = [np.full_like(w, np.nan) for w in self.model.get_weights()]
                self.model.set_weights(nan)

    ours = [
        ModelCheckpoint(tmp_path / "best.keras", save_best_only=True),
        ModelCheckpoint(tmp_path / "{samples}.keras", save_freq=EVERY),
    ]
    callbacks = order(ours, [Spoil(), K.callbacks.TerminateOnNaN()])
    history = fit(adam_model(K), data, *callbacks, epochs=5, validation_data=data)
    assert len(history.history["loss"]) == 3
    bests = [line for line in lines(tmp_path) if line["path"] == "best.keras"]
    assert [line["epoch"] for line in bests] == [1, 2]
    weights = K.models.load_model(str(tmp_path / "best.keras")).get_weights()
    assert all(np.isfinite(w).all() for w in weights)
    # One batch of the third epoch was trained, and its 4 samples do not make 30.
    assert max(x["samples"] for x in lines(tmp_path)) == 50
    assert [ours[0].problems, ours[1].problems] == [[], []]


@pytest.mark.parametrize("order", [ours_first, ours_last])
@pytest.mark.keras2
def test_backup_and_restore_after_a_crash(K, order, tmp_path, data):
    """A crashed run continues at the epoch that BackupAndRestore kept, and so do we."""

    class Crash(Exception):
        pass

    class CrashOnce(K.callbacks.Callback):
        crashed = False
        epochs = []  # noqa: RUF012

        def on_epoch_begin(self, epoch, logs=None):
            self.epochs.append(epoch)
            if epoch == 2 and not CrashOnce.crashed:
                CrashOnce.crashed = True
                raise Crash

    def train():
        backup = K.callbacks.BackupAndRestore(str(tmp_path / "backup"))
        ours = [ModelCheckpoint(tmp_path / "ours" / "{epoch}.keras")]
        callbacks = order(ours, [backup, CrashOnce()])
        fit(adam_model(K), data, *callbacks, epochs=4)

    with pytest.raises(Crash):
        train()
    train()
    assert CrashOnce.epochs == [0, 1, 2, 2, 3]
    assert [line["epoch"] for line in lines(tmp_path / "ours")] == [1, 2, 3, 4]
    assert checkpoints(tmp_path / "ours") == [f"{n}.keras" for n in (1, 2, 3, 4)]

"""`restore_best`: the best weights when training ends."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import fit, make_model, same_weights
from restoring import TEMPLATES, optimizer_values

from modelcheckpoint import (
    CheckpointWarning,
    ModelCheckpoint,
    restore_checkpoint,
)

pytestmark = pytest.mark.slow


class Values:
    """Gives `monitor` the value that a test wants in each epoch."""

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


@pytest.mark.parametrize("name", TEMPLATES)
@pytest.mark.keras2
def test_the_model_ends_with_the_best_weights(K, name, tmp_path, data):
    """They equal the best file; the optimizer stays as training left it."""
    weights_only = TEMPLATES[name][0]
    model, callback = best_of(
        K, tmp_path, data, [1, 3, 2], name, save_weights_only=weights_only
    )
    best, last = make_model(K), make_model(K)
    restore_checkpoint(best, tmp_path / name.format(epoch=2))
    restore_checkpoint(last, tmp_path / name.format(epoch=3))
    assert same_weights(model, best)
    assert not same_weights(model, last)
    if TEMPLATES[name][1]:
        pairs = zip(optimizer_values(model), optimizer_values(last))
        assert all(np.array_equal(here, there) for here, there in pairs)
    assert callback.problems == []


def test_one_file_with_save_best_only(K, tmp_path, data, capsys):
    """Then a name without fields holds the best; with `verbose`, a line says so."""
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
    """The model is unchanged, and the reason is reported."""

    def harm(record):
        if record.epoch == 2:
            (tmp_path / "w.1.keras").write_bytes(b"harm")

    with pytest.warns(CheckpointWarning, match=r"the model stays as it is: w\.1\."):
        model, _ = best_of(K, tmp_path, data, [2, 1], on_saved=harm)
    last = make_model(K)
    restore_checkpoint(last, tmp_path / "w.2.keras")
    assert same_weights(model, last)


def test_a_best_that_is_gone(K, tmp_path, data):
    """If somebody has deleted it, that is reported."""

    def harm(record):
        if record.epoch == 2:
            (tmp_path / "w.1.keras").unlink()

    with pytest.warns(CheckpointWarning, match=r"w\.1\.keras: it is gone"):
        best_of(K, tmp_path, data, [2, 1], on_saved=harm)


def test_no_best_at_all(K, tmp_path, data):
    """Without `monitor`, no checkpoint was ever the best."""
    callback = ModelCheckpoint(tmp_path / "w.{epoch}.keras", restore_best=True)
    with pytest.warns(CheckpointWarning, match="no checkpoint was the best by 'val_"):
        fit(make_model(K), data, callback)


def test_the_best_of_the_run_before(K, tmp_path, data):
    """A resumed run restores the best of all its parts."""
    best_of(K, tmp_path, data, [1, 3, 2])
    model, _ = best_of(K, tmp_path, data, [0, 0, 0, 2, 1], resume=True)
    best = make_model(K)
    restore_checkpoint(best, tmp_path / "w.2.keras")
    assert same_weights(model, best)

"""The hooks of the callback, called by hand and overridden."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import (
    checkpoints,
    fit,
    make_model,
)

from modelcheckpoint import CheckpointError, ModelCheckpoint
from modelcheckpoint.batch_hooks import BatchHook


@pytest.mark.keras2
def test_hooks_by_hand(K, tmp_path, data):
    """A custom loop calls every hook; `logs["size"]` counts the samples."""
    model = make_model(K)
    template = tmp_path / "w.{epoch}-{batch}-{samples}.keras"
    callback = ModelCheckpoint(template, save_freq=10)
    callback.set_model(model)
    callback.on_train_begin()
    for epoch in range(2):
        callback.on_epoch_begin(epoch)
        for batch, size in enumerate((4, 7, 4)):
            callback.on_batch_begin(batch)
            loss = model.train_on_batch(data[0][:size], data[1][:size])
            callback.on_batch_end(batch, {"loss": loss, "size": size})
        callback.on_epoch_end(epoch, {"loss": loss})
    callback.on_train_end()
    assert checkpoints(tmp_path) == ["w.1-2-11.keras", "w.2-2-26.keras"]
    last = K.models.load_model(str(tmp_path / "w.2-2-26.keras"))
    assert int(np.asarray(last.optimizer.iterations)) == 5


def test_hooks_by_hand_without_sizes(K, tmp_path):
    """If the loop does not pass the batch's size, the first batch raises an error."""
    callback = ModelCheckpoint(tmp_path / "w.keras", save_freq=10)
    callback.set_model(make_model(K))
    callback.on_train_begin()
    callback.on_epoch_begin(0)
    with pytest.raises(ValueError, match=r'logs\["size"\].*save_freq_unit'):
        callback.on_batch_end(0, {"loss": 1.0})


def test_hooks_by_hand_need_neither_begin_nor_epochs(tmp_path):
    """A loop that calls only the hooks it needs still gets its checkpoints."""
    import keras

    callback = ModelCheckpoint(tmp_path / "w.{epoch}.keras")
    with pytest.raises(CheckpointError, match="set_model"):
        callback.on_epoch_end(0)
    callback.set_model(make_model(keras))
    callback.on_epoch_end(0)
    callback.on_epoch_end(1, {"loss": 1.0})
    assert checkpoints(tmp_path) == ["w.1.keras", "w.2.keras"]


@pytest.mark.keras2
def test_an_unneeded_batch_hook_is_looked_up_once(K, tmp_path, data, monkeypatch):
    """Looking it up at each batch would take time."""
    looked_up, look_up = [], BatchHook.__get__

    def counted(self, callback, owner=None):
        looked_up.extend([self.name] if callback is not None else [])
        return look_up(self, callback, owner)

    monkeypatch.setattr(BatchHook, "__get__", counted)
    callback = ModelCheckpoint(str(tmp_path / "m.keras"))
    fit(make_model(K), data, callback, epochs=2)
    assert len(looked_up) == len(set(looked_up))


@pytest.mark.keras2
def test_subclass_hooks_run(K, tmp_path, data):
    """A subclass that overrides batch hooks and calls super() works in both modes."""
    seen = []

    class Mine(ModelCheckpoint):
        def on_batch_end(self, batch, logs=None):
            seen.append(batch)
            super().on_batch_end(batch, logs)

    for number, save_freq in enumerate(("epoch", 12)):
        callback = Mine(tmp_path / f"{number}.keras", save_freq=save_freq)
        fit(make_model(K), data, callback)
    assert seen == [*range(7), *range(7)]
    assert checkpoints(tmp_path) == ["0.keras", "1.keras"]

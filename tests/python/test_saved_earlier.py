"""What an earlier version saved is listed, verified, restored, resumed and pruned.

`saved_by_0.1` holds three folders of one training each (four epochs of the model below,
with Keras 3.15 on TensorFlow) and the weights after each epoch, in `weights.json`.
"""

from __future__ import annotations

import json
import pathlib
import shutil

import numpy as np
import pytest
from conftest import checkpoints

from modelcheckpoint import (
    ModelCheckpoint,
    list_checkpoints,
    prune_checkpoints,
    restore_checkpoint,
    verify_checkpoints,
)

keras = pytest.importorskip("keras", minversion="3.4")

pytestmark = pytest.mark.slow

SAVED = pathlib.Path(__file__).with_name("saved_by_0.1")
WEIGHTS = json.loads((SAVED / "weights.json").read_text("utf-8"))
FILES = {
    "best": {"best.keras": 4},
    "full": {"1.h5": 1, "2.h5": 2, "3.h5": 3, "4.h5": 4},
    "weights/epochs": {"03-3.23.weights.h5": 3, "04-3.22.weights.h5": 4},
}


@pytest.fixture(params=FILES)
def name(request):
    return request.param


@pytest.fixture
def folder(name, tmp_path):
    return shutil.copytree(SAVED / name, tmp_path / name)


def model_and_data():
    x = np.random.default_rng(0).normal(size=(20, 3)).astype("float32")
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, name="d")])
    model.compile("adam", "mse")
    return model, (x, x.sum(axis=1, keepdims=True))


def assert_weights(model, name, epoch):
    expected = WEIGHTS[name.partition("/")[0]][str(epoch)]
    for array, values in zip(model.get_weights(), expected):
        np.testing.assert_array_equal(array, np.array(values, "float32"))


def test_list_and_verify(folder, name):
    """Every file has its line, epoch and value, and is good."""
    listed = {one.name: one for one in list_checkpoints(folder)}
    assert {path: one.epoch for path, one in listed.items()} == FILES[name]
    assert all(one.value is not None and one.mode == "min" for one in listed.values())
    verified = {one.path: one.status for one in verify_checkpoints(folder)}
    assert verified == dict.fromkeys(FILES[name], "good")


def test_restore(folder, name):
    """Weights and optimizer are restored, bit by bit."""
    for path, epoch in FILES[name].items():
        model, _ = model_and_data()
        restored = restore_checkpoint(model, folder / path)
        assert (restored.epoch, restored.optimizer) == (epoch, True)
        assert int(model.optimizer.iterations) == 4 * epoch
        assert_weights(model, name, epoch)


@pytest.mark.parametrize(
    ("name", "template", "arguments"),
    [
        ("best", "best.keras", {"save_best_only": True}),
        ("full", "{epoch}.h5", {"monitor": "loss"}),
        (
            "weights/epochs",
            "{epoch:02d}-{val_loss:.2f}.weights.h5",
            {"save_weights_only": True, "keep_latest": 2, "keep_best": 1},
        ),
    ],
)
def test_resume(folder, name, template, arguments):
    """Training continues after the fourth epoch; retention counts the old files."""
    model, data = model_and_data()
    callback = ModelCheckpoint(folder / template, resume=True, **arguments)
    history = model.fit(
        *data,
        validation_data=data,
        batch_size=5,
        epochs=5,
        verbose=0,
        callbacks=[callback],
    )
    assert history.epoch == [4]
    assert callback.restored.epoch == 4
    old, new = set(FILES[name]), set(checkpoints(folder))
    assert {one.status for one in verify_checkpoints(folder)} == {"good"}
    if name == "weights/epochs":
        assert new - old == {"05-3.20.weights.h5"}
        assert old - new == {"03-3.23.weights.h5"}
    else:
        assert old <= new


def test_prune(tmp_path):
    """All but the newest and the best are deleted, and nobody misses them."""
    folder = shutil.copytree(SAVED / "full", tmp_path / "full")
    prune_checkpoints(folder, keep_latest=1, keep_best=1, dry_run=False)
    assert checkpoints(folder) == ["4.h5"]
    assert [one.status for one in verify_checkpoints(folder)] == ["good"]

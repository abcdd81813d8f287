"""Training resumes where it was killed, and ends as if it had never been."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest
from conftest import checkpoints, fit, lines, make_model
from resuming import again, first

from modelcheckpoint import (
    CheckpointWarning,
    ModelCheckpoint,
)

pytestmark = pytest.mark.slow

# In one process: another callback and another model stand for the next one.


@pytest.mark.keras2
def test_on_each_keras(K, tmp_path, data):
    """`fit` begins with the next epoch, and a later `fit` where it is asked to."""
    trained = first(K, tmp_path, data)
    callback = ModelCheckpoint(tmp_path / "w.{epoch}.keras", resume=True)
    seen = []
    model = make_model(K)
    look = K.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: seen.append(model.get_weights())
    )
    history = fit(model, data, callback, look, epochs=5)
    assert history.epoch == [3, 4]
    assert all(map(np.array_equal, seen[0], trained.get_weights()))
    assert fit(model, data, epochs=2).epoch == [0, 1]
    assert [line["epochs_done"] for line in lines(tmp_path)] == [1, 2, 3, 4, 5]
    assert [line["samples"] for line in lines(tmp_path)] == [25, 50, 75, 100, 125]


@pytest.mark.keras2
def test_weights_alone_in_hdf5(K, tmp_path, data, capsys):
    """The weights are restored; a line says that the optimizer starts from scratch."""
    arguments = {"name": "w.{epoch}.hdf5", "save_weights_only": True}
    first(K, tmp_path, data, **arguments)
    callback, epochs = again(K, tmp_path, data, **arguments)
    assert epochs == [4, 5]
    assert not callback.restored.optimizer
    assert "the optimizer starts from scratch" in capsys.readouterr().out


def test_a_damaged_checkpoint_is_passed_over(K, tmp_path, data):
    """A warning names it, and the one before is used."""
    first(K, tmp_path, data)
    newest = tmp_path / "w.3.keras"
    newest.write_bytes(newest.read_bytes()[:-1])
    with pytest.warns(CheckpointWarning, match=r"w\.3\.keras, it is damaged: it has"):
        callback, epochs = again(K, tmp_path, data)
    assert epochs == [3, 4, 5]
    assert callback.restored.path == str(tmp_path / "w.2.keras")


def test_a_deleted_checkpoint_is_not_missed(K, tmp_path, data):
    """A deleted file is not a problem."""
    first(K, tmp_path, data)
    (tmp_path / "w.3.keras").unlink()
    callback, epochs = again(K, tmp_path, data)
    assert epochs == [3, 4, 5]
    assert callback.problems == []


def test_a_line_whose_file_never_came(K, tmp_path, data):
    """If the newest line of a name has no file yet, the name has the previous file."""
    first(K, tmp_path, data, name="w.keras")
    journal = tmp_path / "modelcheckpoint.jsonl"
    ahead = {**lines(tmp_path)[-1], "epoch": 4, "epochs_done": 4, "crc32": "0" * 8}
    with journal.open("a") as file:
        file.write(json.dumps(ahead) + "\n")
    callback, epochs = again(K, tmp_path, data, name="w.keras")
    assert epochs == [4, 5]
    assert callback.problems == []


def test_nothing_to_resume_from(K, tmp_path, data, capsys):
    """No error is raised; with `verbose`, a line says so."""
    callback, epochs = again(K, tmp_path, data, epochs=2, verbose=1)
    assert epochs == [1, 2]
    assert callback.restored is None
    assert f"nothing to resume from in {tmp_path}" in capsys.readouterr().out
    again(K, tmp_path / "other", data, epochs=1)
    assert "resume" not in capsys.readouterr().out


def test_other_templates_and_formats_do_not_count(K, tmp_path, data):
    """Only checkpoints of this `filepath` belong to this training."""
    first(K, tmp_path, data)
    first(K, tmp_path, data, epochs=2, name="w.{epoch}.h5")
    assert again(K, tmp_path, data, 5, "v.{epoch}.keras")[1] == [1, 2, 3, 4, 5]
    arguments = {"name": "w.{epoch}.h5", "save_weights_only": True}
    assert again(K, tmp_path, data, epochs=1, **arguments)[1] == [1]


def test_a_folder_that_was_moved(K, tmp_path, data):
    """The name below the folder counts, not where the folder was."""
    first(K, tmp_path / "here", data)
    os.rename(tmp_path / "here", tmp_path / "there")
    assert again(K, tmp_path / "there", data)[1] == [4, 5]


def test_lines_of_earlier_versions(K, tmp_path, data):
    """A line without the newer keys is good enough to resume from."""
    first(K, tmp_path, data)
    journal = tmp_path / "modelcheckpoint.jsonl"
    newer = ("epochs_done", "since", "seeds", "random", "build")
    newer += ("global_seed", "states", "averaged")
    old = [{k: v for k, v in x.items() if k not in newer} for x in lines(tmp_path)]
    journal.write_text("".join(json.dumps(line) + "\n" for line in old))
    assert again(K, tmp_path, data)[1] == [4, 5]


@pytest.mark.keras2
def test_the_middle_of_an_epoch(K, tmp_path, data, capsys):
    """The epoch is repeated, and a line says so; samples and batches go on."""
    counted = {"save_freq": 5, "save_freq_unit": "batches"}
    arguments = {"name": "w.{epoch}-{batch}.weights.h5", **counted}
    arguments["save_weights_only"] = True
    first(K, tmp_path, data, epochs=2, **arguments)
    # 7 batches an epoch: due after batches 5 and 10 of 14; 4 have passed since.
    assert checkpoints(tmp_path) == ["w.1-5.weights.h5", "w.2-3.weights.h5"]
    capsys.readouterr()
    callback, epochs = again(K, tmp_path, data, epochs=2, **arguments)
    out = capsys.readouterr().out
    assert epochs == [2]
    assert "saved in epoch 2, after batch 3; epoch 2 is repeated from its first" in out
    assert lines(tmp_path)[-1]["path"] == "w.2-5.weights.h5"
    assert lines(tmp_path)[-1]["samples"] == 37 + 20
    assert callback.problems == []


def test_the_last_batch_of_an_epoch_is_its_end(K, tmp_path, data):
    """A save at that batch is of a whole epoch, which is not trained again."""
    arguments = {"name": "w.{epoch}.keras", "save_freq": 25}
    first(K, tmp_path, data, epochs=2, **arguments)
    assert [line["epochs_done"] for line in lines(tmp_path)] == [1, 2]
    assert again(K, tmp_path, data, **arguments)[1] == [3, 4, 5]


def test_what_passed_since_a_save_fell_due_is_counted_on(K, tmp_path, data):
    """With `period=3`, a last checkpoint after epoch 4 does not shift epoch 6."""
    first(K, tmp_path, data, epochs=4, period=3, save_on_exit=True)
    assert [line["since"] for line in lines(tmp_path)] == [0, 1]
    again(K, tmp_path, data, epochs=9, period=3)
    assert [line["epoch"] for line in lines(tmp_path)] == [3, 4, 6, 9]


def test_the_best_is_known_again(K, tmp_path, data, capsys):
    """A worse epoch does not overwrite the best from before."""
    arguments = {"name": "best.keras", "monitor": "loss", "save_best_only": True}
    first(K, tmp_path, data, **arguments)
    saved = (tmp_path / "best.keras").read_bytes()
    best = lines(tmp_path)[-1]["value"]
    callback = ModelCheckpoint(
        tmp_path / "best.keras", "loss", save_best_only=True, resume=True
    )
    model = make_model(K)
    callback.set_model(model)
    callback.set_params({})
    callback.on_train_begin()
    assert callback.best == best
    assert callback.restored.epochs_done == 3
    callback.on_epoch_begin(3)
    callback.on_epoch_end(3, {"loss": best + 1})
    callback.on_train_end()
    assert (tmp_path / "best.keras").read_bytes() == saved
    assert ": `save_best_only` keeps no newer one" in capsys.readouterr().out

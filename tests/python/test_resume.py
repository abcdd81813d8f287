"""Training goes on where it was killed, and ends as if it never had been."""

from __future__ import annotations

import json
import os
import pathlib
import signal
import subprocess
import sys
import warnings

import numpy as np
import pytest
from conftest import TF_KERAS, checkpoints, fit, lines, make_model, same_weights, told

from modelcheckpoint import (
    CheckpointWarning,
    ModelCheckpoint,
    RestoreError,
    restore_checkpoint,
)

pytestmark = pytest.mark.slow

SCRIPT = pathlib.Path(__file__).with_name("run_resumed.py")
FORMATS = {
    "w.{epoch:02d}.keras": False,
    "w.{epoch:02d}.weights.h5": True,
    "w.{epoch:02d}.h5": False,
}


def run(folder, **job):
    """Run the script; return what it printed, or None where it was killed."""
    folder.mkdir(exist_ok=True)
    command = [sys.executable, str(SCRIPT), str(folder), json.dumps(job)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode == -signal.SIGKILL:
        return None
    assert done.returncode == 0, done.stderr
    return done.stdout


def end_of(folder):
    with np.load(folder / "end.npz") as found:
        return [found[name] for name in found.files]


def assert_same_end(one, other):
    assert len(one) == len(other) > 10
    for here, there in zip(one, other):
        assert here.dtype == there.dtype
        assert np.array_equal(here, there)


@pytest.fixture(scope="session")
def unbroken(tmp_path_factory):
    """What ten epochs in one process end with."""
    folder = tmp_path_factory.mktemp("unbroken")
    run(folder, name="w.weights.h5", callback={"save_weights_only": True})
    return end_of(folder)


def resumed(folder, kill, **job):
    assert run(folder, kill=kill, **job) is None
    return run(folder, **job)


@pytest.mark.parametrize("name", FORMATS)
def test_ten_epochs_are_four_a_kill_and_six(name, tmp_path, unbroken):
    """Weights, optimizer and seed generators are those of a run never stopped."""
    arguments = {"resume": True, "save_weights_only": FORMATS[name]}
    out = resumed(tmp_path, ["epoch", 4], name=name, callback=arguments)
    assert "saved after epoch 4; epoch 5 is next\n" in out
    assert "epochs [5, 6, 7, 8, 9, 10]" in out
    assert "problems []" in out
    assert_same_end(end_of(tmp_path), unbroken)
    assert len({line["run"] for line in lines(tmp_path)}) == 1


def test_two_kills(tmp_path, unbroken):
    """A run that was resumed can be, also one that was killed within an epoch."""
    job = {"name": "w.{epoch}.keras", "callback": {"resume": True}}
    assert run(tmp_path, kill=["epoch", 3], **job) is None
    assert run(tmp_path, kill=["batch", 12], **job) is None
    assert "epochs [6, 7, 8, 9, 10]" in run(tmp_path, **job)
    assert_same_end(end_of(tmp_path), unbroken)


@pytest.mark.parametrize("build", ["none", "subclassed"])
def test_a_model_that_its_first_batch_builds(build, tmp_path, unbroken):
    """The journal tells how it was built; a name without fields is the newest state."""
    job = {"name": "w.keras", "callback": {"resume": True}, "build": build}
    assert "epochs [5, 6" in resumed(tmp_path, ["epoch", 4], **job)
    assert_same_end(end_of(tmp_path), unbroken)


def test_a_kill_while_a_save_is_in_flight(tmp_path):
    """What was not durable yet is trained again; the end is the same."""
    job = {"name": "w.{epoch}.keras", "callback": {"resume": True}, "width": 1024}
    unbroken = tmp_path / "unbroken"
    run(unbroken, **job)
    out = resumed(tmp_path, ["epoch", 4], **job)
    assert "epochs [4, 5, 6" in out or "epochs [5, 6" in out
    assert_same_end(end_of(tmp_path), end_of(unbroken))


@pytest.mark.skipif(not TF_KERAS, reason="tf_keras is not here")
def test_tf_keras_without_dropout(tmp_path):
    """tf_keras starts at the right epoch, too; the state of its Dropout is lost."""
    job = {"name": "w.{epoch}.keras", "keras": "tf_keras", "dropout": False}
    job["callback"] = {"resume": True}
    unbroken = tmp_path / "unbroken"
    run(unbroken, **job)
    assert "epochs [5, 6" in resumed(tmp_path, ["epoch", 4], **job)
    assert_same_end(end_of(tmp_path), end_of(unbroken))


# In one process: another callback and another model stand for the next one.


def first(K, folder, data, epochs=3, name="w.{epoch}.keras", **arguments):
    model = make_model(K)
    fit(model, data, ModelCheckpoint(folder / name, **arguments), epochs=epochs)
    return model


def again(K, folder, data, epochs=5, name="w.{epoch}.keras", **arguments):
    """Return the callback and the epochs that were trained."""
    fitted = arguments.pop("fit", {})
    callback = ModelCheckpoint(folder / name, resume=True, **arguments)
    model = make_model(K)
    history = fit(model, data, callback, epochs=epochs, **fitted)
    return callback, [epoch + 1 for epoch in history.epoch]


@pytest.mark.keras2
def test_on_each_keras(K, tmp_path, data):
    """`fit` begins with the next epoch, and a later `fit` where it is told to."""
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
    """The weights are restored, and a line says that the optimizer starts anew."""
    arguments = {"name": "w.{epoch}.hdf5", "save_weights_only": True}
    first(K, tmp_path, data, **arguments)
    callback, epochs = again(K, tmp_path, data, **arguments)
    assert epochs == [4, 5]
    assert not callback.restored.optimizer
    assert "the optimizer starts anew" in capsys.readouterr().out


def test_a_damaged_checkpoint_is_passed_over(K, tmp_path, data):
    """A warning names it, and the one before is taken."""
    first(K, tmp_path, data)
    newest = tmp_path / "w.3.keras"
    newest.write_bytes(newest.read_bytes()[:-1])
    with pytest.warns(CheckpointWarning, match=r"w\.3\.keras, it is damaged: it has"):
        callback, epochs = again(K, tmp_path, data)
    assert epochs == [3, 4, 5]
    assert callback.restored.path == str(tmp_path / "w.2.keras")


def test_a_deleted_checkpoint_is_not_missed(K, tmp_path, data):
    """What is not there is no problem."""
    first(K, tmp_path, data)
    (tmp_path / "w.3.keras").unlink()
    callback, epochs = again(K, tmp_path, data)
    assert epochs == [3, 4, 5]
    assert callback.problems == []


def test_a_line_whose_file_never_came(K, tmp_path, data):
    """The newest line of a name can be ahead of its file, which is then of before."""
    first(K, tmp_path, data, name="w.keras")
    journal = tmp_path / "modelcheckpoint.jsonl"
    ahead = {**lines(tmp_path)[-1], "epoch": 4, "epochs_done": 4, "crc32": "0" * 8}
    with journal.open("a") as file:
        file.write(json.dumps(ahead) + "\n")
    callback, epochs = again(K, tmp_path, data, name="w.keras")
    assert epochs == [4, 5]
    assert callback.problems == []


def test_nothing_to_resume_from(K, tmp_path, data, capsys):
    """It is no error; with `verbose` a line says so."""
    callback, epochs = again(K, tmp_path, data, epochs=2, verbose=1)
    assert epochs == [1, 2]
    assert callback.restored is None
    assert f"nothing to resume from in {tmp_path}" in capsys.readouterr().out
    again(K, tmp_path / "other", data, epochs=1)
    assert "resume" not in capsys.readouterr().out


def test_other_templates_and_formats_do_not_count(K, tmp_path, data):
    """Only checkpoints of this `filepath` are those of this training."""
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
    """A line without the newer keys is good enough to go on from."""
    first(K, tmp_path, data)
    journal = tmp_path / "modelcheckpoint.jsonl"
    newer = ("epochs_done", "since", "seeds", "random", "build")
    newer += ("global_seed", "states", "averaged")
    old = [{k: v for k, v in x.items() if k not in newer} for x in lines(tmp_path)]
    journal.write_text("".join(json.dumps(line) + "\n" for line in old))
    assert again(K, tmp_path, data)[1] == [4, 5]


@pytest.mark.keras2
def test_the_middle_of_an_epoch(K, tmp_path, data, capsys):
    """The epoch begins anew, and a line says so; samples and batches go on."""
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
    assert "saved in epoch 2, after batch 3; epoch 2 begins anew" in out
    assert lines(tmp_path)[-1]["path"] == "w.2-5.weights.h5"
    assert lines(tmp_path)[-1]["samples"] == 37 + 20
    assert callback.problems == []


def test_the_last_batch_of_an_epoch_is_its_end(K, tmp_path, data):
    """What was saved then is of a whole epoch, which is not trained again."""
    arguments = {"name": "w.{epoch}.keras", "save_freq": 25}
    first(K, tmp_path, data, epochs=2, **arguments)
    assert [line["epochs_done"] for line in lines(tmp_path)] == [1, 2]
    assert again(K, tmp_path, data, **arguments)[1] == [3, 4, 5]


def test_what_passed_since_a_save_fell_due_is_counted_on(K, tmp_path, data):
    """With `period=3`, a last checkpoint after epoch 4 does not move epoch 6."""
    first(K, tmp_path, data, epochs=4, period=3, save_on_exit=True)
    assert [line["since"] for line in lines(tmp_path)] == [0, 1]
    again(K, tmp_path, data, epochs=9, period=3)
    assert [line["epoch"] for line in lines(tmp_path)] == [3, 4, 6, 9]


def test_the_best_is_known_again(K, tmp_path, data, capsys):
    """A worse epoch does not overwrite the best of before."""
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
    assert "as `save_best_only` keeps no newer one" in capsys.readouterr().out


def test_another_model_is_an_error(K, tmp_path, data):
    """It names the checkpoint and the way out, and the model is as it was."""
    first(K, tmp_path, data)
    model = K.Sequential([K.Input((3,)), K.layers.Dense(2), K.layers.Dense(3)])
    model.compile(optimizer="adam", loss="mean_squared_error")
    before = model.get_weights()
    callback = ModelCheckpoint(tmp_path / "w.{epoch}.keras", resume=True)
    with pytest.raises(RestoreError, match=r"w\.3\.keras .* as it was .* another"):
        fit(model, data, callback)
    assert all(map(np.array_equal, before, model.get_weights()))


@pytest.mark.keras2
def test_another_optimizer_starts_anew(K, tmp_path, data, capsys):
    """The weights are restored; one warning, ours, says that the optimizer is not."""
    trained = first(K, tmp_path, data)
    model = make_model(K)
    model.compile(optimizer="sgd", loss="mean_squared_error")
    callback = ModelCheckpoint(tmp_path / "w.{epoch}.keras", resume=True)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        fit(model, data, callback, epochs=3)
    (text,) = [str(w.message) for w in warned if issubclass(w.category, UserWarning)]
    assert "(Adam in the file, SGD here)" in text
    assert same_weights(model, trained)
    assert not callback.restored.optimizer
    assert "the optimizer starts anew" in capsys.readouterr().out


def test_all_epochs_are_done(K, tmp_path, data, capsys):
    """Nothing is trained, a line says so, and the model is that of the checkpoint."""
    trained = first(K, tmp_path, data)
    callback = ModelCheckpoint(tmp_path / "w.{epoch}.keras", resume=True)
    model = make_model(K)
    assert fit(model, data, callback, epochs=3).epoch == []
    assert same_weights(model, trained)
    out = capsys.readouterr().out
    assert "all 3 epochs are done, there is nothing to train" in out
    assert "NO CHECKPOINT" not in out
    assert fit(model, data, epochs=2).epoch == [0, 1]


@pytest.mark.keras2
def test_a_later_fit_goes_on_from_the_model(K, tmp_path, data):
    """After a `fit` that ended as it should nothing is loaded again."""
    callback, _ = again(K, tmp_path, data, epochs=2, period=2)
    model = callback.model
    fit(model, data, callback, epochs=3, initial_epoch=2)
    before = model.get_weights()
    seen = []
    look = K.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: seen.append(model.get_weights())
    )
    assert fit(model, data, callback, look, epochs=1).epoch == [0]
    assert all(map(np.array_equal, before, seen[0]))


def test_a_script_with_two_fits(K, tmp_path, data):
    """Killed in the second, it goes on there: the first has nothing to train."""
    first(K, tmp_path, data, epochs=4)
    callback = ModelCheckpoint(tmp_path / "w.{epoch}.keras", resume=True)
    model = make_model(K)
    assert fit(model, data, callback, epochs=3).epoch == []
    assert fit(model, data, callback, epochs=6, initial_epoch=3).epoch == [4, 5]


def test_after_an_interrupt_the_same_callback_resumes(K, tmp_path, data):
    """As in a notebook, where only the `fit` is run again."""
    callback = ModelCheckpoint(tmp_path / "w.{epoch}.keras", resume=True)
    model = make_model(K)

    def interrupt(epoch, logs):
        if epoch == 2:
            raise KeyboardInterrupt

    stop = K.callbacks.LambdaCallback(on_epoch_begin=interrupt)
    with pytest.raises(KeyboardInterrupt):
        fit(model, data, callback, stop, epochs=5)
    assert fit(model, data, callback, epochs=5).epoch == [2, 3, 4]
    assert len({line["run"] for line in lines(tmp_path)}) == 1


def test_a_folder_that_could_be_resumed_is_told(K, tmp_path, data, capsys):
    """One line, where `resume` is not asked for, and not for the run's own files."""
    callback = ModelCheckpoint(tmp_path / "w.{epoch}.keras")
    model = make_model(K)
    fit(model, data, callback, epochs=3)
    fit(model, data, callback)
    assert "resume" not in capsys.readouterr().out
    fit(make_model(K), data, ModelCheckpoint(tmp_path / "w.{epoch}.keras"))
    out = capsys.readouterr().out
    assert out.count("`resume=True`") == 1
    assert f"An earlier run left {tmp_path}/w.1.keras, saved after epoch 1" in out
    model = make_model(K)
    restore_checkpoint(model, tmp_path / "w.2.keras")
    fit(model, data, ModelCheckpoint(tmp_path / "w.{epoch}.keras"))
    assert "`resume=True`" not in capsys.readouterr().out  # it did so by hand
    again(K, tmp_path, data)
    assert "`resume=True`" not in capsys.readouterr().out


@pytest.mark.parametrize("order", [1, -1])
def test_two_callbacks_go_on_from_the_newest(K, order, tmp_path, data):
    """The best of one is older than the last of the other, whoever comes first."""
    best = {"monitor": "score", "mode": "max", "save_best_only": True}
    scores = [1.0, 3.0, 2.0, 2.5, 4.0]

    def both(**arguments):
        def score(epoch, logs):
            logs["score"] = scores[epoch]

        each = ModelCheckpoint(tmp_path / "w.{epoch}.keras", **arguments)
        only = ModelCheckpoint(tmp_path / "best.keras", **best, **arguments)
        put = K.callbacks.LambdaCallback(on_epoch_end=score)
        return [put, *[each, only][::order]]

    trained = make_model(K)
    fit(trained, data, *both(), epochs=3)
    model, seen = make_model(K), []
    look = K.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: seen.append(model.get_weights())
    )
    callbacks = both(resume=True)
    assert fit(model, data, look, *callbacks, epochs=5).epoch == [3, 4]
    assert all(map(np.array_equal, seen[0], trained.get_weights()))
    lines_of_best = [x for x in lines(tmp_path) if x["path"] == "best.keras"]
    assert [x["epoch"] for x in lines_of_best] == [1, 2, 5]
    assert [x["samples"] for x in lines_of_best] == [25, 50, 125]
    assert [callback.problems for callback in callbacks[1:]] == [[], []]
    assert fit(model, data, epochs=2).epoch == [0, 1]


@pytest.mark.parametrize("order", [1, -1])
def test_a_callback_that_does_not_resume_is_in_nobodys_way(K, order, tmp_path, data):
    """Another callback of the same training leaves the first epoch as it was asked."""
    first(K, tmp_path, data)
    resuming = ModelCheckpoint(tmp_path / "w.{epoch}.keras", resume=True)
    callbacks = [resuming, ModelCheckpoint(tmp_path / "other.keras")][::order]
    assert fit(make_model(K), data, *callbacks, epochs=4).epoch == [3]


@pytest.mark.keras2
def test_a_loop_of_ones_own(K, tmp_path, data):
    """It asks the callback where to go on."""
    first(K, tmp_path, data)
    callback = ModelCheckpoint(tmp_path / "w.{epoch}.keras", "loss", resume=True)
    callback.set_model(make_model(K))
    callback.on_train_begin()
    start = callback.restored.epochs_done
    callback.on_epoch_begin(start)
    callback.on_epoch_end(start, {"loss": 0.5})
    callback.on_train_end()
    assert lines(tmp_path)[-1]["path"] == "w.4.keras"
    assert callback.problems == []


@pytest.mark.keras2
def test_another_epoch_than_the_next_is_told(K, tmp_path, data):
    """Where `fit`, or a loop, begins elsewhere, what to pass is said plainly."""
    first(K, tmp_path, data)
    callback = ModelCheckpoint(tmp_path / "w.{epoch}.keras", resume=True)
    callback.set_model(make_model(K))
    callback.on_train_begin()
    said = r"after 3 epochs, and `fit` begins with epoch 1: pass `initial_epoch=3`"
    with pytest.warns(CheckpointWarning, match=said):
        callback.on_epoch_begin(0)


def test_retention_knows_what_the_run_before_wrote(K, tmp_path, data):
    """The chain of runs is one run, whose older checkpoints may go."""
    first(K, tmp_path, data, keep_latest=2)
    assert checkpoints(tmp_path) == ["w.2.keras", "w.3.keras"]
    again(K, tmp_path, data, epochs=4, keep_latest=2)
    assert checkpoints(tmp_path) == ["w.3.keras", "w.4.keras"]


def test_verbose_zero_warns_of_nothing(K, tmp_path, data):
    """A resumed training, too, meets no problem."""
    first(K, tmp_path, data)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        again(K, tmp_path, data)
    assert told(caught) == []

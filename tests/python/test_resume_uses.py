"""Resuming in other cases: other models, several fits and callbacks, custom loops."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from conftest import checkpoints, fit, lines, make_model, same_weights, warning_texts
from resuming import again, first

from modelcheckpoint import (
    CheckpointWarning,
    ModelCheckpoint,
    RestoreError,
    restore_checkpoint,
)

pytestmark = pytest.mark.slow


def test_another_model_is_an_error(K, tmp_path, data):
    """It names the checkpoint and the way out, and the model is unchanged."""
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
    """The weights are restored; our one warning says that the optimizer is not."""
    trained = first(K, tmp_path, data)
    model = make_model(K)
    model.compile(optimizer="adam", loss="mean_squared_error")
    callback = ModelCheckpoint(tmp_path / "w.{epoch}.keras", resume=True)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        fit(model, data, callback, epochs=3)
    (text,) = [str(w.message) for w in warned if issubclass(w.category, UserWarning)]
    assert "(SGD with momentum in the file, Adam here)" in text
    assert same_weights(model, trained)
    assert not callback.restored.optimizer
    assert "the optimizer starts from scratch" in capsys.readouterr().out


def test_all_epochs_are_done(K, tmp_path, data, capsys):
    """Nothing is trained, a line says so, and the model is the checkpoint's."""
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
    """After a `fit` that ended normally, nothing is loaded again."""
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
    """Killed in the second fit, it continues there: the first trains nothing."""
    first(K, tmp_path, data, epochs=4)
    callback = ModelCheckpoint(tmp_path / "w.{epoch}.keras", resume=True)
    model = make_model(K)
    assert fit(model, data, callback, epochs=3).epoch == []
    assert fit(model, data, callback, epochs=6, initial_epoch=3).epoch == [4, 5]


def test_after_an_interrupt_the_same_callback_resumes(K, tmp_path, data):
    """As in a notebook in which only the `fit` is run again."""
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
    """One line, if `resume` is not set, and not for the run's own files."""
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
    assert "`resume=True`" not in capsys.readouterr().out  # it resumed by hand
    again(K, tmp_path, data)
    assert "`resume=True`" not in capsys.readouterr().out


@pytest.mark.parametrize("order", [1, -1])
def test_two_callbacks_go_on_from_the_newest(K, order, tmp_path, data):
    """In any order, although one's best is older than the other's last."""
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
    """Another callback of the same training does not change the first epoch."""
    first(K, tmp_path, data)
    resuming = ModelCheckpoint(tmp_path / "w.{epoch}.keras", resume=True)
    callbacks = [resuming, ModelCheckpoint(tmp_path / "other.keras")][::order]
    assert fit(make_model(K), data, *callbacks, epochs=4).epoch == [3]


@pytest.mark.keras2
def test_a_loop_of_ones_own(K, tmp_path, data):
    """It asks the callback where to continue."""
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
    """If `fit`, or a loop, begins elsewhere, a message says what to pass."""
    first(K, tmp_path, data)
    callback = ModelCheckpoint(tmp_path / "w.{epoch}.keras", resume=True)
    callback.set_model(make_model(K))
    callback.on_train_begin()
    said = r"after 3 epochs, but `fit` begins with epoch 1: pass `initial_epoch=3`"
    with pytest.warns(CheckpointWarning, match=said):
        callback.on_epoch_begin(0)


def test_retention_knows_what_the_run_before_wrote(K, tmp_path, data):
    """The chain of runs is one run, whose older checkpoints may be deleted."""
    first(K, tmp_path, data, keep_latest=2)
    assert checkpoints(tmp_path) == ["w.2.keras", "w.3.keras"]
    again(K, tmp_path, data, epochs=4, keep_latest=2)
    assert checkpoints(tmp_path) == ["w.3.keras", "w.4.keras"]


def test_verbose_zero_warns_of_nothing(K, tmp_path, data):
    """A resumed training has no problems, either."""
    first(K, tmp_path, data)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        again(K, tmp_path, data)
    assert warning_texts(caught) == []

"""`{epoch}`, `{batch}` and `{samples}` are the callback's own, whatever `logs` has."""

from __future__ import annotations

import pytest
from conftest import checkpoints, fit, lines, make_model

from modelcheckpoint import ModelCheckpoint

pytestmark = pytest.mark.slow


def named(K, name):
    """Return a metric with this name and a meaningless value."""

    def metric(y_true, y_pred):
        return y_true * 0.0 + 3.0

    metric.__name__ = name
    return metric


def puts_into_logs(K, **values):
    """Return another callback, which puts values into `logs`."""

    def put(count, logs):
        logs.update(values)

    return K.callbacks.LambdaCallback(on_train_batch_end=put, on_epoch_end=put)


@pytest.mark.parametrize("source", ["metrics", "weighted_metrics", "callback"])
@pytest.mark.keras2
def test_logs_of_a_fit_tell_no_sizes(K, source, tmp_path, data):
    """A metric or another callback's value called `size` is not a batch's size.

    This holds for the first `fit` of a model and later ones. In a custom loop with the
    same callback, `size` is the batch's size, as usual.
    """
    compiled = {} if source == "callback" else {source: [named(K, "size")]}
    others = [puts_into_logs(K, size=3)] if source == "callback" else []
    model = make_model(K, **compiled)
    arguments = {"save_freq": 10, "save_weights_only": True}
    for name in ("first", "later"):
        path = tmp_path / name / "{epoch}-{batch}-{samples}.weights.h5"
        callback = ModelCheckpoint(path, **arguments)
        fit(model, data, *others, callback, epochs=2)
        names = [line["path"].partition(".")[0] for line in lines(tmp_path / name)]
        assert names == ["1-3-12", "1-6-24", "2-3-37", "2-6-49"]
        assert callback.problems == []
    callback.on_train_begin()
    callback.on_epoch_begin(2)
    for batch in range(2):
        callback.on_train_batch_begin(batch)
        callback.on_train_batch_end(batch, {"size": 8})
    callback.on_epoch_end(2)
    callback.on_train_end()
    assert lines(tmp_path / "later")[-1]["samples"] == 16


@pytest.mark.keras2
def test_the_counters_in_a_name_are_our_own(K, tmp_path, data):
    """Whatever `logs` holds; a key with such a name is reported once.

    The journal and `monitor` find the metric by its name.
    """
    model = make_model(K, metrics=[named(K, "samples")])
    path = tmp_path / "{epoch}-{batch}-{samples}.weights.h5"
    arguments = {"monitor": "samples", "mode": "max", "save_weights_only": True}
    callback = ModelCheckpoint(path, save_freq=10, **arguments)
    fit(model, data, puts_into_logs(K, epoch=7, batch=0), callback)
    saved = lines(tmp_path)
    assert [line["path"] for line in saved] == [
        "1-3-12.weights.h5",
        "1-6-24.weights.h5",
    ]
    assert [line["logs"]["samples"] for line in saved] == [3.0, 3.0]
    assert callback.best == 3.0
    (problem,) = callback.problems
    assert "`logs` has 'epoch', 'batch', 'samples', too" in problem


@pytest.mark.keras2
def test_samples_that_nobody_counts_are_not_taken_from_a_metric(K, tmp_path, data):
    """If a loop passes no sizes, the name has `nan`, and the true reason is given."""
    path = tmp_path / "{samples}.weights.h5"
    arguments = {"save_freq": 1, "save_freq_unit": "batches", "save_weights_only": True}
    callback = ModelCheckpoint(path, **arguments)
    callback.set_model(make_model(K))
    callback.on_epoch_begin(0)
    callback.on_train_batch_end(0, {"samples": 100.0})
    callback.on_epoch_end(0)
    callback.on_train_end()
    assert checkpoints(tmp_path) == ["nan.weights.h5"]
    (problem,) = callback.problems
    assert "cannot count 'samples' in `filepath`" in problem

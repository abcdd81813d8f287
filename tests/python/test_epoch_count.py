"""The sample count of an epoch, read from a float32 that cannot hold every number."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import lines
from hypothesis import given
from hypothesis import strategies as st

from modelcheckpoint import ModelCheckpoint
from modelcheckpoint.observe.epoch_count import EXACT, EpochCount

pytestmark = pytest.mark.slow


def test_more_samples_than_a_float_can_count(tmp_path):
    """Past 2^24 samples in one epoch, where float32 stops counting, it stays exact."""
    import keras

    size, batches, last = 999_999, 34, 7
    x = np.zeros((size * batches + last, 1), "float32")
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", loss="mean_squared_error")
    path = tmp_path / "{batch}-{samples}.weights.h5"
    arguments = {"save_freq": 17 * size, "save_weights_only": True}
    callback = ModelCheckpoint(path, **arguments)
    model.fit(x, x, batch_size=size, verbose=0, shuffle=False, callbacks=[callback])
    wanted = [f"{17}-{17 * size}.weights.h5", f"{34}-{34 * size}.weights.h5"]
    assert 17 * size > EXACT
    assert [line["path"] for line in lines(tmp_path)] == wanted
    assert callback.problems == []


@given(st.lists(st.integers(1, 5000), min_size=1, max_size=50))
def test_epoch_count_adds_up(sizes):
    """Below 2^24, the count is the sum of the batches, whatever their sizes."""
    count, raw = EpochCount(), np.float32(0)
    for size in sizes:
        raw += np.float32(size)
        assert count.update(float(raw)) == size
    assert count.samples == sum(sizes)


@given(st.integers(2, 2**21), st.integers(0, 100))
def test_epoch_count_goes_on_by_the_batch_size(size, more):
    """Past 2^24, batches of one size are counted exactly, though the float is not."""
    count, raw = EpochCount(), np.float32(0)
    batches = min(EXACT // size + 1 + more, 20_000)
    start = max(EXACT // size - 100, 1)
    raw = np.float32(start * size)
    count.update(float(raw), batches=start)
    for _ in range(batches - start):
        raw += np.float32(size)
        count.update(float(raw))
    assert count.samples == max(batches, start) * size
    assert not count.inexact


def test_epoch_count_says_where_it_is_rough():
    """Past 2^24, batches of varying sizes are counted roughly, and marked so."""
    count = EpochCount()
    for raw in (1000.0, 3000.0, float(EXACT + 1000)):
        count.update(raw)
    assert count.inexact

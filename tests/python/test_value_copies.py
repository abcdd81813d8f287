"""Copies of values give the same result, whether made at once or later."""

from __future__ import annotations

import weakref

import ml_dtypes
import numpy as np
import pytest

from modelcheckpoint.formats import value_copies
from modelcheckpoint.formats.value_copies import Misfit, copied
from modelcheckpoint.formats.values import Value


def places_for(*arrays):
    return [np.zeros(array.shape, array.dtype) for array in arrays]


def test_what_holds_still_is_copied_later():
    """Everything else is copied before the call returns."""
    still, other = np.arange(3.0), np.arange(4)
    places = places_for(still, other)
    copies = copied(places, [Value(still, True), Value(other)], 100)
    assert [place.tolist() for place in places] == [[0, 0, 0], [0, 1, 2, 3]]
    copies.make()
    assert places[0].tolist() == [0, 1, 2]


def test_where_memory_is_scarce_all_is_copied_at_once():
    """Training may need as much memory again while values are held."""
    still = np.arange(3.0)
    places = places_for(still)
    copied(places, [Value(still, True)], 2**60)
    assert places[0].tolist() == [0, 1, 2]


def test_each_value_is_let_go_once_it_is_copied():
    """And not before: after a failure, the copy must still be made."""
    values = [np.full(3, float(i)) for i in range(3)]
    alive = [weakref.ref(value) for value in values]
    places = places_for(*values)
    copies = copied(places, [Value(value, True) for value in values], 100)
    del values
    places[2].flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        copies.make()
    assert [value() is not None for value in alive] == [False, False, True]
    places[2].flags.writeable = True
    copies.make()
    assert [place[0] for place in places] == [0, 1, 2]
    assert [value() for value in alive] == [None] * 3


def test_few_values_are_fetched_before_they_are_copied(monkeypatch):
    """Each value fetched from a GPU takes memory of the host."""
    monkeypatch.setattr(value_copies, "_AT_ONCE", 3 * 80)
    fetched, alive = [], []

    def fetch():
        for i in range(20):
            array = np.full(10, float(i))
            fetched.append(weakref.ref(array))
            alive.append(sum(one() is not None for one in fetched))
            yield Value(array)

    places = [np.zeros(10) for _ in range(20)]
    copied(places, fetch(), 1600)
    assert max(alive) <= 5
    assert [place[0] for place in places] == list(range(20))


@pytest.mark.parametrize("still", [True, False])
@pytest.mark.parametrize("array", [np.ones(1), np.ones((3, 1)), np.ones(3, "int64")])
def test_what_does_not_fit(array, still):
    """A value is not broadcast to a place of another shape, or cast to another type."""
    with pytest.raises(Misfit):
        copied([np.zeros(3)], [Value(array, still)], 100)


ANY_BITS = np.arange(2**16).astype("u2").view(ml_dtypes.bfloat16)
"""Every number of bfloat16, those that are none among them."""


@pytest.mark.parametrize("still", [True, False])
@pytest.mark.parametrize("shape", [(2**16,), (2**8, 2**8), ()])
@pytest.mark.parametrize("name", ["bfloat16", "float8_e4m3fn", "int4", "bool"])
def test_numbers_that_numpy_knows_nothing_of(name, shape, still):
    """Their bits are copied, even if they are not in the usual order."""
    dtype = np.dtype(getattr(ml_dtypes, name, name))
    bits = np.arange(2**16).astype(f"u{dtype.itemsize}")
    array = (bits[:1] if shape == () else bits).reshape(shape).view(dtype).T
    places = places_for(array)
    copied(places, [Value(array, still)], 100).make()
    assert places[0].tobytes() == array.tobytes()


@pytest.mark.parametrize("still", [True, False])
def test_bfloat16_as_float32(still):
    """As `astype` does it, to the last bit; nothing else becomes float32."""
    place = np.zeros(2**16, "float32")
    copied([place], [Value(ANY_BITS, still)], 100, as_float32=True).make()
    assert place.tobytes() == ANY_BITS.astype("float32").tobytes()
    with pytest.raises(Misfit):
        copied([place], [Value(ANY_BITS, still)], 100)
    with pytest.raises(Misfit):
        copied([place], [Value(np.zeros(2**16, "float16"))], 100, as_float32=True)

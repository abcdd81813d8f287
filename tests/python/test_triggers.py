"""`decide/triggers.py`: counting what lies between two saves."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from modelcheckpoint.decide.triggers import Every


def due_at(interval, amounts):
    """Return the running totals at which a save fell due."""
    trigger, total, found = Every(interval), 0, []
    for amount in amounts:
        total += amount
        if trigger.advance(amount):
            found.append(total)
    return found


def test_every_third_epoch():
    """The first save comes after a whole interval, the next after another."""
    assert due_at(3, [1] * 10) == [3, 6, 9]


def test_an_interval_of_1_is_always_due():
    """With the default period, each epoch is due."""
    assert due_at(1, [1] * 4) == [1, 2, 3, 4]


def test_what_goes_beyond_is_not_carried_over():
    """It counts since a save last fell due, and takes no remainder of the total."""
    assert due_at(10, [4] * 9) == [12, 24, 36]
    assert due_at(10, [25, 4, 4, 4]) == [25, 37]


def test_batches_of_varying_size_are_counted_exactly():
    """The last batch of an epoch is smaller, and counts as what it is."""
    assert due_at(10, [4, 4, 1, 4, 4, 1]) == [13]


def test_nothing_is_not_due():
    """An epoch that trained no sample moves nothing."""
    assert due_at(1, [0, 0, 1, 0]) == [1]


@settings(max_examples=200)
@given(st.integers(1, 50), st.lists(st.integers(0, 120), max_size=60))
def test_every_counts_since_it_last_fell_due(interval, amounts):
    """Due is exactly when the amounts since it was last due reach the interval."""
    trigger, since = Every(interval), 0
    for amount in amounts:
        since += amount
        assert trigger.advance(amount) is (since >= interval)
        since = 0 if since >= interval else since


@settings(max_examples=200)
@given(st.integers(1, 50), st.lists(st.integers(1, 50), max_size=60))
def test_between_two_saves_lie_an_interval_and_less_than_a_step_more(interval, amounts):
    """No save comes early, and none is late by a whole step."""
    totals = [0, *due_at(interval, amounts)]
    for before, after in zip(totals, totals[1:]):
        assert interval <= after - before < interval + max(amounts)
    assert sum(amounts) - totals[-1] < interval

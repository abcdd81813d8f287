"""`decide/triggers.py`: counting what happens between two saves."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from modelcheckpoint.decide.triggers import Every, Seconds


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
    """The count starts at the last due save; the excess is not carried over."""
    assert due_at(10, [4] * 9) == [12, 24, 36]
    assert due_at(10, [25, 4, 4, 4]) == [25, 37]


def test_batches_of_varying_size_are_counted_exactly():
    """The last batch of an epoch is smaller, and counts with its own size."""
    assert due_at(10, [4, 4, 1, 4, 4, 1]) == [13]


def test_nothing_is_not_due():
    """An epoch without samples changes nothing."""
    assert due_at(1, [0, 0, 1, 0]) == [1]


@settings(max_examples=200)
@given(st.integers(1, 50), st.lists(st.integers(0, 120), max_size=60))
def test_every_counts_since_it_last_fell_due(interval, amounts):
    """A save is due when the amounts since the last due save reach the interval."""
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


def test_seconds_since_the_beginning_and_since_a_save():
    """A save is due when they have passed, and saving restarts the count."""
    trigger = Seconds(10.0)
    trigger.start(100.0)
    assert [trigger.is_due(now) for now in (105.0, 109.9, 110.0)] == [
        False,
        False,
        True,
    ]
    trigger.restart(115.0)
    assert [trigger.is_due(now) for now in (120.0, 124.9, 125.0)] == [
        False,
        False,
        True,
    ]


def test_seconds_are_not_due_again_at_once():
    """A due save that was not made is not tried again after every batch."""
    trigger = Seconds(10.0)
    trigger.start(0.0)
    assert [trigger.is_due(now) for now in (12.0, 13.0, 21.0, 22.0)] == [
        True,
        False,
        False,
        True,
    ]


def test_seconds_go_on_when_another_training_begins():
    """Only the first start counts; before it, nothing is due."""
    trigger = Seconds(10.0)
    assert not trigger.is_due(50.0)
    trigger.start(50.0)
    trigger.start(59.0)
    assert trigger.is_due(60.0)


@settings(max_examples=200)
@given(st.floats(0.001, 100), st.lists(st.floats(0.001, 50), max_size=60))
def test_between_two_that_fall_due_lies_an_interval(interval, steps):
    """None comes early, and none is late by more than a step."""
    trigger, now, last = Seconds(interval), 0.0, 0.0
    trigger.start(now)
    for step in steps:
        now += step
        assert trigger.is_due(now) is (now - last >= interval)
        last = now if now - last >= interval else last

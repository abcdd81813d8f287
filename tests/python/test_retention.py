"""`decide/retention.py`: which checkpoints may be deleted."""

from __future__ import annotations

import math
from dataclasses import replace

from checkpoint_files import RECORD
from hypothesis import given, settings
from hypothesis import strategies as st

from modelcheckpoint.decide.retention import Keep, settled, to_delete


def record(epoch, value=None, mode="min", monitor="val_loss", path=None):
    return replace(
        RECORD,
        path=path or f"{epoch}.keras",
        epoch=epoch,
        monitor=monitor,
        value=value,
        mode=mode,
    )


def kept(records, **asked):
    """Return the epochs of the records that stay."""
    gone = to_delete(records, Keep(**asked))
    return [r.epoch for r in records if r not in gone]


def of_values(*values, mode="min"):
    return [record(epoch, value, mode) for epoch, value in enumerate(values, 1)]


def test_nothing_asked_for_deletes_nothing():
    """Without any of the three, all stay, and `Keep` is False."""
    assert to_delete(of_values(3, 2, 1), Keep()) == []
    assert not Keep()
    assert all([Keep(latest=1), Keep(best=1), Keep(every=1)])


def test_the_newest_stay():
    """As many of the newest as asked stay; the others are deleted, oldest first."""
    records = of_values(1, 2, 3, 4, 5)
    assert [r.epoch for r in to_delete(records, Keep(latest=2))] == [2, 3]
    assert kept(of_values(*[None] * 5), latest=2) == [4, 5]


def test_the_best_stay_in_their_direction():
    """In either direction, as many of the best as asked stay, and the newest."""
    assert kept(of_values(5, 1, 4, 2, 3), best=2) == [2, 4, 5]
    assert kept(of_values(5, 1, 4, 2, 3, mode="max"), best=2) == [1, 3, 5]


def test_the_best_stays_though_nobody_asks():
    """An old best stays, even if it is not among the newest or the right epochs."""
    assert kept(of_values(1, 2, 3, 4, 5), latest=1) == [1, 5]
    assert kept(of_values(1, 2, 3, 4, 5), every=4) == [1, 4, 5]


def test_of_equal_values_the_earlier_is_the_better():
    """As in training: a value that only equals the best is no improvement."""
    assert kept(of_values(1, 1, 1, 1), best=2) == [1, 2, 4]
    assert kept(of_values(1, 1, 1, 1, mode="max"), best=2) == [1, 2, 4]


def test_what_is_no_number_is_never_best():
    """NaN, infinities and missing values are never among the best."""
    values = [math.nan, -math.inf, math.inf, None, 10**400, 7.0, None]
    for mode in ("min", "max"):
        assert kept(of_values(*values, mode=mode), best=3) == [6, 7]


def test_each_multiple_keeps_its_last():
    """If an epoch was saved several times, its last checkpoint stays."""
    records = [
        record(epoch, path=f"{epoch}-{batch}.keras")
        for epoch in (1, 2, 3, 4, 5)
        for batch in (1, 2)
    ]
    gone = to_delete(records, Keep(every=2))
    left = [r.path for r in records if r not in gone]
    assert left == ["2-2.keras", "4-2.keras", "5-2.keras"]


def test_a_multiple_that_was_not_saved_is_not_made_up_for():
    """If epochs 3, 6 and 9 were saved, only 6 is a multiple of 2, so 6 stays."""
    assert kept([record(epoch) for epoch in (3, 6, 9, 11)], every=2) == [6, 11]


def test_each_monitor_has_its_best():
    """A run that continued with another monitor keeps the best by each one."""
    records = [
        *of_values(3, 1, 2),
        record(4, 0.5, "max", "val_accuracy"),
        record(5, 0.9, "max", "val_accuracy"),
        record(6, 0.7, "max", "val_accuracy"),
        record(7),
    ]
    assert kept(records, best=1) == [2, 5, 7]


numbers = st.one_of(
    st.none(),
    st.floats(allow_nan=True, allow_infinity=True),
    st.integers(-3, 3),
    st.just(10**400),
)
counts = st.one_of(st.none(), st.integers(1, 6))
keeps = st.builds(Keep, latest=counts, best=counts, every=counts)


@st.composite
def histories(draw):
    mode = draw(st.sampled_from(["min", "max"]))
    epochs = sorted(draw(st.lists(st.integers(1, 12), max_size=20)))
    return [
        record(epoch, draw(numbers), mode, path=f"{place}.keras")
        for place, epoch in enumerate(epochs)
    ]


def finite(record):
    try:
        return record.value is not None and math.isfinite(record.value)
    except OverflowError:
        return False


def ranked(records):
    sign = -1 if records and records[0].mode == "max" else 1
    return sorted(filter(finite, records), key=lambda r: sign * r.value)


@settings(max_examples=400)
@given(histories(), keeps)
def test_what_stays_is_the_union(records, keep):
    """The newest, the best and the last of each multiple stay, and nothing else."""
    gone = to_delete(records, keep)
    if not keep:
        assert gone == []
        return
    last = {r.epoch: r for r in records}
    stay = [
        *records[-(keep.latest or 1) :],
        *ranked(records)[: keep.best or 1],
        *(r for r in last.values() if keep.every and r.epoch % keep.every == 0),
    ]
    assert gone == [r for r in records if r not in stay]


@settings(max_examples=200)
@given(histories(), keeps)
def test_to_delete_again_deletes_nothing_more(records, keep):
    """What stays once stays again, as long as nothing is added."""
    gone = to_delete(records, keep)
    assert to_delete([r for r in records if r not in gone], keep) == []


@settings(max_examples=200)
@given(histories(), keeps)
def test_step_by_step_ends_as_all_at_once(records, keep):
    """Deleting after each save leaves what deleting at the end would leave."""
    there = []
    for one in records:
        there.append(one)
        gone = to_delete(there, keep)
        there = [r for r in there if r not in gone]
    gone = to_delete(records, keep)
    assert there == [r for r in records if r not in gone]


@settings(max_examples=300)
@given(histories(), keeps)
def test_what_is_settled_may_be_left_out(records, keep):
    """Forgetting settled records changes no decision, and takes less memory."""
    there, kept_for_good = [], []
    for one in records:
        there.append(one)
        gone = to_delete(there, keep)
        there = [r for r in there if r not in gone]
        stays = settled(there, keep)
        kept_for_good += stays
        there = [r for r in there if r not in stays]
    gone = to_delete(records, keep)
    left = sorted([*kept_for_good, *there], key=records.index)
    assert left == [r for r in records if r not in gone]


def test_of_ten_thousand_hardly_any_are_open():
    """With `every`, the number of records still needed does not grow."""
    records = [record(epoch, 1 / epoch) for epoch in range(1, 10_001)]
    stay = settled(records, Keep(latest=3, best=2, every=1))
    assert len(records) - len(stay) == 3

"""Which journal line describes a file, and which file is the best."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from checkpoint_files import RECORD

from modelcheckpoint.decide.matching import described
from modelcheckpoint.decide.monitor import best_record, value_of
from modelcheckpoint.records import Removal


def record(path="w.keras", crc32="00000001", **fields):
    return replace(RECORD, path=path, crc32=crc32, **fields)


def paths(entries, **sizes):
    return [one.record.path for one in described(entries, sizes)]


def test_the_newest_line_that_fits():
    """An older line is right if the newest has another size."""
    old = record(bytes=6, epoch=1)
    new = record(bytes=7, crc32="2", epoch=2)
    assert [d.record for d in described([old, new], {"w.keras": 6})] == [old]
    assert [d.record for d in described([old, new], {"w.keras": 7})] == [new]
    assert described([old, new], {"w.keras": 8}) == []
    assert described([old, new], {}) == []


def test_the_same_size_each_time():
    """The newest line counts, unless a later one says that its file never came."""
    old, new = record(epoch=1), record(crc32="00000002", epoch=2)
    assert [d.record for d in described([old, new], {"w.keras": 6})] == [new]
    never = Removal.of(new)
    assert [d.record for d in described([old, new, never], {"w.keras": 6})] == [old]
    # All are said to be gone, but a file is there: the newest is the most likely.
    gone = [old, Removal.of(old), new, never]
    assert [d.record for d in described(gone, {"w.keras": 6})] == [new]


def test_removed_and_saved_again():
    """A removal concerns only the lines before it."""
    one = record()
    assert paths([one, Removal.of(one), one], **{"w.keras": 6}) == ["w.keras"]


def test_the_order_of_saving():
    """Not sorted by name: each file has the place of the line that describes it."""
    lines = [record("b"), record("a", "2"), record("c", "3"), record("b", "4")]
    assert paths(lines, a=6, b=6, c=6) == ["a", "c", "b"]
    # Two files with equal contents are two saves.
    assert paths([record("a"), record("b"), record("a", "2")], a=6, b=6) == ["b", "a"]


def test_what_was_kept_aside():
    """It has the place at which it was first saved."""
    old = record("best.keras", "1", time="2025-01-01T00:00:00.000+00:00")
    other = record("other.keras", "2")
    aside = replace(old, path="best.run-one.keras")
    new = record("best.keras", "3", run="two")
    found = described(
        [old, other, aside, new],
        {"best.keras": 6, "other.keras": 6, "best.run-one.keras": 6},
    )
    assert [(d.record.path, d.aside) for d in found] == [
        ("best.run-one.keras", True),
        ("other.keras", False),
        ("best.keras", False),
    ]


def test_the_best():
    """By value and mode; of equal ones the earlier; never NaN."""
    values = [0.5, 0.25, math.nan, 0.25, None, -math.inf]
    records = [record(str(n), value=value) for n, value in enumerate(values)]
    assert best_record(records).path == "1"
    assert best_record(records, mode="max").path == "0"
    assert best_record([]) is None
    assert best_record([record(value=None)]) is None


def test_the_best_of_the_newest_monitor():
    """Values of another monitor cannot be compared."""
    loss = record("a", value=0.01, monitor="loss")
    accuracy = [
        record(str(n), value=v, monitor="acc", mode="max", logs={"loss": v})
        for n, v in enumerate([0.5, 0.75])
    ]
    assert best_record([loss, *accuracy]).path == "1"
    assert best_record([*accuracy, loss]).path == "a"
    assert best_record([*accuracy, loss], "acc").path == "1"
    assert best_record([loss, *accuracy], "loss").path == "a"
    assert best_record(accuracy, "loss", "min").path == "0"


@pytest.mark.parametrize(
    ("monitor", "value"), [("val_loss", 0.5), ("loss", 2), ("acc", None)]
)
def test_what_a_record_knows(monitor, value):
    """The monitored value, or any value in its logs."""
    assert value_of(record(value=0.5, logs={"loss": 2}), monitor) == value


def test_thousands_of_lines_of_one_name():
    """Each line costs the same, and so does each removal."""
    entries = []
    for number in range(20_000):
        entries.append(record(crc32=f"{number:08x}"))
        entries.append(Removal.of(entries[-1]))
    assert len(described(entries, {"w.keras": 6})) == 1

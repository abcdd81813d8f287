"""The checkpoint from which training may continue, and the ones before it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from modelcheckpoint.decide.lineage import candidates, lineage
from modelcheckpoint.decide.monitor import last_best
from modelcheckpoint.decide.naming import Template
from modelcheckpoint.records import Record, Removal


def record(epoch, samples=None, value=None, best=False, **more):
    some = {
        "path": f"w.{epoch}.keras",
        "batch": None,
        "logs": {},
        "monitor": "loss",
        "mode": "min",
        "format": "keras",
        "bytes": 100,
        "crc32": f"{epoch:08x}",
        "time": "2026-01-01T00:00:00.000+00:00",
        "run": "a",
        "template": "here/w.{epoch}.keras",
    }
    some = {**some, "epoch": epoch, "samples": samples, "value": value, "best": best}
    return Record(**{**some, **more})


ONE, TWO, THREE = record(1), record(2), record(3)


def test_candidates_are_the_newest_first():
    """In the journal's order, whatever their epochs are."""
    found = candidates([TWO, ONE, THREE], Template("w.{epoch}.keras"), "keras")
    assert found == [THREE, ONE, TWO]


@pytest.mark.parametrize(
    ("template", "counts"),
    [
        ("w.{epoch}.keras", True),
        ("/there/w.{epoch}.keras", True),
        ("w.{epoch:02d}.keras", False),
        ("here/{epoch}/w.keras", False),
        ("w.{epoch.keras", False),
        ("s3://here/w.{epoch}.keras", True),
        ("ftp://here/w.{epoch}.keras", False),
        ("", False),
    ],
)
def test_only_the_same_names_count(template, counts):
    """The part below the folder must match; without a valid template, none counts."""
    entries = [replace(ONE, template=template), Removal.of(TWO)]
    found = candidates(entries, Template("x/w.{epoch}.keras"), "keras")
    assert bool(found) is counts
    assert candidates(entries, Template("x/w.{epoch}.keras"), "hdf5") == []


def test_the_lineage_ends_with_the_checkpoint():
    """Later ones, other runs and saves that never came are not in it."""
    other = replace(record(1), run="b", path="o.keras")
    entries = [ONE, other, TWO, Removal.of(TWO), THREE, record(4)]
    assert lineage(entries, THREE) == [ONE, THREE]


def test_what_was_given_up_is_not_in_it():
    """Two was lost; training continued from one and saved another two."""
    again = replace(TWO, crc32="ffffffff")
    assert lineage([ONE, TWO, THREE, again], again) == [ONE, again]
    same = [ONE, TWO, Removal.of(TWO), TWO, THREE]
    assert lineage(same, THREE) == [ONE, TWO, THREE]


def test_samples_go_on_where_batches_begin_anew():
    """Batch 3 of an epoch, then batch 2 of it, because the epoch was repeated."""
    before = record(2, 37, batch=3, crc32="a")
    after = record(2, 45, batch=2, crc32="b")
    assert lineage([record(1, 25), before, after], after)[-2:] == [before, after]
    unknown = [replace(r, samples=None) for r in (before, after)]
    assert lineage(unknown, unknown[1]) == [unknown[1]]


def test_a_checkpoint_that_the_journal_has_lost():
    """It follows all the known checkpoints of its run."""
    assert lineage([ONE, TWO], THREE) == [ONE, TWO, THREE]


def test_the_best_is_the_last_that_was_one():
    """The best by this monitor; other monitors do not count."""
    first = record(1, value=0.5, best=True)
    last = record(2, value=0.4, best=True)
    other = record(3, value=0.1, best=True, monitor="mae")
    assert last_best([first, last, other, record(4)], "loss") == last
    assert last_best([ONE, TWO], "loss") is None

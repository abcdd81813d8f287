"""What a disk may contain after a power cut, and what must not be missing."""

from __future__ import annotations

import random
import sys

import pytest
from power_cut_log import FLUSH, MARK, PIECE, WRITE, Log, Platter, marks_in, read_log
from power_cut_scenes import SCENES, broken

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="the plug is pulled on Linux only"
)

BLANK = b"." * (4 * PIECE)


@pytest.fixture
def logged(tmp_path):
    """A log: one piece is written and flushed, two are written; then comes a mark."""
    path = tmp_path / "log"
    with open(path, "wb") as file:
        log = Log(file)
        log.add(WRITE, 0, b"a" * PIECE)
        log.add(FLUSH)
        log.add(WRITE, PIECE // 2, b"b" * (2 * PIECE))
        log.add(MARK, 0, b'{"what":')
        log.add(MARK, 8, b' "saved"}\n')
    return path, read_log(path)


def states(tmp_path, logged, end, share, times=1):
    """Return the different contents that the disk may have."""
    path, entries = logged
    image, after = tmp_path / "image", tmp_path / "after"
    found = set()
    for seed in range(times):
        image.write_bytes(BLANK)
        platter = Platter(image, path, entries)
        platter.cut(end, share, random.Random(seed), after)
        found.add(after.read_bytes())
    return found


def test_what_was_flushed_is_there_and_the_rest_may_be(tmp_path, logged):
    """None, all, or any pieces of what was written after the last flush."""
    flushed = b"a" * PIECE + BLANK[PIECE:]
    written = b"a" * (PIECE // 2) + b"b" * (2 * PIECE) + BLANK[5 * PIECE // 2 :]
    assert states(tmp_path, logged, 4, 0.0) == {flushed}
    assert states(tmp_path, logged, 4, 1.0) == {written}
    # The write has three pieces, because it begins in the middle of one.
    assert len(states(tmp_path, logged, 4, 0.5, times=100)) == 8


def test_before_the_flush_even_that_may_be_missing(tmp_path, logged):
    assert states(tmp_path, logged, 1, 0.0) == {BLANK}
    assert states(tmp_path, logged, 2, 0.0) == {b"a" * PIECE + BLANK[PIECE:]}


def test_the_marks(logged):
    path, entries = logged
    assert marks_in(path, entries) == [(5, {"what": "saved"})]


def saved(key, name, moment, score=1.0, run=0):
    sums = {"bytes": 7, "crc32": f"{moment:08x}"}
    return {
        "what": "saved",
        "callback": key,
        "path": name,
        "moment": moment,
        "score": score,
        "run": run,
        **sums,
    }


KEPT = [
    saved("retained", f"kept-{moment}.weights.h5", moment, score)
    for moment, score in enumerate((1.0, 4.0, 3.0, 2.0), 1)
]


def problems(said, names, later=()):
    """Return what is wrong if these files exist, each as its newest version."""
    saves = [mark for mark in [*said, *later] if mark["what"] == "saved"]
    digests = {mark["path"]: (mark["bytes"], mark["crc32"]) for mark in saves}
    found = {name: digests.get(name, (0, "")) for name in names}
    return [*broken(SCENES["small models"], said, later, found)]


def paths(*moments):
    return [f"kept-{moment}.weights.h5" for moment in moments]


@pytest.mark.parametrize("there", [(1, 3, 4), (1, 2, 3, 4), (1, 4, 3)])
def test_enough_is_there(there):
    """The best, the two newest, and files that are not deleted yet."""
    assert problems(KEPT, paths(*there)) == []


@pytest.mark.parametrize("there", [(), (3, 4), (1, 4), (1, 3), (1, 2)])
def test_what_was_reported_is_missed(there):
    """Without the best, or one of the two newest, a promise is broken."""
    assert problems(KEPT, paths(*there))


def test_what_was_about_to_be_reported_may_be_there():
    assert problems(KEPT[:3], paths(1, 3, 4), later=KEPT[3:]) == []


def test_a_torn_file_is_noticed():
    """A file is torn if no report, before or after the cut, has its digest."""
    assert problems(KEPT, [*paths(1, 3, 4), "last.keras"]) == [
        "last.keras is no version that was saved"
    ]


def test_an_older_file_under_a_fixed_name_is_noticed():
    said = [saved("overwritten", "last.keras", moment) for moment in (1, 2)]
    found = {"last.keras": (7, "00000001")}
    assert [*broken(SCENES["one callback"], said, [], found)]
    found = {"last.keras": (7, "00000002")}
    assert [*broken(SCENES["one callback"], said, [], found)] == []


def test_the_best_of_an_earlier_run_may_have_another_name():
    said = [saved("best", "best.h5", 1, 1.0), saved("best", "best.h5", 2, 9.0, run=1)]
    found = {"best.h5": (7, "00000002"), "best.run-a.h5": (7, "00000001")}
    assert [*broken(SCENES["small models"], said, [], found)] == []
    del found["best.run-a.h5"]
    assert [*broken(SCENES["small models"], said, [], found)]


def test_pruning_keeps_the_newest_and_the_best():
    there = [[mark["bytes"], mark["crc32"]] for mark in KEPT if mark["moment"] != 2]
    said = [*KEPT, {"what": "pruning", "there": there}]
    assert problems(said, paths(1, 3, 4)) == []
    assert problems(said, paths(3, 4))
    assert problems(said, paths(1, 4))

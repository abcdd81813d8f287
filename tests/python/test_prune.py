"""`prune_checkpoints`: what is deleted, what stays, and what the journal records."""

from __future__ import annotations

import os
import subprocess

import pytest
from checkpoint_files import (
    abandoned_path,
    add_line,
    initials,
    put,
    put_several,
    record,
    statuses,
    weights,
)
from conftest import checkpoints, fit, lines, make_model

from modelcheckpoint import ModelCheckpoint, list_checkpoints, prune_checkpoints
from modelcheckpoint.journal.prune import prune
from modelcheckpoint.records import Removal
from modelcheckpoint.storage import storage_for
from modelcheckpoint.storage.base import Entry
from modelcheckpoint.storage.journals import JOURNAL
from modelcheckpoint.storage.local import LocalStorage


def pruned(folder, **keep):
    return [one.name[0] for one in prune_checkpoints(folder, dry_run=False, **keep)]


def test_a_real_run(tmp_path, K, data):
    """What is left loads, and nothing is missing."""
    path = tmp_path / "w.{epoch}.weights.h5"
    callback = ModelCheckpoint(path, save_weights_only=True, monitor="loss")
    fit(make_model(K), data, callback, epochs=5)
    prune_checkpoints(tmp_path, keep_latest=2, dry_run=False)
    assert {one.epoch for one in list_checkpoints(tmp_path)} >= {4, 5}
    assert len(checkpoints(tmp_path)) <= 3
    assert set(statuses(tmp_path).values()) == {"good"}
    make_model(K).load_weights(list_checkpoints(tmp_path)[-1].path)


def test_a_dry_run(tmp_path, capsys):
    """It is the default: nothing changes, and it reports what would be deleted."""
    put_several(tmp_path)
    before = (tmp_path / JOURNAL).read_bytes()
    found = prune_checkpoints(tmp_path, keep_latest=1)
    assert [one.name[0] for one in found] == ["1", "3", "4", "5"]
    size = sum(one.bytes for one in found)
    said = capsys.readouterr().out
    assert said.startswith("Would delete 4 of 6 checkpoints, ")
    assert said.endswith("B. dry_run=False deletes them.\n")
    assert size > 0
    assert initials(tmp_path) == "123456"
    assert (tmp_path / JOURNAL).read_bytes() == before


@pytest.mark.parametrize(
    ("keep", "stays"),
    [
        ({"keep_latest": 1}, "26"),
        ({"keep_latest": 3}, "2456"),
        ({"keep_best": 1}, "26"),
        ({"keep_best": 3}, "1236"),
        ({"keep_every": 3}, "236"),
        ({"keep_latest": 2, "keep_best": 2, "keep_every": 4}, "12456"),
        ({"keep_latest": 100}, "123456"),
    ],
)
def test_what_is_kept(tmp_path, keep, stays, capsys):
    """A union; the newest and the best stay in any case."""
    put_several(tmp_path)
    gone = pruned(tmp_path, **keep)
    assert initials(tmp_path) == stays
    assert sorted([*gone, *stays]) == list("123456")
    said = capsys.readouterr().out
    if gone:
        assert f"Deleted {len(gone)} of 6 checkpoints, " in said
    else:
        assert said == "Nothing to delete among 6 checkpoints.\n"
    assert pruned(tmp_path, **keep) == []


def test_the_journal_says_so_first(tmp_path):
    """Each file has a line, so that nobody misses it."""
    records = put_several(tmp_path)
    pruned(tmp_path, keep_latest=5)
    removed = [line["removed"] for line in lines(tmp_path) if "removed" in line]
    assert removed == ["1.weights.h5"]
    last = (tmp_path / JOURNAL).read_text().splitlines()[-1]
    assert Removal.from_line(last) == Removal.of(records[0])
    assert set(statuses(tmp_path).values()) == {"good"}


def test_a_kill_between_line_and_deletion(tmp_path):
    """The file is still listed, and is deleted the next time."""
    records = put_several(tmp_path, 3)
    add_line(tmp_path, Removal.of(records[0]))
    assert [one.epoch for one in list_checkpoints(tmp_path)] == [1, 2, 3]
    assert pruned(tmp_path, keep_latest=1) == ["1"]


def test_the_folder_is_taken_as_a_whole(tmp_path):
    """The number counts for all runs in the folder together."""
    put_several(tmp_path, 4)
    for n in (7, 8):
        put(tmp_path, weights(n), f"{n}.weights.h5", epoch=n, value=9, run="two")
    pruned(tmp_path, keep_latest=3)
    assert initials(tmp_path) == "2478"


def test_each_monitor_has_its_best(tmp_path):
    """Values of two monitors cannot be compared."""
    put_several(tmp_path, 3)
    for n in (4, 5, 6):
        fields = {"monitor": "acc", "mode": "max", "value": 1 / n}
        put(tmp_path, weights(n), f"{n}.weights.h5", epoch=n, **fields)
    pruned(tmp_path, keep_latest=1)
    assert initials(tmp_path) == "246"


def test_only_what_the_journal_describes(tmp_path, capsys):
    """Unknown and changed files stay, and so do files that are not checkpoints."""
    put_several(tmp_path)
    (tmp_path / "1.weights.h5").write_bytes(b"changed")
    (tmp_path / "a.keras").write_bytes(b"unknown")
    put(tmp_path, b"x", "train.py")
    path = abandoned_path(tmp_path)
    path.write_bytes(b"x")
    assert pruned(tmp_path, keep_latest=1) == ["3", "4", "5"]
    assert "2 that the journal does not describe stay." in capsys.readouterr().out
    assert (tmp_path / "1.weights.h5").exists()
    assert (tmp_path / "a.keras").exists()
    assert (tmp_path / "train.py").exists()
    assert path.exists()


def test_empty_folders_go(tmp_path):
    """Only folders in which nothing is left."""
    for n in (1, 2, 3):
        put(tmp_path, weights(n), f"{n}/w.weights.h5", epoch=n, value=n)
    (tmp_path / "2" / "notes.txt").write_text("mine")
    pruned(tmp_path, keep_latest=1)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["1", "2", "3", JOURNAL]
    assert not (tmp_path / "2" / "w.weights.h5").exists()
    for n in (4, 5):
        put(tmp_path, weights(n), f"{n}/w.weights.h5", epoch=n, value=n)
    pruned(tmp_path, keep_latest=1)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["1", "2", "5", JOURNAL]


def test_a_file_that_is_exchanged_meanwhile(tmp_path, monkeypatch):
    """A run in progress has just written it: it stays."""
    put_several(tmp_path, 4)
    append = LocalStorage.append

    def append_slowly(self, *lines):
        append(self, *lines)
        (tmp_path / "new").write_bytes((tmp_path / "3.weights.h5").read_bytes())
        os.replace(tmp_path / "new", tmp_path / "3.weights.h5")

    monkeypatch.setattr(LocalStorage, "append", append_slowly)
    assert pruned(tmp_path, keep_latest=1) == ["1"]
    assert initials(tmp_path) == "234"


@pytest.mark.skipif(os.name == "nt", reason="makes links")
def test_nothing_outside_is_touched(tmp_path):
    """Neither through names that lead out nor through links, even new ones."""
    folder, outside = tmp_path / "folder", tmp_path / "outside"
    folder.mkdir()
    outside.mkdir()
    data = weights()
    (outside / "1.weights.h5").write_bytes(data)
    (folder / "below").symlink_to(outside)
    names = ("../outside/1.weights.h5", "below/1.weights.h5", "link.weights.h5")
    (folder / "link.weights.h5").symlink_to(outside / "1.weights.h5")
    for name in names:
        add_line(folder, record(data, name))
    put_several(folder, 2)
    assert pruned(folder, keep_latest=1) == ["1"]
    put(folder, data, "sub/1.weights.h5", value=9)
    put(folder, data, "9.weights.h5", value=9)
    (folder / "sub").rename(folder / "moved")
    stale = Entry("sub/1.weights.h5", len(data), 0, (0, 0, 0, 0))
    (folder / "sub").symlink_to(outside)
    gone, errors = prune(storage_for(str(folder)), [(stale, record(data, stale.name))])
    assert gone == []
    assert "its folder is a link" in str(errors[0])
    assert (outside / "1.weights.h5").read_bytes() == data


@pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="needs root: chattr")
def test_a_file_that_cannot_be_deleted(tmp_path, capsys):
    """The others are deleted, and an error names it."""
    put_several(tmp_path, 4)
    stuck = str(tmp_path / "1.weights.h5")
    if subprocess.run(["chattr", "+i", stuck], capture_output=True).returncode:
        pytest.skip("no file can be made immutable here")
    try:
        with pytest.raises(
            OSError, match=r"1 checkpoint could not be deleted"
        ) as raised:
            prune_checkpoints(tmp_path, keep_latest=1, dry_run=False)
        assert raised.value.filename == stuck
        assert initials(tmp_path) == "124"
        assert "Deleted 1 of 4 checkpoints" in capsys.readouterr().out
    finally:
        subprocess.run(["chattr", "-i", stuck], check=True)


def test_a_journal_that_cannot_be_written(tmp_path, monkeypatch):
    """Nothing is deleted, because the journal could not record it."""
    put_several(tmp_path)

    def fail(self, *lines):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(LocalStorage, "append", fail)
    with pytest.raises(OSError, match="No space left"):
        prune_checkpoints(tmp_path, keep_latest=1, dry_run=False)
    assert initials(tmp_path) == "123456"


def test_a_thousand(tmp_path):
    """Lines are flushed together, so it takes only a moment."""
    for number in range(1_200):
        put(tmp_path, b"x", f"{number}.keras", value=number)
    assert len(prune_checkpoints(tmp_path, keep_latest=2, dry_run=False)) == 1_197
    assert len(list_checkpoints(tmp_path)) == 3


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({}, "must say what to keep, and none of them does"),
        (
            {"keep_latest": 0},
            "`keep_latest` must be a whole number >= 1 or None, not 0",
        ),
        (
            {"keep_best": 1.0},
            "`keep_best` must be a whole number >= 1 or None, not 1.0",
        ),
        ({"keep_every": True}, "`keep_every` must be a whole number >= 1 or None"),
        ({"keep_latest": 1, "dry_run": 0}, "`dry_run` must be True or False, not 0"),
        ({"folder": 3, "keep_latest": 1}, "`folder` must be a string or a path"),
    ],
)
def test_wrong_arguments(tmp_path, arguments, says):
    """An error names the argument, the rule and the value; nothing is deleted."""
    put_several(tmp_path, 3)
    with pytest.raises(ValueError, match=says):
        prune_checkpoints(**{"folder": tmp_path, "dry_run": False, **arguments})
    assert initials(tmp_path) == "123"

"""`fetch_checkpoint` in a folder: what is copied, and what is not."""

from __future__ import annotations

import os
import stat

import pytest
from checkpoint_files import put
from local_trees import NEW, OLD, fill, tree
from memory_storage import MemoryStorage
from test_verify_trees import put as put_tree

from modelcheckpoint import RestoreError, fetch_checkpoint
from modelcheckpoint.storage import storage_for
from modelcheckpoint.storage.base import NotPlain
from modelcheckpoint.storage.durable_copy import durable_copy


@pytest.fixture
def run(tmp_path):
    """A folder with a checkpoint that is a file, and one that is a tree."""
    folder = tmp_path / "run"
    put(folder, b"a file", "w.keras")
    put_tree(storage_for(str(folder)), NEW)
    return folder


def state(path):
    """What it is and when it changed last, but not when it was read."""
    at = os.lstat(path)
    return at.st_ino, at.st_mode, at.st_size, at.st_mtime_ns, at.st_ctime_ns


@pytest.mark.parametrize("name", ["w.keras", "w.orbax"])
def test_it_is_copied_as_it_is(run, tmp_path, name):
    """A second call changes nothing; the copy keeps the permissions."""
    to = tmp_path / "to"
    assert fetch_checkpoint(run / name, to) == str(to / name)
    before = state(to / name)
    assert fetch_checkpoint(run / name, to) == str(to / name)
    assert state(to / name) == before
    assert os.listdir(to) == [name]
    modes = {stat.S_IMODE(os.lstat(folder / name).st_mode) for folder in (run, to)}
    assert len(modes) == 1
    if name == "w.orbax":
        assert tree(to / name) == NEW
    else:
        assert (to / name).read_bytes() == b"a file"


def test_a_flipped_bit_in_a_tree(run, tmp_path):
    """Nothing is copied."""
    (run / "w.orbax/0/pytree/d/b").write_bytes(NEW["0/pytree/d/b"][:-1] + b"#")
    with pytest.raises(RestoreError, match=r"w\.orbax is damaged: it has"):
        fetch_checkpoint(run / "w.orbax", tmp_path / "to")
    assert os.listdir(tmp_path / "to") == []


def test_a_tree_that_no_journal_describes(tmp_path):
    """It is copied, too, like a tree that Keras itself wrote."""
    fill(tmp_path / "own.orbax", OLD)
    copy = fetch_checkpoint(tmp_path / "own.orbax", tmp_path / "to")
    assert tree(copy) == OLD


def taken_by_a_tree(path):
    fill(path, OLD)


def taken_by_an_empty_folder(path):
    path.mkdir()


def taken_by_a_file(path):
    path.write_bytes(b"mine")


def taken_by_a_link(path):
    path.symlink_to(path.parent.parent / "run" / path.name)


TAKEN = [taken_by_a_tree, taken_by_an_empty_folder, taken_by_a_file, taken_by_a_link]


@pytest.mark.parametrize("name", ["w.keras", "w.orbax"])
@pytest.mark.parametrize("take", TAKEN)
def test_what_has_its_name_stays(run, tmp_path, name, take):
    """It is not replaced; the error says which argument to change."""
    to = tmp_path / "to"
    to.mkdir()
    take(to / name)
    before = state(to / name), tree(to / name)
    with pytest.raises(FileExistsError, match="`to` must be a folder without another"):
        fetch_checkpoint(run / name, to)
    assert (state(to / name), tree(to / name)) == before
    assert os.listdir(to) == [name]


@pytest.mark.parametrize("name", ["v.orbax", "w.orbax/0/pytree/d/b/c.orbax", "v.keras"])
def test_there_is_no_such_checkpoint(run, tmp_path, name):
    """No part of a checkpoint is left in the folder."""
    with pytest.raises(FileNotFoundError):
        fetch_checkpoint(run / name, tmp_path / "to")
    assert os.listdir(tmp_path / "to") == []


def test_a_link_in_a_tree(run, tmp_path):
    """It could point to any file of this machine."""
    (run / "w.orbax/0/secret").symlink_to("/etc/passwd")
    with pytest.raises(OSError, match="it is a link"):
        fetch_checkpoint(run / "w.orbax", tmp_path / "to")
    assert os.listdir(tmp_path / "to") == []


@pytest.mark.parametrize("evil", ["../out", "0/../../out", "/out", "0//out"])
def test_names_that_lead_out_of_a_tree(tmp_path, evil):
    """Objects can have such names: nothing is written outside the copy."""
    storage = MemoryStorage()
    storage.put("w.orbax", {"0/x": b"x", evil: b"evil"})
    with pytest.raises(NotPlain, match="its name leads elsewhere"):
        durable_copy(storage, "w.orbax", str(tmp_path / "w.orbax"))
    assert not list(tmp_path.rglob("out"))

"""Trees on a failing disk, and trees that killed writers have left."""

from __future__ import annotations

import itertools
import os
import pathlib
import shutil
import subprocess
import sys

import pytest
from checkpoint_files import abandoned_path
from conftest import descriptors, posix
from faulty import ERRORS, FaultyOS, WithoutLinks
from local_saves import files
from local_trees import (
    NEW,
    OLD,
    WAYS,
    fill,
    left_behind,
    save,
    tree,
)
from test_dead_writers import SWEEPER
from test_verify_trees import put

from modelcheckpoint.journal.sweep import sweep
from modelcheckpoint.journal.verify import Verifier
from modelcheckpoint.storage import storage_for
from modelcheckpoint.storage.base import NotFlushed
from modelcheckpoint.storage.journals import JOURNAL
from modelcheckpoint.storage.local import LocalStorage


def attempts(tmp_path):
    """Yield folders with an old tree, each with the number of the call to fail."""
    save(LocalStorage(str(tmp_path / "saved")), files=OLD)
    for number in itertools.count(1):
        yield number, shutil.copytree(tmp_path / "saved", tmp_path / f"at{number}")


ACTIONS = {
    "save": lambda storage: save(storage, files=NEW),
    "copy": lambda storage: storage.copy("w.orbax", "x.orbax"),
    "delete": lambda storage: storage.delete(storage.entry("w.orbax")),
}
ALLOWED = {
    "save": [{"w.orbax": OLD}, {"w.orbax": NEW}],
    "copy": [{"w.orbax": OLD}, {"w.orbax": OLD, "x.orbax": OLD}],
    "delete": [{"w.orbax": OLD}, {}],
}


@posix
@pytest.mark.parametrize("error", ERRORS, ids=repr)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("links", [True, False], ids=["links", "no links"])
@pytest.mark.parametrize("action", ACTIONS)
def test_any_call_may_fail(tmp_path, action, links, way, error):
    """The old tree or the new one is complete; in the end, nothing else is left."""
    wrong, open_files = [], descriptors()
    for number, folder in attempts(tmp_path):
        system = FaultyOS(number, error)
        used = WAYS[way](system if links else WithoutLinks(system))
        storage = LocalStorage(str(folder), system=used)
        try:
            ACTIONS[action](storage)
        except type(error):
            pass
        if system.failed is None:
            break
        storage.tidy()
        found = {n: tree(folder / n) for n in os.listdir(folder) if n != JOURNAL}
        if found not in ALLOWED[action]:
            wrong.append((system.calls[number - 1], found))
        shutil.rmtree(folder)
    assert number > 5
    assert wrong == []
    assert descriptors() == open_files


@posix
def test_a_name_that_is_not_flushed(tmp_path):
    """The old tree is kept until then: a power cut could give it the name back."""
    save(LocalStorage(str(tmp_path)), files=OLD)
    system = FaultyOS()
    storage = LocalStorage(str(tmp_path), system=system)
    with storage.staged("w.orbax", ".orbax") as staged:
        fill(staged.path, NEW)
        staged.seal()
        system.fail_always = "fsync"
        with pytest.raises(NotFlushed):
            staged.publish()
    assert tree(tmp_path / "w.orbax") == NEW
    (left,) = [path for path in tmp_path.iterdir() if ".tmp" in path.name]
    assert tree(left) == OLD
    system.fail_always = None
    storage.tidy()
    assert left_behind(tmp_path) == []


def test_somebody_goes_on_writing_into_a_tree_that_failed(tmp_path):
    """This disturbs no later save, and the files are deleted with the next one."""
    storage = LocalStorage(str(tmp_path))
    with storage.staged("w.orbax", ".orbax") as failed:
        fill(failed.path, OLD)
    fill(failed.path, OLD)
    with storage.staged("w.orbax", ".orbax") as staged:
        fill(failed.path, OLD)
        fill(staged.path, NEW)
        staged.seal()
        staged.publish()
    assert tree(tmp_path / "w.orbax") == NEW
    shutil.rmtree(failed.path)
    with storage.staged("w.orbax", ".orbax") as failed:
        pass
    fill(failed.path, OLD)
    storage.tidy()
    assert left_behind(tmp_path) == []


# What a killed writer left


@pytest.mark.parametrize("suffix", [".orbax", ".d", ".aside"])
def test_a_folder_of_a_killed_writer_is_swept(tmp_path, journal, suffix):
    """However much of it was written."""
    left = abandoned_path(tmp_path, suffix=suffix)
    fill(left, NEW)
    storage = LocalStorage(str(tmp_path))
    assert [entry.name for entry in storage.unpublished("w.orbax")] == [left.name]
    assert sweep(storage) == [left.name]
    assert files(tmp_path) == [JOURNAL]


@posix
def test_a_file_that_a_killed_writer_exchanged_is_swept(tmp_path, journal):
    """It had the name of a tree, and has the temporary one."""
    path = abandoned_path(tmp_path, suffix=".orbax")
    path.write_bytes(b"a file")
    assert sweep(LocalStorage(str(tmp_path))) == [path.name]
    assert files(tmp_path) == [JOURNAL]


@pytest.mark.parametrize("taken", [True, False])
def test_what_was_moved_aside_gets_its_name_back(tmp_path, journal, taken):
    """Unless its writer had already given the name to the new one."""
    left = abandoned_path(tmp_path, suffix=".aside")
    fill(left / "w.orbax", OLD)
    fill(left / "other", {"a": b"b"})
    if taken:
        fill(tmp_path / "w.orbax", NEW)
    assert sweep(storage_for(str(tmp_path))) == [left.name]
    assert tree(tmp_path / "w.orbax") == (NEW if taken else OLD)
    assert sorted(os.listdir(tmp_path)) == [JOURNAL, "w.orbax"]


def test_what_was_moved_aside_is_not_missed(tmp_path, journal):
    """It will get its name, whether it is the old one or the new one."""
    put(storage_for(str(tmp_path)), NEW)
    line = put(storage_for(str(tmp_path)), OLD)
    aside = abandoned_path(tmp_path, suffix=".aside")
    aside.mkdir()
    (tmp_path / "w.orbax").rename(aside / "w.orbax")
    assert Verifier(storage_for(str(tmp_path))).verify("w.orbax") is None
    sweep(storage_for(str(tmp_path)))
    assert Verifier(storage_for(str(tmp_path))).verify("w.orbax").record == line


def test_a_folder_of_a_living_writer_stays(tmp_path):
    """As long as it is staged, even for other processes."""
    storage = LocalStorage(str(tmp_path))
    with storage.staged("w.orbax", ".orbax") as staged:
        fill(staged.path, NEW)
        assert sweep(LocalStorage(str(tmp_path))) == []
        command = [sys.executable, "-c", SWEEPER, str(tmp_path), "0"]
        assert subprocess.check_output(command, text=True) == "[]\n"
        assert pathlib.Path(staged.path, "0/e/f").exists()

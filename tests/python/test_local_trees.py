"""`storage/local_trees.py`: folders of files; each folder is one checkpoint."""

from __future__ import annotations

import os
import shutil

import pytest
from conftest import nested, posix
from faulty import FaultyOS, WithoutLinks
from local_saves import files
from local_trees import (
    NEW,
    OLD,
    digest_of_files,
    fill,
    left_behind,
    save,
    tree,
)

from modelcheckpoint.storage.base import NotPlain, digest_of
from modelcheckpoint.storage.journals import JOURNAL
from modelcheckpoint.storage.local import LocalStorage


def entry_names(storage, depth=1):
    return sorted(entry.name for entry in storage.entries((".orbax", ".keras"), depth))


def test_a_tree_is_one_entry(tmp_path):
    """Nothing inside it is an entry; its size is the sum of all its files."""
    storage = LocalStorage(str(tmp_path), 1)
    save(storage, "a/w.orbax", {**NEW, "x.keras": b"y", "inner.orbax/z": b"z"})
    fill(tmp_path, {"w.keras": b"file", "file.orbax": b"a file"})
    assert entry_names(storage, 9) == ["a/w.orbax", "w.keras"]
    entry = storage.entry("a/w.orbax")
    assert entry.bytes == sum(map(len, NEW.values())) + 2
    assert entry in storage.entries((".orbax",), 1)
    assert storage.entry("file.orbax") is None
    assert storage.entry("a") is None
    members = {member.name: member.bytes for member in storage.members("a/w.orbax")}
    assert members["a/w.orbax/0/e/f"] == 1
    assert len(members) == len(NEW) + 2


CHANGES = {
    "a file is written": lambda path: (path / "0/e/f").write_bytes(b"y"),
    "a file is added": lambda path: (path / "0/g").write_bytes(b""),
    "a file is gone": lambda path: (path / "0/e/f").unlink(),
    "a file is renamed": lambda path: (path / "0/e/f").rename(path / "0/e/g"),
    "a folder is added": lambda path: (path / "0/h").mkdir(),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_tree_is_told_from_the_one_before(tmp_path, change):
    """Any change makes it another tree, which is not deleted as the listed one."""
    storage = LocalStorage(str(tmp_path))
    save(storage)
    os.utime(tmp_path / "w.orbax" / "0/e/f", (0, 0))
    entry = storage.entry("w.orbax")
    assert entry == storage.entry("w.orbax")
    CHANGES[change](tmp_path / "w.orbax")
    assert storage.entry("w.orbax") != entry
    assert not storage.delete(entry)
    assert (tmp_path / "w.orbax").is_dir()


def test_a_tree_with_its_digest(tmp_path):
    """It covers all files: their names, sizes and checksums."""
    storage = LocalStorage(str(tmp_path))
    save(storage)
    assert digest_of(storage, "w.orbax") == digest_of_files(NEW)
    for change in ("a file is written", "a file is gone", "a file is renamed"):
        shutil.copytree(tmp_path / "w.orbax", tmp_path / "x.orbax")
        assert digest_of(storage, "x.orbax") == digest_of_files(NEW)
        CHANGES[change](tmp_path / "x.orbax")
        assert digest_of(storage, "x.orbax") != digest_of_files(NEW)
        shutil.rmtree(tmp_path / "x.orbax")
    (tmp_path / "file.orbax").write_bytes(b"a file")
    for name in (
        "missing.orbax",
        "w.orbax/x.orbax",
        "file.orbax",
        "file.orbax/x.orbax",
    ):
        assert digest_of(storage, name) is None


@posix
@pytest.mark.parametrize("make", [os.mkfifo, lambda path: os.symlink("/etc", path)])
def test_what_is_no_file_makes_a_tree_damaged(tmp_path, make):
    """The other thing is not opened, the tree has no digest, and it can be deleted."""
    storage = LocalStorage(str(tmp_path))
    save(storage)
    make(tmp_path / "w.orbax" / "0" / "other")
    assert digest_of(storage, "w.orbax") is None
    with pytest.raises(NotPlain):
        list(storage.members("w.orbax"))
    assert storage.delete(storage.entry("w.orbax"))
    assert files(tmp_path) == [JOURNAL]
    assert os.path.isdir("/etc")


@posix
def test_a_tree_behind_a_link(tmp_path):
    """A link is not a tree, and neither is anything behind one."""
    fill(tmp_path / "elsewhere" / "w.orbax", OLD)
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a").symlink_to("../elsewhere")
    (folder / "w.orbax").symlink_to("../elsewhere/w.orbax")
    storage = LocalStorage(str(folder), 1)
    assert entry_names(storage) == []
    assert storage.entry("w.orbax") is None
    for name in ("w.orbax", "a/w.orbax"):
        assert digest_of(storage, name) is None
    with pytest.raises(NotPlain):
        storage.entry("a/w.orbax")


# Malicious trees


@posix
def test_a_tree_with_folders_in_folders(tmp_path, monkeypatch):
    """It is skipped; the others are listed."""
    storage = LocalStorage(str(tmp_path))
    save(storage, "x.orbax")
    with nested(tmp_path / "w.orbax", monkeypatch, 3000):
        assert entry_names(storage) == ["x.orbax"]
        assert digest_of(storage, "w.orbax") is None
        with pytest.raises(NotPlain, match="more in it than in any checkpoint"):
            storage.entry("w.orbax")


def test_a_tree_with_too_many_files(tmp_path, monkeypatch):
    """It is skipped, too."""
    monkeypatch.setattr("modelcheckpoint.storage.walker._MOST", 10)
    storage = LocalStorage(str(tmp_path))
    fill(tmp_path / "w.orbax", {str(number): b"x" for number in range(11)})
    fill(tmp_path / "x.orbax", {str(number): b"x" for number in range(10)})
    assert entry_names(storage) == ["x.orbax"]
    assert digest_of(storage, "w.orbax") is None


# Deleting


def test_a_tree_is_deleted(tmp_path):
    """Folders above it that become empty are deleted, too; it is deleted once."""
    storage = LocalStorage(str(tmp_path), 1)
    save(storage, "a/w.orbax")
    entry = storage.entry("a/w.orbax")
    assert storage.delete(entry)
    assert not storage.delete(entry)
    storage.tidy()
    assert files(tmp_path) == [JOURNAL]


@posix
def test_a_tree_is_deleted_in_one_step(tmp_path):
    """Its name is removed, durably, before anything in it."""
    save(LocalStorage(str(tmp_path)))
    system = FaultyOS()
    storage = LocalStorage(str(tmp_path), system=system)
    assert storage.delete(storage.entry("w.orbax"))
    first = [name for name, _ in system.calls]
    assert first[: first.index("unlink")] == ["replace", "open", "fsync", "close"]


@posix
def test_a_tree_that_cannot_be_deleted_whole(tmp_path):
    """Its name is gone even so, and the rest is deleted the next time."""
    save(LocalStorage(str(tmp_path)))
    for failing in ("unlink", "rmdir", "fsync"):
        system = FaultyOS()
        storage = LocalStorage(str(tmp_path), system=system)
        save(storage, files=OLD)
        system.fail_always = failing
        assert storage.delete(storage.entry("w.orbax"))
        assert entry_names(storage) == []
        (left,) = [path.name for path in tmp_path.iterdir() if ".tmp" in path.name]
        assert left.endswith(".d")
        if failing == "fsync":  # until then the name could come back
            assert tree(tmp_path / left) == OLD
        system.fail_always = None
        storage.tidy()
        assert left_behind(tmp_path) == []


# A second name


@posix
@pytest.mark.parametrize("links", [True, False], ids=["links", "no links"])
def test_a_second_name(tmp_path, links):
    """It keeps its contents when the first name gets others, with or without links."""
    storage = LocalStorage(str(tmp_path), system=os if links else WithoutLinks())
    save(storage, files=OLD)
    (tmp_path / "w.orbax" / "folder").mkdir()
    storage.copy("w.orbax", "x.orbax")
    inner = "0/pytree/d/a"
    paths = (tmp_path / "w.orbax" / inner, tmp_path / "x.orbax" / inner)
    assert os.path.samefile(*paths) == links
    assert (tmp_path / "x.orbax" / "folder").is_dir()
    save(storage, files=NEW)
    assert digest_of(storage, "x.orbax") == digest_of_files(OLD)
    for taken in ("x.orbax", "w.orbax"):
        with pytest.raises(FileExistsError):
            storage.copy("w.orbax", taken)
    with pytest.raises(FileNotFoundError):
        storage.copy("missing.orbax", "y.orbax")
    assert entry_names(storage) == ["w.orbax", "x.orbax"]
    assert left_behind(tmp_path) == []


def test_a_second_name_beside_a_save(tmp_path):
    """Another tree is staged meanwhile, as always when one is kept aside."""
    storage = LocalStorage(str(tmp_path))
    save(storage, files=OLD)
    with storage.staged("w.orbax", ".orbax") as staged:
        fill(staged.path, NEW)
        staged.seal()
        storage.copy("w.orbax", "x.orbax")
        staged.publish()
    assert tree(tmp_path / "x.orbax") == OLD
    assert tree(tmp_path / "w.orbax") == NEW
    assert left_behind(tmp_path) == []

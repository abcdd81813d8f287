"""`storage/temporary.py`: which files and folders a sweep deletes, by their names."""

from __future__ import annotations

import os

import pytest
from checkpoint_files import abandoned_path
from conftest import nested

from modelcheckpoint.journal.sweep import sweep
from modelcheckpoint.storage import temporary
from modelcheckpoint.storage.journals import JOURNAL
from modelcheckpoint.storage.local import LocalStorage
from modelcheckpoint.storage.walker import walk

pytestmark = pytest.mark.skipif(os.name == "nt", reason="kills processes, makes links")


def abandoned(folder, number=0, up=0):
    """Make a temporary file of a process that never ran, and return it."""
    path = abandoned_path(folder, up, number=number)
    folder.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"half a model")
    return path


def test_a_folder_of_a_killed_writer(tmp_path, journal):
    """A dead writer's folder is deleted with its contents, but links are not followed.

    A file with that name is nobody's, and stays.
    """
    path, mine = abandoned(tmp_path), tmp_path / "mine"
    mine.write_bytes(b"mine")
    folder = path.with_suffix(".d")
    folder.mkdir()
    (folder / "w.keras").write_bytes(b"half a model")
    (folder / "link").symlink_to(tmp_path)
    swept = sweep(LocalStorage(str(tmp_path)))
    assert sorted(swept) == sorted([folder.name, path.name])
    assert not folder.exists()
    assert mine.read_bytes() == b"mine"
    folder.write_bytes(b"a file")
    assert sweep(LocalStorage(str(tmp_path))) == []


def test_there_is_nothing_to_sweep(tmp_path):
    """An empty folder and a missing one are left as they are."""
    assert sweep(LocalStorage(str(tmp_path))) == []
    assert sweep(LocalStorage(str(tmp_path / "missing"), 3)) == []
    assert list(tmp_path.iterdir()) == []


# Files of others


def test_unrelated_files_stay(tmp_path, journal):
    """Only a name that has exactly the form of a temporary file's is swept."""
    name = abandoned(tmp_path).name
    others = [
        "w.keras",
        "w.tmp.keras",
        "w.keras.tmp",
        ".tmp",
        ".tmp.keras",
        name[1:],
        f"x{name}",
        f"{name}x",
        f"{name}.keras",
        f"{name}\n",
        f" {name}",
        name.replace(".keras", ""),
        name.replace(".keras", ".txt"),
        name.replace("000000000000", "00000000000"),
        name.replace("000000000000", "00000000000g"),
        name.replace("000000000000", "00000000000A"),
        name.replace("modelcheckpoint", "modelcheckpoint2"),
        name.replace(".tmp", ""),
        name.replace(".tmp", "x.tmp"),
    ]
    for other in others:
        (tmp_path / other).write_bytes(b"mine")
    assert sweep(LocalStorage(str(tmp_path))) == [name]
    assert {path.name for path in tmp_path.iterdir()} == {JOURNAL, *others}


def test_a_folder_named_like_a_temporary_file_stays(tmp_path, journal):
    """It is not our file, and our files are still deleted."""
    names = [abandoned(tmp_path, number).name for number in range(1, 20)]
    for number in (0, 50, 99):
        folder = abandoned(tmp_path, number)
        folder.unlink()
        folder.mkdir()
        (folder / "mine").write_bytes(b"mine")
    assert sorted(sweep(LocalStorage(str(tmp_path)))) == sorted(names)
    assert len(list(tmp_path.glob("*/mine"))) == 3


def test_a_link_named_like_a_temporary_file_stays(tmp_path, journal):
    """We make no links, so it is somebody else's, and so is its target."""
    target = tmp_path / "target"
    target.write_bytes(b"mine")
    link = abandoned(tmp_path)
    link.unlink()
    link.symlink_to(target)
    assert sweep(LocalStorage(str(tmp_path))) == []
    assert link.is_symlink()
    assert target.read_bytes() == b"mine"


# Depth


@pytest.mark.parametrize("depth", [0, 1, 2, 3])
def test_a_sweep_goes_as_deep_as_checkpoints_lie(tmp_path, journal, depth):
    """Folders further down belong to somebody else."""
    below = [tmp_path, tmp_path / "a", tmp_path / "a" / "b", tmp_path / "a" / "b" / "c"]
    paths = [abandoned(folder) for folder in below]
    assert len(sweep(LocalStorage(str(tmp_path), depth))) == depth + 1
    assert [path.exists() for path in paths] == [i > depth for i in range(4)]


def test_a_sweep_follows_no_links(tmp_path):
    """The folder that a link points to is not ours."""
    folder, elsewhere = tmp_path / "folder", tmp_path / "elsewhere"
    path = abandoned(elsewhere)
    folder.mkdir()
    (folder / JOURNAL).touch()
    (folder / "link").symlink_to(elsewhere)
    assert sweep(LocalStorage(str(folder), 3)) == []
    assert path.exists()


def test_a_folder_that_is_reached_by_a_link(tmp_path, journal):
    """The checkpoint folder itself may be a link."""
    path = abandoned(tmp_path)
    link = tmp_path.with_name(tmp_path.name + "-link")
    link.symlink_to(tmp_path)
    assert sweep(LocalStorage(str(link))) == [path.name]


# Names


def test_names_do_not_repeat(tmp_path):
    """Each writer has its own token, and a sweep recognizes its names."""
    tokens = {temporary.new_token() for _ in range(1000)}
    assert len(tokens) == 1000
    for suffix in (".keras", ".h5", ".hdf5", ".weights.h5"):
        name = abandoned(tmp_path).name
        assert name.endswith(".keras")
        other = tmp_path / (name[: -len(".keras")] + suffix)
        other.write_bytes(b"half a model")
        assert temporary.is_abandoned(str(tmp_path), other.name)


def test_folders_deeper_than_the_stack(tmp_path, monkeypatch):
    """Somebody else can make them, and name them in a journal."""
    with nested(tmp_path / "a", monkeypatch, 400):
        depths = [name.count("/") for name, _ in walk(str(tmp_path), 400)]
        assert depths == list(range(401))

"""`keep_aside` in `save/replacement.py`: a second name for a file, or a copy of it."""

from __future__ import annotations

import contextlib
import itertools
import os
from zlib import crc32

import pytest
from conftest import posix
from faulty import ERRORS, FaultyOS, WithoutLinks
from local_saves import NEW, OLD, files, save

from modelcheckpoint.save.replacement import keep_aside
from modelcheckpoint.storage.base import Digest
from modelcheckpoint.storage.journals import JOURNAL
from modelcheckpoint.storage.local import LocalStorage

OLD_SEALED = Digest(len(OLD), f"{crc32(OLD):08x}")


@pytest.fixture(params=[os, WithoutLinks()], ids=["links", "no links"])
def storage(request, tmp_path):
    """A folder on a file system with hard links, then on one without them."""
    (tmp_path / "w.keras").write_bytes(OLD)
    return LocalStorage(str(tmp_path), system=request.param)


def test_a_file_kept_aside_survives_the_next_save(storage, tmp_path):
    """It has both names until a new file is published under the first."""
    assert (
        keep_aside(storage, "w.keras", ("w.run-1", ".keras"), OLD_SEALED)
        == "w.run-1.keras"
    )
    assert (tmp_path / "w.keras").read_bytes() == OLD
    save(storage)
    assert (tmp_path / "w.keras").read_bytes() == NEW
    assert (tmp_path / "w.run-1.keras").read_bytes() == OLD


def test_names_that_are_taken_get_a_number(storage, tmp_path):
    """A file that was kept aside before is never overwritten."""
    for taken in ("w.run-1.keras", "w.run-1-2.keras"):
        (tmp_path / taken).write_bytes(taken.encode())
    name = ("w.run-1", ".keras")
    assert keep_aside(storage, "w.keras", name, OLD_SEALED) == "w.run-1-3.keras"
    assert (tmp_path / "w.run-1.keras").read_bytes() == b"w.run-1.keras"
    assert (tmp_path / "w.run-1-2.keras").read_bytes() == b"w.run-1-2.keras"
    assert (tmp_path / "w.run-1-3.keras").read_bytes() == OLD


def test_what_was_kept_aside_is_kept_once(storage, tmp_path):
    """If a run was killed after it, the next one does nothing."""
    for _ in range(2):
        second = keep_aside(storage, "w.keras", ("x", ".keras"), OLD_SEALED)
        assert second == "x.keras"
    assert [name for name in files(tmp_path) if name != JOURNAL] == [
        "w.keras",
        "x.keras",
    ]


@posix
def test_a_link_that_leads_nowhere_is_a_name_that_is_taken(storage, tmp_path):
    """Nothing is written through the link."""
    os.symlink(tmp_path / "nowhere", tmp_path / "x.keras")
    assert keep_aside(storage, "w.keras", ("x", ".keras"), OLD_SEALED) == "x-2.keras"
    assert not (tmp_path / "nowhere").exists()


def test_keeping_aside_in_a_folder(storage, tmp_path):
    """The second name is in the same folder as the first."""
    (tmp_path / "a").mkdir()
    (tmp_path / "w.keras").rename(tmp_path / "a" / "w.keras")
    assert (
        keep_aside(storage, "a/w.keras", ("a/x", ".keras"), OLD_SEALED) == "a/x.keras"
    )
    assert (tmp_path / "a" / "x.keras").read_bytes() == OLD


def test_what_is_not_there_cannot_be_kept_aside(storage, tmp_path):
    """A missing file raises an error, and no empty one is left."""
    with pytest.raises(FileNotFoundError):
        keep_aside(storage, "missing.keras", ("x", ".keras"), OLD_SEALED)
    assert [name for name in files(tmp_path) if name != JOURNAL] == ["w.keras"]


@posix
def test_a_copy_is_durable_before_its_name_counts(tmp_path):
    """If a copy is needed, its data reach the disk first, and then the folder."""
    (tmp_path / "w.keras").write_bytes(OLD)
    system = FaultyOS()
    storage = LocalStorage(str(tmp_path), system=WithoutLinks(system))
    keep_aside(storage, "w.keras", ("x", ".keras"), OLD_SEALED)
    done = [(name, path) for name, path in system.calls if name in ("fsync", "replace")]
    assert done[-3][0] == "fsync"
    assert done[-3][1].endswith(".tmp.run")
    assert done[-2] == ("replace", done[-3][1])
    assert done[-1] == ("fsync", str(tmp_path))


@posix
@pytest.mark.parametrize("error", ERRORS, ids=repr)
def test_a_copy_that_fails_is_not_left(tmp_path, error):
    """If a copy is needed and the disk fills up, no part of it stays."""
    wrong = []
    for number in itertools.count(1):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "w.keras").write_bytes(NEW)
        faulty = FaultyOS(number, error)
        storage = LocalStorage(str(folder), system=WithoutLinks(faulty))
        with contextlib.suppress(type(error)):
            keep_aside(storage, "w.keras", ("x", ".keras"), OLD_SEALED)
        there = [
            name
            for name in files(folder)
            if name != JOURNAL and not (faulty.failed == "unlink" and ".tmp" in name)
        ]
        if {(folder / name).read_bytes() for name in there} != {NEW}:
            wrong.append((number, faulty.failed))
        if faulty.failed is None:
            break
    assert number > 5
    assert wrong == []

"""`journal/verify.py`: is each tree what the journal says?"""

from __future__ import annotations

import os
import threading
import time
from dataclasses import replace

import pytest
from checkpoint_files import RECORD
from local_trees import NEW, OLD, WAYS, digest_of_files, fill, save

from modelcheckpoint import verify_checkpoints
from modelcheckpoint.journal.verify import Verifier
from modelcheckpoint.storage import storage_for
from modelcheckpoint.storage.local import LocalStorage

NAME = "w.orbax"


def record(files, name=NAME, **fields):
    digest = digest_of_files(files)
    sums = {"bytes": digest.bytes, "crc32": digest.crc32, "format": "orbax"}
    return replace(RECORD, path=name, **sums, **fields)


def put(storage, files=NEW, name=NAME, **fields):
    """Save a tree as a run does, and return its record."""
    line = record(files, name, **fields)
    save(storage, name, files, line.to_line())
    return line


@pytest.fixture
def storage(tree_place):
    return tree_place.storage


def test_a_good_tree(storage):
    """Its line describes it, and every byte of it was read."""
    old = put(storage, OLD, "a.orbax")
    new = put(storage, NEW)
    verifier, read = Verifier(storage), []
    verifier.read = read.append
    found = [verifier.verify(name) for name in ("a.orbax", NAME)]
    assert [(one.status, one.record) for one in found] == [("good", old), ("good", new)]
    assert sum(read) == old.bytes + new.bytes == verifier.size()


def test_an_older_line_may_be_the_right_one(storage):
    """The newest line of a name can be ahead of its tree."""
    old = put(storage)
    storage.append(record(OLD, run="later").to_line())
    assert Verifier(storage).verify(NAME).record == old


CHANGES = {
    "a file is missing": lambda files: files.pop("0/e/f"),
    "a file is extra": lambda files: files.update({"0/x": b""}),
    "a file is renamed": lambda files: files.update({"0/e/g": files.pop("0/e/f")}),
    "two are exchanged": lambda files: files.update(
        {"0/e/f": files["0/pytree/_METADATA"], "0/pytree/_METADATA": files["0/e/f"]}
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_tree_that_was_changed(tmp_path, change):
    """It is damaged, even if its size is the same."""
    files = dict(NEW)
    storage = storage_for(str(tmp_path))
    put(storage, files)
    CHANGES[change](files)
    (tmp_path / NAME).rename(tmp_path / "before")
    fill(tmp_path / NAME, files)
    found = Verifier(storage).verify(NAME)
    assert found.status == "damaged"
    assert "the journal says" in found.reason


@pytest.mark.parametrize("name", NEW)
def test_one_flipped_bit(tmp_path, name):
    """It is found in any file, at any place."""
    storage = storage_for(str(tmp_path))
    put(storage)
    path = tmp_path / NAME / name
    for at in sorted({0, len(NEW[name]) // 2, len(NEW[name]) - 1}):
        data = bytearray(NEW[name])
        data[at] ^= 4
        path.write_bytes(data)
        assert Verifier(storage).verify(NAME).status == "damaged"
    path.write_bytes(NEW[name])
    assert Verifier(storage).verify(NAME).status == "good"


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: path.write_bytes(b"a file"), "it is not a folder"),
        (lambda path: path.symlink_to("elsewhere"), "it is a link"),
        (lambda path: fill(path, {"0/a": b""}), "it has 0 bytes, the journal says"),
    ],
)
def test_something_else_has_the_name(tmp_path, make, reason):
    """The checkpoint counts as damaged, not as missing."""
    storage = storage_for(str(tmp_path))
    put(storage)
    (tmp_path / NAME).rename(tmp_path / "elsewhere")
    make(tmp_path / NAME)
    found = Verifier(storage).verify(NAME)
    assert found.status == "damaged"
    assert reason in found.reason


def test_a_link_in_a_tree(tmp_path):
    """It is damaged, though everything that was saved is there."""
    storage = storage_for(str(tmp_path))
    put(storage)
    (tmp_path / NAME / "link").symlink_to("0")
    found = Verifier(storage).verify(NAME)
    assert (found.status, found.reason) == (
        "damaged",
        "it cannot be read: it is a link",
    )


def test_a_missing_tree(storage):
    """Unless the journal says that it was deleted, or it is on its way."""
    line = put(storage)
    storage.delete(storage.entry(NAME))
    assert Verifier(storage).verify(NAME).status == "missing"
    with storage.staged(NAME, ".orbax") as staged:
        fill(staged.path, NEW)
        staged.seal()
        assert Verifier(storage).verify(NAME) is None
    assert Verifier(storage).verify(NAME).record == line


def test_a_tree_of_another_size_is_not_read(tmp_path):
    """It can be larger than any disk."""
    storage = storage_for(str(tmp_path))
    put(storage)
    with open(tmp_path / NAME / "0" / "large", "wb") as file:
        file.truncate(1 << 40)
    verifier, read = Verifier(storage), []
    verifier.read = read.append
    assert verifier.verify(NAME).status == "damaged"
    assert read == []


def test_a_tree_that_no_line_describes(tmp_path):
    """Only the names of its files are checked."""
    fill(tmp_path / "1.orbax", {"0/_CHECKPOINT_METADATA": b"{}", "0/large": b"x"})
    fill(tmp_path / "2.orbax", NEW)
    (tmp_path / "1.orbax/0/large").chmod(0)
    verifier, read = Verifier(storage_for(str(tmp_path))), []
    verifier.read = read.append
    found = [verifier.verify(name) for name in verifier.names()]
    assert [(one.path, one.status) for one in found] == [
        ("1.orbax", "unknown"),
        ("2.orbax", "unknown"),
    ]
    assert found[0].reason is None
    assert "no folder of a step that is complete" in found[1].reason
    assert read == []


@pytest.mark.parametrize("way", WAYS)
def test_a_reader_beside_a_writer(tmp_path, way):
    """A good tree that is replaced while it is read is never called damaged."""
    stop, count = threading.Event(), 0

    def write():
        nonlocal count
        storage = LocalStorage(str(tmp_path), system=WAYS[way](os))
        while not stop.is_set():
            count += 1
            files = {f"0/{n}": b"%d " % count * 100 for n in range(4)}
            put(storage, files, f"{count % 3}.orbax", value=count)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        end = time.monotonic() + 4
        while time.monotonic() < end:
            wrong = [f for f in verify_checkpoints(tmp_path) if f.status != "good"]
            assert wrong == []
    finally:
        stop.set()
        writer.join()
    assert count > 10

"""`storage/base.py`: the contract of trees, for every storage that has them."""

from __future__ import annotations

import pytest
from local_trees import NEW, OLD, digest_of_files, fill, save, tree

from modelcheckpoint.storage.base import NotPlain, digest_of
from modelcheckpoint.storage.opened import opened


@pytest.fixture
def storage(tree_place):
    return tree_place.storage


def names(storage, depth=1):
    return sorted(entry.name for entry in storage.entries((".orbax", ".keras"), depth))


def holds(storage, name):
    """Return the contents of a tree's files."""
    found = {}
    for member in storage.members(name):
        with storage.open(member.name) as file:
            found[member.name[len(name) + 1 :]] = file.read()
    return found


@pytest.mark.parametrize("name", ["w.orbax", "a/w.orbax"])
def test_a_tree_that_is_published(storage, name):
    """It is there as it was written, in place of the old one."""
    save(storage, name, OLD)
    digest = save(storage, name, NEW)
    assert digest == digest_of_files(NEW) == digest_of(storage, name)
    assert storage.digest(name) == digest
    assert holds(storage, name) == NEW
    assert names(storage) == [name]
    assert storage.entry(name).bytes == digest.bytes
    assert storage.unpublished(name) == []
    assert storage.abandoned() == []
    with storage.local_copy(name) as path:
        assert tree(path) == NEW


def test_nobody_sees_a_tree_before_it_is_published(storage):
    """Except who asks for unpublished trees."""
    save(storage, files=OLD)
    with storage.staged("w.orbax", ".orbax") as staged:
        fill(staged.path, NEW)
        digest = staged.seal()
        assert not staged.published
        assert holds(storage, "w.orbax") == OLD
        assert names(storage) == ["w.orbax"]
        (entry,) = storage.unpublished("w.orbax")
        assert entry.bytes == digest.bytes
        assert digest_of(storage, entry.name) == digest
        assert storage.abandoned() == []
        staged.publish()
        assert staged.published
        assert holds(storage, "w.orbax") == NEW


def test_a_tree_that_is_not_published_is_discarded(storage):
    """The old tree keeps the name."""
    save(storage, files=OLD)
    with storage.staged("w.orbax", ".orbax") as staged:
        fill(staged.path, NEW)
        staged.seal()
    assert holds(storage, "w.orbax") == OLD
    assert storage.unpublished("w.orbax") == []


def test_an_empty_tree_is_an_error(storage):
    """Whatever folders it has."""
    with storage.staged("w.orbax", ".orbax") as staged:
        fill(staged.path, {"a/b": b""})
        with pytest.raises(OSError, match="wrote nothing"):
            staged.seal()
    assert names(storage) == []


def test_a_tree_that_is_replaced_or_deleted(storage):
    """It differs from the old one, and is deleted only if it is still the same."""
    save(storage, "a/w.orbax")
    first = storage.entry("a/w.orbax")
    assert storage.entry("a/w.orbax") == first
    save(storage, "a/w.orbax")
    assert storage.entry("a/w.orbax") != first
    assert not storage.delete(first)
    assert names(storage) == ["a/w.orbax"]
    entry = storage.entry("a/w.orbax")
    assert storage.delete(entry)
    assert not storage.delete(entry)
    storage.tidy()
    assert names(storage) == []


def test_there_is_no_such_tree(storage):
    """It has no entry, no digest and no members."""
    save(storage)
    for name in ("missing.orbax", "w.orbax/x.orbax", "a/b.orbax"):
        assert storage.entry(name) is None
        assert digest_of(storage, name) is None
        with pytest.raises(FileNotFoundError):
            list(storage.members(name))
    with pytest.raises(NotPlain):
        storage.open("w.orbax")
    with pytest.raises(FileNotFoundError):
        storage.copy("missing.orbax", "x.orbax")


def test_a_second_name(storage):
    """It keeps its contents when the first name gets others."""
    save(storage, files=OLD)
    storage.copy("w.orbax", "x.orbax")
    save(storage, files=NEW)
    assert holds(storage, "x.orbax") == OLD
    with pytest.raises(FileExistsError):
        storage.copy("w.orbax", "x.orbax")


@pytest.mark.parametrize("name", ["w.orbax", "a/w.orbax"])
def test_what_a_dead_writer_has_staged(tree_place, storage, name):
    """It is not a tree of the storage; it can be measured, and deleted."""
    storage.append("{}")
    left = tree_place.leave(name, NEW)
    assert names(storage) == []
    (entry,) = storage.abandoned()
    assert (entry.name, entry.bytes) == (left, digest_of_files(NEW).bytes)
    assert [one.name for one in storage.unpublished(name)] == [left]
    assert digest_of(storage, left) == digest_of_files(NEW)
    assert storage.delete(entry)
    assert storage.abandoned() == []


def test_a_checkpoint_that_is_open(storage):
    """A file is open for reading, a tree has its names; both can be measured."""
    with storage.staged("w.keras", ".keras") as staged:
        staged.write([(b"a file", None)])
        staged.publish()
    save(storage)
    read = []
    with opened(storage, "w.orbax") as checkpoint:
        assert checkpoint.members == sorted(NEW)
        assert checkpoint.measured(read.append) == digest_of_files(NEW)
        assert checkpoint.bytes == sum(read)
        with pytest.raises(IsADirectoryError):
            checkpoint.file  # noqa: B018
    with opened(storage, "w.keras") as checkpoint:
        assert (checkpoint.bytes, checkpoint.members) == (6, ())
        assert checkpoint.measured(read.append).bytes == 6
        checkpoint.file.seek(0)
        assert checkpoint.file.read() == b"a file"

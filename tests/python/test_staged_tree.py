"""`storage/staged_tree.py`: a folder gets its name complete, or not at all."""

from __future__ import annotations

import errno
import os
import re

import pytest
from conftest import posix
from faulty import FaultyOS
from local_saves import files
from local_trees import (
    NEW,
    OLD,
    WAYS,
    WithoutExchange,
    fill,
    left_behind,
    save,
    tree,
)

from modelcheckpoint.storage.base import NotPlain, digest_of
from modelcheckpoint.storage.journals import JOURNAL
from modelcheckpoint.storage.local import LocalStorage
from modelcheckpoint.storage.names import TREES
from modelcheckpoint.storage.temporary import is_temporary


@pytest.mark.parametrize("suffix", TREES)
def test_a_temporary_folder_has_the_suffix_of_its_name(tmp_path, suffix):
    """It is next to the name, is empty, and a sweep recognizes it."""
    with LocalStorage(str(tmp_path)).staged(f"a/w{suffix}", suffix) as staged:
        assert os.path.dirname(staged.path) == str(tmp_path / "a")
        assert os.listdir(staged.path) == []
        assert staged.path.endswith(suffix)
        assert is_temporary(os.path.basename(staged.path))
    assert left_behind(tmp_path) == []


def test_a_temporary_folder_is_gone_after_an_exception(tmp_path):
    """So is everything written into it; the old tree keeps the name."""
    storage = LocalStorage(str(tmp_path))
    save(storage, files=OLD)

    def fail():
        with storage.staged("w.orbax", ".orbax") as staged:
            fill(staged.path, NEW)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert tree(tmp_path / "w.orbax") == OLD
    assert left_behind(tmp_path) == []


def test_parts_are_not_written(tmp_path):
    """A folder is not a file."""
    storage = LocalStorage(str(tmp_path))
    with (
        storage.staged("w.orbax", ".orbax") as staged,
        pytest.raises(IsADirectoryError),
    ):
        staged.write([(b"x", None)])


@pytest.mark.parametrize("content", [{}, {"a": b"", "b/c": b""}])
def test_nothing_is_not_sealed(tmp_path, content):
    """A writer that writes no byte has failed."""
    with pytest.raises(OSError, match="wrote nothing"):
        save(LocalStorage(str(tmp_path)), files=content)
    assert files(tmp_path) == [JOURNAL]


@posix
@pytest.mark.parametrize("make", [os.mkfifo, lambda path: os.symlink("/etc", path)])
def test_what_is_no_file_is_not_sealed(tmp_path, make):
    """Neither a pipe, which would block a reader, nor a link."""
    with LocalStorage(str(tmp_path)).staged("w.orbax", ".orbax") as staged:
        fill(staged.path, NEW)
        make(os.path.join(staged.path, "0", "other"))
        with pytest.raises(NotPlain, match="neither file nor folder"):
            staged.seal()


@posix
def test_the_order_of_what_becomes_durable(tmp_path):
    """Each file, the folders from the inside out, the line, and then the name."""
    system = FaultyOS()
    save(LocalStorage(str(tmp_path), system=system), files={"0/a/b": b"x", "0/c": b"y"})

    def short(path):
        return re.sub(r"^\.model.*?\.orbax", "T", os.path.relpath(path, tmp_path))

    order = [
        (name, short(path))
        for name, path in system.calls
        if name in ("fsync", "write", "replace") and str(path).startswith(str(tmp_path))
    ]
    assert sorted(order[:2]) == [("fsync", "T/0/a/b"), ("fsync", "T/0/c")]
    assert order[2:] == [
        *[("fsync", name) for name in ("T/0/a", "T/0", "T", ".")],
        ("write", JOURNAL),
        ("fsync", JOURNAL),
        ("fsync", "."),
        ("replace", "T"),
        ("fsync", "."),
    ]


# The name


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ["w.orbax", "a/b/w.orbax"])
def test_publishing(tmp_path, name, way):
    """A tree gets its name complete; nothing of the old one stays."""
    storage = LocalStorage(str(tmp_path), 2, system=WAYS[way](os))
    save(storage, name, OLD)
    digest = save(storage, name, NEW)
    assert tree(tmp_path / name) == NEW
    assert digest_of(storage, name) == digest
    assert left_behind(tmp_path) == []


@posix
@pytest.mark.parametrize("way", WAYS)
def test_publishing_in_place_of_something_else(tmp_path, way):
    """A file is replaced, and so is a link, whose target stays."""
    storage = LocalStorage(str(tmp_path), system=WAYS[way](os))
    (tmp_path / "w.orbax").write_bytes(b"a file")
    save(storage)
    assert tree(tmp_path / "w.orbax") == NEW
    fill(tmp_path / "elsewhere", OLD)
    (tmp_path / "x.orbax").symlink_to("elsewhere")
    save(storage, "x.orbax")
    assert not (tmp_path / "x.orbax").is_symlink()
    assert tree(tmp_path / "x.orbax") == NEW
    assert tree(tmp_path / "elsewhere") == OLD
    assert left_behind(tmp_path) == []


@posix
@pytest.mark.parametrize("way", WAYS)
def test_it_is_known_whether_a_tree_has_its_name(tmp_path, way):
    """Even if the old tree has the temporary name by then."""
    storage = LocalStorage(str(tmp_path), system=WAYS[way](os))
    save(storage, files=OLD)
    with storage.staged("w.orbax", ".orbax") as staged:
        fill(staged.path, NEW)
        staged.seal()
        assert not staged.published
        staged.publish()
        assert staged.published


def test_trees_without_an_exchange_that_fails_otherwise(tmp_path):
    """Only an error that means "not supported" leads to another way."""

    class Broken(WithoutExchange):
        def exchange(self, path, second):
            raise OSError(errno.EIO, "Input/output error", path)

    save(LocalStorage(str(tmp_path)), files=OLD)
    with pytest.raises(OSError, match="Input/output error"):
        save(LocalStorage(str(tmp_path), system=Broken(os)))
    assert tree(tmp_path / "w.orbax") == OLD
    assert left_behind(tmp_path) == []

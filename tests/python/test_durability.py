"""A save on a local disk: the order of its steps, and what is left if one fails."""

from __future__ import annotations

import errno
import itertools
import os
import pathlib
import shutil

import pytest
from checkpoint_files import RECORD
from conftest import descriptors, posix
from faulty import ERRORS, FaultyOS
from local_saves import NEW, OLD, files, save, save_that_raises

from modelcheckpoint.save.commit import Commit
from modelcheckpoint.storage.base import NotFlushed
from modelcheckpoint.storage.journals import JOURNAL
from modelcheckpoint.storage.local import LocalStorage

BEFORE = {
    "a new folder": {},
    "an old file": {"w.keras": OLD, JOURNAL: b'{"old": 1}\n'},
    "a torn journal": {"w.keras": OLD, JOURNAL: b'{"old": 1}\n{"torn'},
}
NAMES = ["w.keras", "a/b/w.keras"]


def folders(tmp_path, before, name):
    """Yield folders with equal contents, each with the number of the failing call."""
    for number in itertools.count(1):
        folder = tmp_path / f"at{number}" / "checkpoints"
        for file, data in before.items():
            path = folder / (name if file == "w.keras" else file)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        yield number, folder


@posix
@pytest.mark.parametrize("error", ERRORS, ids=repr)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("before", BEFORE)
@pytest.mark.parametrize("by_keras", [True, False])
def test_any_call_may_fail(tmp_path, by_keras, before, name, error):
    """After any failing call, there is the old file or the new one, and no other."""
    wrong, open_files = [], descriptors()
    for number, folder in folders(tmp_path, BEFORE[before], name):
        system = FaultyOS(number, error)
        try:
            save(LocalStorage(str(folder), system=system), name, by_keras=by_keras)
        except type(error):
            pass
        else:
            if system.failed is None:
                break
        wrong += [
            (number, system.calls[number - 1], what)
            for what in (
                *wrong_files(
                    folder, name, BEFORE[before].get("w.keras"), system.failed
                ),
                *wrong_journal(folder, BEFORE[before].get(JOURNAL)),
            )
        ]
    assert number > 12
    assert wrong == []
    assert descriptors() == open_files


def wrong_files(folder, name, old, failed):
    """Yield what should not be there."""
    file = folder / name
    found = file.read_bytes() if file.exists() else None
    if found not in (old, NEW):
        yield "the file is torn"
    left = [path for path in folder.rglob("*.tmp*") if path.is_file()]
    if left and failed != "unlink":
        yield "a temporary file is left"


def wrong_journal(folder, old):
    """Append another line to a journal, and yield what is wrong with it."""
    folder.mkdir(parents=True, exist_ok=True)
    LocalStorage(str(folder)).append('{"next": 1}')
    lines = (folder / JOURNAL).read_bytes().splitlines()
    if lines[-1] != b'{"next": 1}':
        yield "the next line is torn"
    if old is not None and lines[0] != b'{"old": 1}':
        yield "an old line is torn"


# The order


def commit(storage):
    """Save as the callback does when Keras writes the file."""

    def write(staged):
        pathlib.Path(staged.path).write_bytes(NEW)
        return staged.seal()

    Commit(storage, RECORD.run, "w.keras", ".keras").save(RECORD, write)


@posix
@pytest.mark.parametrize("new", [True, False])
def test_the_order_of_what_becomes_durable(tmp_path, new):
    """Data, then the journal's line, then the name, then the folder."""
    if not new:
        save(LocalStorage(str(tmp_path)))
    system = FaultyOS()
    commit(LocalStorage(str(tmp_path), system=system))
    order = [
        (name, "temporary" if ".tmp" in path else os.path.basename(path))
        for name, path in system.calls
        if name in ("fsync", "write", "replace") and path.startswith(str(tmp_path))
    ]
    assert order == [
        ("fsync", "temporary"),
        ("fsync", tmp_path.name),
        ("write", JOURNAL),
        ("fsync", JOURNAL),
        *([("fsync", tmp_path.name)] if new else []),
        ("replace", "temporary"),
        ("fsync", tmp_path.name),
    ]


@posix
def test_new_folders_are_durable(tmp_path):
    """The folder above each new one is flushed before anything is written to it."""
    system = FaultyOS()
    save(LocalStorage(str(tmp_path / "a"), system=system), "b/w.keras")
    before = system.calls[: [name for name, _ in system.calls].index("write")]
    made = [p for n, p in before if n == "mkdir"]
    assert made == [str(tmp_path / "a"), str(tmp_path / "a" / "b")]
    flushed = [path for name, path in before if name == "fsync"]
    assert {str(tmp_path), str(tmp_path / "a")} <= set(flushed)
    flushed = [path for name, path in system.calls if name == "fsync"]
    assert flushed[-1] == str(tmp_path / "a" / "b")


@posix
def test_folders_of_a_run_that_was_killed_are_durable(tmp_path):
    """The folders above are flushed once, whether this run made them or not."""
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True)
    system = FaultyOS()
    storage = LocalStorage(str(folder), system=system)
    save(storage)
    flushed = [path for name, path in system.calls if name == "fsync"]
    above = [str(tmp_path / "a"), str(tmp_path), str(tmp_path.parent)]
    assert [path for path in flushed if path in above] == above
    system.calls.clear()
    save(storage)
    flushed = [path for name, path in system.calls if name == "fsync"]
    assert not set(flushed) & set(above)


@posix
def test_a_folder_that_became_a_link(tmp_path):
    """The checkpoint folder itself may be a link; links below it are not followed."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "checkpoints").symlink_to("elsewhere")
    storage = LocalStorage(str(tmp_path / "checkpoints"))
    save(storage)
    assert files(tmp_path / "elsewhere") == [JOURNAL, "w.keras"]
    (tmp_path / "checkpoints" / "b").symlink_to(tmp_path)
    with pytest.raises(OSError, match="a folder below `filepath` is a link"):
        save(storage, "b/c/w.keras")
    assert files(tmp_path) == [
        "checkpoints",
        "elsewhere",
        "elsewhere/b",
        f"elsewhere/{JOURNAL}",
        "elsewhere/w.keras",
    ]


@posix
def test_a_folder_that_somebody_deleted_is_made_again(tmp_path):
    """So are the folders above it, durably."""
    system = FaultyOS()
    storage = LocalStorage(str(tmp_path / "a" / "b"), system=system)
    save(storage)
    shutil.rmtree(tmp_path / "a")
    system.calls.clear()
    save(storage)
    flushed = [path for name, path in system.calls if name == "fsync"]
    assert {str(tmp_path), str(tmp_path / "a"), str(tmp_path / "a" / "b")} <= set(
        flushed
    )
    assert files(tmp_path / "a" / "b") == [JOURNAL, "w.keras"]


class Stubborn(FaultyOS):
    """`os`, where for a while nothing can be deleted."""

    broken = True

    def unlink(self, path):
        if self.broken:
            raise OSError(errno.EIO, "Input/output error", path)
        os.unlink(path)


def test_a_temporary_file_that_cannot_be_deleted(tmp_path):
    """It is deleted later: by the next save, or by `tidy()`."""
    system = Stubborn()
    storage = LocalStorage(str(tmp_path), system=system)
    for tidy in (storage.tidy, lambda: save(storage)):
        system.broken = True
        with pytest.raises(ValueError, match="no"):
            save_that_raises(storage, ValueError("no"))
        assert len([name for name in files(tmp_path) if ".tmp" in name]) == 1
        system.broken = False
        tidy()
        assert [name for name in files(tmp_path) if ".tmp" in name] == []


@posix
def test_a_name_that_is_not_flushed(tmp_path):
    """The file has its name but the save raises; the next save flushes the folder."""

    class Flaky(FaultyOS):
        fails = True

        def _call(self, name, function, target, *arguments):
            here = self._paths.get(target) == str(tmp_path)
            published = (tmp_path / "w.keras").exists()
            if name == "fsync" and here and published and self.fails:
                raise OSError(errno.EIO, "Input/output error")
            return super()._call(name, function, target, *arguments)

    system = Flaky()
    storage = LocalStorage(str(tmp_path), system=system)
    with pytest.raises(NotFlushed, match="Input/output error"):
        save(storage)
    assert (tmp_path / "w.keras").read_bytes() == NEW
    assert files(tmp_path) == [JOURNAL, "w.keras"]
    system.fails = False
    system.calls.clear()
    with storage.staged("x.keras", ".keras"):
        flushed = [path for name, path in system.calls if name == "fsync"]
    assert str(tmp_path) in flushed

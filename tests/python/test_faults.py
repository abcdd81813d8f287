"""Real faults in the middle of a real fit: training and the next save go on."""

from __future__ import annotations

import contextlib
import gc
import os
import shutil
import subprocess
import threading
import warnings

import numpy as np
import pytest
from conftest import descriptors, fit, make_model, tmpfs, warning_texts

from modelcheckpoint import ModelCheckpoint, SaveError, verify_checkpoints
from modelcheckpoint.formats.zip_archive import member, pack
from modelcheckpoint.storage.journals import JOURNAL

keras = pytest.importorskip("keras", minversion="3.4")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name == "nt", reason="mounts, links and limits"),
]


BREAKS, MENDED = 3, 5  # at the beginning of these epochs, from 1


@pytest.fixture
def disk(tmp_path):
    """A separate small file system for the checkpoints."""
    folder = tmp_path / "disk"
    folder.mkdir()
    with tmpfs(folder, "size=8m"):
        yield folder


def remount(folder, how):
    subprocess.run(["mount", "-o", f"remount,{how}", str(folder)], check=True)


class Full:
    """A disk without a free byte."""

    says = "No space left on device"
    needs_disk = True

    def break_(self, folder):
        with contextlib.suppress(OSError), open(folder / "filler", "wb", 0) as file:
            while True:
                file.write(b"x" * 4096)

    def mend(self, folder):
        (folder / "filler").unlink()


class ReadOnly:
    """A disk that became read-only, as Linux makes it after errors."""

    says = "Read-only file system"
    needs_disk = True

    def break_(self, folder):
        remount(folder, "ro")

    def mend(self, folder):
        remount(folder, "rw")


class Limit:
    """A limit of the process."""

    needs_disk = False

    def __init__(self, name, value, says):
        self.name, self.value, self.says = name, value, says

    def break_(self, folder):
        import resource

        self.number = getattr(resource, self.name)
        self.before = resource.getrlimit(self.number)
        resource.setrlimit(self.number, (self.value, self.before[1]))

    def mend(self, folder):
        import resource

        resource.setrlimit(self.number, self.before)


class FileInstead:
    """The folder is gone, and a file has its name."""

    says = "Not a directory"
    needs_disk = False

    def break_(self, folder):
        (folder / "in").rename(folder / "before")
        (folder / "in").write_text("in the way")

    def mend(self, folder):
        (folder / "in").unlink()
        (folder / "before").rename(folder / "in")


class JournalIs:
    """The journal is replaced by something that is not a file."""

    says = "the journal beside the checkpoints must be a file"
    needs_disk = False

    def __init__(self, make):
        self.make = make

    def break_(self, folder):
        journal = folder / "in" / JOURNAL
        journal.rename(folder / "journal")
        self.make(journal)

    def mend(self, folder):
        journal = folder / "in" / JOURNAL
        journal.rmdir() if journal.is_dir() else journal.unlink()
        (folder / "journal").rename(journal)


FAULTS = {
    "a full disk": Full(),
    "a read-only disk": ReadOnly(),
    "a limit of files' size": Limit("RLIMIT_FSIZE", 512, "File too large"),
    "a file instead of the folder": FileInstead(),
    "a journal that is a link": JournalIs(lambda path: path.symlink_to("/etc/passwd")),
    "a journal that is a folder": JournalIs(lambda path: path.mkdir()),
    "a journal that is a pipe": JournalIs(os.mkfifo),
}


class Breaker(keras.callbacks.Callback):
    """Breaks the disk for two epochs, and records the folder's contents at the end."""

    def __init__(self, fault, folder):
        super().__init__()
        self.fault, self.folder = fault, folder
        self.broken = False
        self.during = None

    def on_epoch_begin(self, epoch, logs=None):
        if epoch + 1 == BREAKS:
            self.callback.wait()
            self.fault.break_(self.folder)
            self.broken = True
        if epoch + 1 == MENDED:
            self.mend()

    def mend(self):
        if self.broken:
            self.callback.wait()
            self.broken = False
            self.fault.mend(self.folder)
            found = verify_checkpoints(self.folder / "in")
            self.during = {one.path: (one.status, one.record) for one in found}


def temporary_files(folder):
    return [path for path in folder.rglob("*.tmp*") if path.is_file()]


@pytest.fixture(scope="module")
def large():
    """A model that is written in the background, and its data."""
    model = keras.Sequential([keras.Input((900,)), keras.layers.Dense(900)])
    model.compile("sgd", "mean_squared_error")
    x = np.zeros((8, 900), "float32")
    return model, (x, x)


@pytest.mark.parametrize("size", ["small", "large"])
@pytest.mark.parametrize("name", FAULTS)
def test_training_goes_on(name, size, data, large, request, tmp_path):
    """The old file stays, path and reason are reported, and the next save succeeds."""
    fault = FAULTS[name]
    folder = request.getfixturevalue("disk") if fault.needs_disk else tmp_path
    model, data = large if size == "large" else (make_model(keras), data)
    path = folder / "in" / "w.weights.h5"
    callback = ModelCheckpoint(path, "loss", save_weights_only=True)
    breaker = Breaker(fault, folder)
    breaker.callback = callback
    opened = None

    def look(epoch, logs):
        nonlocal opened
        if epoch + 1 == BREAKS - 1:
            callback.wait()
            gc.collect()
            opened = descriptors()

    watch = keras.callbacks.LambdaCallback(on_epoch_end=look)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            fit(model, data, callback, watch, breaker, epochs=MENDED)
        finally:
            breaker.mend()
    problems = [text for text in callback.problems if "failed" in text]
    assert len(problems) == MENDED - BREAKS, callback.problems
    assert all(str(path) in text and fault.says in text for text in problems)
    assert set(problems) <= set(warning_texts(caught))
    status, record = breaker.during["w.weights.h5"]
    assert (status, record.epoch) == ("good", BREAKS - 1)
    (found,) = verify_checkpoints(folder / "in")
    assert (found.status, found.record.epoch) == ("good", MENDED)
    assert temporary_files(folder) == []
    gc.collect()
    assert descriptors() <= opened
    assert "modelcheckpoint" not in [thread.name for thread in threading.enumerate()]


def test_a_limit_of_open_files(data, tmp_path):
    """Set in the hook only: TensorFlow itself aborts if it cannot open a file."""
    limit = Limit("RLIMIT_NOFILE", 3, "Too many open files")
    callback = ModelCheckpoint(tmp_path / "w.keras", "loss")
    broken = []

    def break_(epoch, logs):
        if epoch == 1:
            broken.append(limit.break_(tmp_path))

    def mend(epoch, logs):
        if broken:
            broken.pop()
            limit.mend(tmp_path)

    around = [keras.callbacks.LambdaCallback(on_epoch_end=f) for f in (break_, mend)]
    with pytest.warns(UserWarning, match="Too many open files"):
        fit(make_model(keras), data, around[0], callback, around[1], epochs=3)
    assert len(callback.problems) == 1
    (found,) = verify_checkpoints(tmp_path)
    assert (found.status, found.record.epoch) == ("good", 3)


def test_training_stops_if_asked_to(data, disk):
    """With `on_error="raise"`; the previous file is still there."""
    path = disk / "in" / "w.weights.h5"
    callback = ModelCheckpoint(path, "loss", save_weights_only=True, on_error="raise")
    breaker = Breaker(FAULTS["a full disk"], disk)
    breaker.callback = callback
    with pytest.raises(SaveError, match="No space left on device"):
        fit(make_model(keras), data, callback, breaker, epochs=MENDED)
    breaker.mend()
    assert breaker.during["w.weights.h5"][1].epoch == BREAKS - 1
    assert temporary_files(disk) == []


@pytest.mark.parametrize("template", ["in/w.keras", "in/{epoch}/w.keras"])
def test_a_folder_that_is_deleted(template, data, tmp_path):
    """The next save creates it again."""
    callback = ModelCheckpoint(tmp_path / template, "loss")
    delete = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: (
            shutil.rmtree(tmp_path / "in") if epoch == 1 else None
        )
    )
    fit(make_model(keras), data, callback, delete, epochs=3)
    assert callback.problems == []
    assert {one.status for one in verify_checkpoints(tmp_path / "in")} == {"good"}


def test_a_name_that_becomes_too_long(data, tmp_path):
    """The first save with such a name raises an error that names the path."""
    callback = ModelCheckpoint(tmp_path / ("x" * 230 + "-{loss:.10f}.keras"), "loss")
    x, y = data
    with pytest.raises(SaveError, match=r"(?i)name too long"):  # of a loss of 1e18
        fit(make_model(keras, "mean_absolute_error"), (x, y * 1e18), callback)
    assert temporary_files(tmp_path) == []


@pytest.mark.parametrize("year", [1, 1970, 1979, 2108, 9999])
def test_a_clock_that_is_wrong(year, monkeypatch):
    """An archive stores years from 1980 to 2107; other years raise no error."""
    moment = (year, 6, 1, 12, 0, 0, 0, 152, 0)
    monkeypatch.setattr("time.localtime", lambda *given: moment)
    parts = [bytes(data) for data, _ in pack([member("config.json", b"{}")])]
    assert b"config.json" in b"".join(parts)

"""`list_checkpoints`: which checkpoints are in a folder."""

from __future__ import annotations

import math
import os
import threading
import time
from dataclasses import FrozenInstanceError, replace
from datetime import datetime, timedelta, timezone

import pytest
from checkpoint_files import abandoned_path, add_line, put, put_ten_thousand, record
from conftest import fit, in_time, make_model

from modelcheckpoint import (
    ModelCheckpoint,
    best_checkpoint,
    latest_checkpoint,
    list_checkpoints,
)
from modelcheckpoint.records import Removal
from modelcheckpoint.save.background import Background


def names(folder):
    return [one.name for one in list_checkpoints(folder)]


def test_a_real_run(tmp_path, K, data):
    """Each file is listed with its data from the journal, in the order of saving."""
    callback = ModelCheckpoint(
        tmp_path / "w.{epoch}.weights.h5", save_weights_only=True
    )
    history = fit(make_model(K), data, callback, epochs=3, validation_split=0.2).history
    (tmp_path / "w.2.weights.h5").unlink()
    one, three = list_checkpoints(tmp_path)
    assert one.path == str(tmp_path / "w.1.weights.h5")
    assert (one.name, one.status, one.epoch, one.batch) == (
        "w.1.weights.h5",
        "recorded",
        1,
        None,
    )
    assert three.value == pytest.approx(history["val_loss"][2])
    assert three.logs["loss"] == pytest.approx(history["loss"][2])
    assert (three.monitor, three.mode, three.format) == (
        "val_loss",
        "min",
        "weights.h5",
    )
    assert three.bytes == os.path.getsize(three.path)
    assert three.run == one.run
    age = datetime.now(timezone.utc) - three.time
    assert timedelta(0) <= age < timedelta(minutes=10)
    assert [one.best, three.best].count(True) == 1
    model = make_model(K)
    model.load_weights(latest_checkpoint(tmp_path))
    assert latest_checkpoint(tmp_path) == three.path
    best = min((one, three), key=lambda one: one.value)
    assert best_checkpoint(tmp_path) == best.path
    assert best.best


def test_records_are_frozen(tmp_path):
    """A record cannot be changed by accident."""
    put(tmp_path, b"x")
    (one,) = list_checkpoints(tmp_path)
    with pytest.raises(FrozenInstanceError):
        one.epoch = 2


def test_files_that_no_line_fits(tmp_path):
    """They come first, with what the files show; nothing is guessed from names."""
    put(tmp_path, b"abc", "b.weights.h5", epoch=4)
    put(tmp_path, b"abc", "model-epoch3.weights.h5")
    (tmp_path / "model-epoch3.weights.h5").write_bytes(b"changed")
    (tmp_path / "w.h5").write_bytes(b"x")
    os.utime(tmp_path / "w.h5", (10, 10))
    (tmp_path / "notes.txt").write_text("x")
    unknown, changed, recorded = list_checkpoints(tmp_path)
    assert (unknown.name, unknown.status, unknown.bytes) == ("w.h5", "unknown", 1)
    assert unknown.time == datetime(1970, 1, 1, 0, 0, 10, tzinfo=timezone.utc)
    assert (unknown.epoch, unknown.format, unknown.monitor) == (None, None, None)
    assert (changed.name, changed.status, changed.bytes) == (
        "model-epoch3.weights.h5",
        "changed",
        7,
    )
    assert (changed.epoch, changed.format, changed.crc32) == (None, "weights.h5", None)
    assert (recorded.status, recorded.epoch) == ("recorded", 4)
    assert latest_checkpoint(tmp_path) == recorded.path


def test_a_folder_that_keras_wrote(tmp_path, data):
    """Its files are listed with what they show: no epoch is guessed from a name."""
    import keras

    path = str(tmp_path / "w.{epoch:02d}-{val_loss:.2f}.keras")
    callback = keras.callbacks.ModelCheckpoint(path)
    fit(make_model(keras), data, callback, epochs=2, validation_split=0.2)
    found = list_checkpoints(tmp_path)
    assert [(one.epoch, one.status, one.format) for one in found] == [
        (None, "unknown", "keras"),
        (None, "unknown", "keras"),
    ]
    assert found[1].bytes == os.path.getsize(found[1].path)
    keras.models.load_model(latest_checkpoint(tmp_path))


def test_what_is_not_listed(tmp_path):
    """Missing and temporary files, links, and anything else with such a name."""
    gone = put(tmp_path, b"x", "gone.keras")
    (tmp_path / "gone.keras").unlink()
    add_line(tmp_path, Removal.of(gone))
    missing = put(tmp_path, b"x", "missing.keras")
    (tmp_path / missing.path).unlink()
    abandoned_path(tmp_path).write_bytes(b"x")
    (tmp_path / "folder.keras").mkdir()
    put(tmp_path, b"x", "there.keras")
    add_line(tmp_path, record(b"x", "link.keras"))
    if os.name != "nt":
        (tmp_path / "link.keras").symlink_to("there.keras")
        os.mkfifo(tmp_path / "pipe.keras")
    assert names(tmp_path) == ["there.keras"]


def test_a_line_that_names_no_checkpoint(tmp_path):
    """Other files are not checkpoints, whatever a journal says."""
    put(tmp_path, b"x", "train.py")
    assert names(tmp_path) == []


def test_folders_below(tmp_path):
    """As deep as the names in the journal."""
    put(tmp_path, b"x", "1/w.keras")
    (tmp_path / "2").mkdir()
    (tmp_path / "2" / "w.keras").write_bytes(b"xy")
    (tmp_path / "2" / "deeper").mkdir()
    (tmp_path / "2" / "deeper" / "w.keras").write_bytes(b"xy")
    assert names(tmp_path) == ["2/w.keras", "1/w.keras"]


@pytest.mark.skipif(os.name == "nt", reason="makes links")
def test_no_link_is_followed(tmp_path):
    """Neither a file nor a folder may be a link, and nothing outside is read."""
    outside, folder = tmp_path / "outside", tmp_path / "folder"
    outside.mkdir()
    folder.mkdir()
    (outside / "w.keras").write_bytes(b"x")
    for name in ("below/w.keras", "../outside/w.keras", str(outside / "w.keras")):
        add_line(folder, record(b"x", name))
    (folder / "below").symlink_to(outside)
    assert names(folder) == []
    assert latest_checkpoint(folder) is None


@pytest.mark.skipif(os.name == "nt", reason="makes links")
def test_a_folder_that_is_a_link_itself(tmp_path):
    """The user named it, so it is followed."""
    (tmp_path / "folder").mkdir()
    put(tmp_path / "folder", b"x")
    (tmp_path / "link").symlink_to("folder")
    assert names(tmp_path / "link") == ["w.weights.h5"]


def test_a_journal_with_very_deep_names(tmp_path):
    """Such a name does not crash the reader, and folders that deep are searched."""
    add_line(tmp_path, record(b"x", "a/" * 2000 + "w.keras"))
    deep = tmp_path
    for _ in range(200):
        deep = deep / "a"
        deep.mkdir()
    (deep / "w.keras").write_bytes(b"x")
    put(tmp_path, b"x")
    assert in_time(lambda: names(tmp_path)) == ["a/" * 200 + "w.keras", "w.weights.h5"]


def test_numbers_that_no_table_holds(tmp_path):
    """A foreign line with such numbers is still listed."""
    huge = {"epoch": 10**30, "samples": -1, "value": 10**400, "time": "yesterday"}
    put(tmp_path, b"x", **huge, logs={"loss": 10**400, "odd": None})
    (one,) = found = list_checkpoints(tmp_path)
    assert (one.epoch, one.samples, one.value, one.time) == (None, None, math.inf, None)
    assert one.logs["loss"] == math.inf
    assert math.isnan(one.logs["odd"])
    assert not one.best
    assert "1 checkpoint" in repr(found)
    pytest.importorskip("pandas")
    assert len(found.to_dataframe()) == 1


@pytest.mark.parametrize(
    ("written", "time"),
    [
        ("2025-01-31T12:00:00.250+00:00", datetime(2025, 1, 31, 12, 0, 0, 250_000)),
        ("2025-01-31T12:00:00", datetime(2025, 1, 31, 12)),
        ("2025-01-31T14:00:00+02:00", datetime(2025, 1, 31, 12)),
        ("0001-01-01T00:00:00+14:00", None),
        ("", None),
    ],
)
def test_times(tmp_path, written, time):
    """They are marked as UTC."""
    put(tmp_path, b"x", time=written)
    (one,) = list_checkpoints(tmp_path)
    assert one.time == (time and time.replace(tzinfo=timezone.utc))


def test_kept_aside(tmp_path):
    """A file that a later run kept under a second name keeps its place in time."""
    old = put(tmp_path, b"old", "best.keras")
    (tmp_path / "best.run-one.keras").write_bytes(b"old")
    add_line(tmp_path, replace(old, path="best.run-one.keras"))
    put(tmp_path, b"newer", "best.keras", run="two", value=0.75)
    aside, new = list_checkpoints(tmp_path)
    assert (aside.name, aside.aside, aside.best) == ("best.run-one.keras", True, True)
    assert (new.name, new.aside, new.best) == ("best.keras", False, False)


def test_saves_under_way_are_waited_for(tmp_path):
    """Only saves of this process."""
    release = threading.Event()

    def save():
        release.wait(20)
        put(tmp_path, b"x")

    background = Background()
    background.start(save)
    threading.Timer(0.2, release.set).start()
    assert names(tmp_path) == ["w.weights.h5"]


def test_a_reader_beside_a_writer(tmp_path):
    """A file never appears without its line."""
    stop = threading.Event()

    def write():
        from modelcheckpoint.storage.local import LocalStorage

        storage, number = LocalStorage(str(tmp_path)), 0
        while not stop.is_set():
            number += 1
            name = f"{number}.keras"
            with storage.staged(name, ".keras") as staged:
                staged.write([(b"x" * number, None)])
                storage.append(record(b"x" * number, name).to_line())
                staged.publish()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        end = time.monotonic() + 3
        while time.monotonic() < end:
            found = list_checkpoints(tmp_path)
            assert {one.status for one in found} <= {"recorded"}
    finally:
        stop.set()
        writer.join()


@pytest.mark.slow
def test_ten_thousand(tmp_path):
    """Listing them takes a moment, looks at each file once, and opens none."""
    put_ten_thousand(tmp_path)
    began = time.perf_counter()
    found = list_checkpoints(tmp_path)
    assert len(found) == 10_000
    assert {one.status for one in found} == {"recorded"}
    assert time.perf_counter() - began < 5  # half a second on a quiet machine


@pytest.mark.skipif(os.name == "nt", reason="files that nobody may read")
def test_no_file_is_read(tmp_path):
    """The time of a file's last access does not change."""
    put(tmp_path, b"x")
    os.utime(tmp_path / "w.weights.h5", (10, 20))
    list_checkpoints(tmp_path)
    best_checkpoint(tmp_path)
    assert os.stat(tmp_path / "w.weights.h5").st_atime == 10

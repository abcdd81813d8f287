"""`list_checkpoints`, `latest_checkpoint`, `best_checkpoint`: what is in a folder."""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
import threading
import time
from dataclasses import FrozenInstanceError, replace
from datetime import datetime, timedelta, timezone
from importlib.util import find_spec

import pytest
from conftest import before, fit, in_time, make_model
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made import RECORD, abandoned, put, record, tell, ten_thousand

from modelcheckpoint import (
    Checkpoint,
    CheckpointList,
    ModelCheckpoint,
    best_checkpoint,
    latest_checkpoint,
    list_checkpoints,
    plot_checkpoints,
    prune_checkpoints,
)
from modelcheckpoint.for_r.frames import list_frames
from modelcheckpoint.listing.checkpoint import COLUMNS
from modelcheckpoint.records import Removal
from modelcheckpoint.save.background import Background
from modelcheckpoint.storage.temporary import JOURNAL

BASE = [
    *("path", "name", "status", "epoch", "batch", "samples", "monitor", "value"),
    *("mode", "best", "format", "bytes", "crc32", "time", "run", "aside"),
]


def names(folder):
    return [one.name for one in list_checkpoints(folder)]


def test_a_real_run(tmp_path, K, data):
    """Each file is there, with what the journal says of it, in the order of saving."""
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
    """What was found cannot be changed by accident."""
    put(tmp_path, b"x")
    (one,) = list_checkpoints(tmp_path)
    with pytest.raises(FrozenInstanceError):
        one.epoch = 2


def test_files_that_no_line_fits(tmp_path):
    """They are listed with what they tell, before all others; no name is guessed at."""
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
    """It is listed as far as its files tell: no epoch is guessed from a name."""
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
    """Files that are gone, temporary ones, links, and what only has such a name."""
    gone = put(tmp_path, b"x", "gone.keras")
    (tmp_path / "gone.keras").unlink()
    tell(tmp_path, Removal.of(gone))
    missing = put(tmp_path, b"x", "missing.keras")
    (tmp_path / missing.path).unlink()
    abandoned(tmp_path).write_bytes(b"x")
    (tmp_path / "folder.keras").mkdir()
    put(tmp_path, b"x", "there.keras")
    tell(tmp_path, record(b"x", "link.keras"))
    if os.name != "nt":
        (tmp_path / "link.keras").symlink_to("there.keras")
        os.mkfifo(tmp_path / "pipe.keras")
    assert names(tmp_path) == ["there.keras"]


def test_a_line_that_names_no_checkpoint(tmp_path):
    """Other files are none, whatever a journal says."""
    put(tmp_path, b"x", "train.py")
    assert names(tmp_path) == []


def test_folders_below(tmp_path):
    """As deep as the journal's names go."""
    put(tmp_path, b"x", "1/w.keras")
    (tmp_path / "2").mkdir()
    (tmp_path / "2" / "w.keras").write_bytes(b"xy")
    (tmp_path / "2" / "deeper").mkdir()
    (tmp_path / "2" / "deeper" / "w.keras").write_bytes(b"xy")
    assert names(tmp_path) == ["2/w.keras", "1/w.keras"]


@pytest.mark.skipif(os.name == "nt", reason="makes links")
def test_no_link_is_followed(tmp_path):
    """Neither a file nor a folder may be one, nor is anything outside looked at."""
    outside, folder = tmp_path / "outside", tmp_path / "folder"
    outside.mkdir()
    folder.mkdir()
    (outside / "w.keras").write_bytes(b"x")
    for name in ("below/w.keras", "../outside/w.keras", str(outside / "w.keras")):
        tell(folder, record(b"x", name))
    (folder / "below").symlink_to(outside)
    assert names(folder) == []
    assert latest_checkpoint(folder) is None


@pytest.mark.skipif(os.name == "nt", reason="makes links")
def test_a_folder_that_is_a_link_itself(tmp_path):
    """It is what the user gave."""
    (tmp_path / "folder").mkdir()
    put(tmp_path / "folder", b"x")
    (tmp_path / "link").symlink_to("folder")
    assert names(tmp_path / "link") == ["w.weights.h5"]


def test_a_journal_with_very_deep_names(tmp_path):
    """No name makes the reader fall over, and folders that deep are looked into."""
    tell(tmp_path, record(b"x", "a/" * 2000 + "w.keras"))
    deep = tmp_path
    for _ in range(200):
        deep = deep / "a"
        deep.mkdir()
    (deep / "w.keras").write_bytes(b"x")
    put(tmp_path, b"x")
    assert in_time(lambda: names(tmp_path)) == ["a/" * 200 + "w.keras", "w.weights.h5"]


def test_numbers_that_no_table_holds(tmp_path):
    """A foreign line with them is listed all the same."""
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
    """They know that they are UTC."""
    put(tmp_path, b"x", time=written)
    (one,) = list_checkpoints(tmp_path)
    assert one.time == (time and time.replace(tzinfo=timezone.utc))


def test_kept_aside(tmp_path):
    """A file that a later run kept under a second name has its place in time."""
    old = put(tmp_path, b"old", "best.keras")
    (tmp_path / "best.run-one.keras").write_bytes(b"old")
    tell(tmp_path, replace(old, path="best.run-one.keras"))
    put(tmp_path, b"newer", "best.keras", run="two", value=0.75)
    aside, new = list_checkpoints(tmp_path)
    assert (aside.name, aside.aside, aside.best) == ("best.run-one.keras", True, True)
    assert (new.name, new.aside, new.best) == ("best.keras", False, False)


def test_saves_under_way_are_waited_for(tmp_path):
    """Those of this process."""
    release = threading.Event()

    def save():
        release.wait(20)
        put(tmp_path, b"x")

    background = Background()
    background.start(save)
    threading.Timer(0.2, release.set).start()
    assert names(tmp_path) == ["w.weights.h5"]


def test_a_reader_beside_a_writer(tmp_path):
    """A file is never seen without its line."""
    stop = threading.Event()

    def write():
        from modelcheckpoint.storage.local import LocalStorage

        storage, number = LocalStorage(str(tmp_path)), 0
        while not stop.is_set():
            number += 1
            name = f"{number}.keras"
            with storage.temporary(name, ".keras") as temporary:
                storage.write(temporary, [(b"x" * number, None)])
                storage.append(record(b"x" * number, name).to_line())
                storage.publish(temporary, name)

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


# The newest and the best


def test_none_there(tmp_path, capsys):
    """None, and a line that says so."""
    assert latest_checkpoint(tmp_path) is None
    assert best_checkpoint(tmp_path) is None
    said = capsys.readouterr().out
    assert said == f"There is no checkpoint in {str(tmp_path)!r}.\n" * 2


def test_no_best(tmp_path, capsys):
    """Where nothing has a value; the keys that there are, for a typing error."""
    put(tmp_path, b"x", value=math.nan, logs={"loss": 0.5, "val_loss": math.nan})
    assert best_checkpoint(tmp_path) is None
    assert "has a value that could be the best" in capsys.readouterr().out
    assert best_checkpoint(tmp_path, "los") is None
    assert "has a value of 'los'; there are: loss, val_loss." in capsys.readouterr().out
    assert best_checkpoint(tmp_path, "loss").endswith("w.weights.h5")


def test_the_best_by_another_metric(tmp_path):
    """Its direction is that of its name, unless it is given."""
    for epoch, (accuracy, odd) in enumerate([(0.5, 1), (0.75, 3), (0.25, 2)], 1):
        logs = {"val_accuracy": accuracy, "odd": odd}
        put(tmp_path, b"x", f"{epoch}.keras", epoch=epoch, logs=logs, value=epoch)
    assert best_checkpoint(tmp_path).endswith("1.keras")
    assert best_checkpoint(tmp_path, mode="max").endswith("3.keras")
    assert best_checkpoint(tmp_path, "val_accuracy").endswith("2.keras")
    assert best_checkpoint(tmp_path, "odd", "max").endswith("2.keras")
    with pytest.raises(ValueError, match="`mode` must be 'min' or 'max' where a name"):
        best_checkpoint(tmp_path, "odd")


def test_by_the_journal_not_by_time(tmp_path):
    """The newest is the last in the journal, whatever the clock of the files says."""
    put(tmp_path, b"x", "b.keras")
    put(tmp_path, b"xy", "a.keras")
    os.utime(tmp_path / "a.keras", (10, 10))
    assert latest_checkpoint(tmp_path).endswith("a.keras")
    (tmp_path / JOURNAL).unlink()
    assert latest_checkpoint(tmp_path).endswith("b.keras")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((3,), "`folder` must be a string or a path object, not 3"),
        ((".", ""), "`monitor` must be a non-empty string, not ''"),
        ((".", 3), "`monitor` must be a non-empty string, not 3"),
        ((".", None, "auto"), "`mode` must be 'min' or 'max', not 'auto'"),
    ],
)
def test_wrong_arguments(arguments, says):
    """An error names the argument, the rule and what came."""
    with pytest.raises(ValueError, match=says):
        best_checkpoint(*arguments)


@pytest.mark.parametrize("look", [list_checkpoints, latest_checkpoint, best_checkpoint])
def test_wrong_folders(tmp_path, look):
    """One that is not there, and a file."""
    with pytest.raises(
        FileNotFoundError, match="`folder` must be a folder that exists"
    ):
        look(tmp_path / "missing")
    with pytest.raises(NotADirectoryError, match="`folder` must be a folder"):
        look(__file__)


# As a list, as text, as a data frame


def test_it_is_a_list(tmp_path):
    """Slices stay lists of checkpoints."""
    for number in range(3):
        put(tmp_path, b"x", f"{number}.keras")
    found = list_checkpoints(tmp_path)
    assert isinstance(found, list)
    assert isinstance(found[1:], CheckpointList)
    assert (found[1:].folder, len(found[1:])) == (str(tmp_path), 2)
    assert found[-1].name == "2.keras"
    assert found == list(found)
    assert len(set(found)) == 3


def test_as_text(tmp_path):
    """A table, with a star for the best, and nothing that moves the cursor."""
    put(tmp_path, b"x" * 1500, "a.keras", value=0.5)
    put(tmp_path, b"x", "b\x1b[31m\n.keras" if os.name != "nt" else "b.keras", epoch=12)
    (tmp_path / "c.keras").write_bytes(b"x")
    os.utime(tmp_path / "c.keras", (10, 10))
    lines = repr(list_checkpoints(tmp_path)).splitlines()
    assert lines[0] == f"<3 checkpoints> {tmp_path}"
    assert [line.split()[0] for line in lines[1:]] == [
        "name",
        "?",
        "*",
        *lines[4:5][0].split()[:1],
        "*",
    ]
    assert lines[3].split() == [
        *("*", "a.keras", "1", "0.5", "1.5", "kB", "2025-01-31", "12:00:00Z"),
    ]
    assert lines[-1] == "* best by val_loss; ? not in the journal"
    assert "\x1b" not in "".join(lines)
    assert repr(CheckpointList()) == "<0 checkpoints>"


def test_as_text_of_many(tmp_path):
    """The last ones; where the best is, if it is not among them."""
    for number in range(30):
        put(tmp_path, b"x", f"{number}.keras", value=number)
    lines = repr(list_checkpoints(tmp_path)).splitlines()
    assert lines[0] == f"<30 checkpoints> {tmp_path}, and the last 20 of them"
    assert len(lines) == 23
    assert lines[-1] == "* best by val_loss: 0.keras"


def test_as_text_with_batches_and_monitors(tmp_path):
    """Columns that tell nothing are left out."""
    put(tmp_path, b"x", "a.keras", batch=3)
    assert repr(list_checkpoints(tmp_path)).splitlines()[1].split() == [
        *("name", "epoch", "batch", "val_loss", "bytes", "time"),
    ]
    put(tmp_path, b"x", "b.keras", monitor="acc")
    assert repr(list_checkpoints(tmp_path)).splitlines()[1].split() == [
        *("name", "epoch", "batch", "monitor", "value", "bytes", "time"),
    ]


def test_each_column_is_described():
    """And so is what is no column."""
    described = re.findall(r"^    (\w+): \S", Checkpoint.__doc__, re.MULTILINE)
    assert described == list(Checkpoint.__dataclass_fields__)
    assert [column.name for column in COLUMNS] == BASE


def test_as_a_data_frame(tmp_path):
    """One row for each, metrics as columns, and the same types with no rows."""
    pandas = pytest.importorskip("pandas")
    empty = list_checkpoints(tmp_path).to_dataframe()
    assert list(empty.columns) == BASE
    assert len(empty) == 0
    put(tmp_path, b"x", "a.keras", logs={"loss": 0.5, "value": 2, "logs.value": 3})
    put(tmp_path, b"xy", "b.keras", logs={"acc": 1}, samples=7, batch=2)
    (tmp_path / "c.keras").write_bytes(b"x")
    frame = list_checkpoints(tmp_path).to_dataframe()
    metrics = ["loss", "logs.value", "logs.logs.value", "acc"]
    assert list(frame.columns) == [*BASE, *metrics]
    assert dict(frame[BASE].dtypes) == dict(empty.dtypes)
    assert list(frame["name"]) == ["c.keras", "a.keras", "b.keras"]
    assert frame["epoch"].tolist()[1:] == [1, 1]
    assert frame["epoch"].isna().tolist() == [True, False, False]
    assert frame["samples"].tolist()[2] == 7
    assert frame["time"][1] == pandas.Timestamp("2025-01-31 12:00", tz="UTC")
    assert frame["loss"].tolist()[1] == 0.5
    assert frame["loss"].isna().tolist() == [True, False, True]
    assert frame["logs.value"][1] == 2


def test_without_pandas(tmp_path):
    """It says what to install."""
    (tmp_path / "pandas.py").write_text("raise ImportError")
    code = "import modelcheckpoint as m; m.list_checkpoints('.').to_dataframe()"
    environment = {**os.environ, "PYTHONPATH": before(tmp_path)}
    ended = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True
    )
    assert "needs the package 'pandas': pip install pandas" in ended.stderr


def test_ten_thousand(tmp_path):
    """Are listed in a moment, with one look at each and none into it."""
    ten_thousand(tmp_path)
    began = time.perf_counter()
    found = list_checkpoints(tmp_path)
    assert len(found) == 10_000
    assert {one.status for one in found} == {"recorded"}
    assert time.perf_counter() - began < 5  # half a second on a quiet machine


@pytest.mark.skipif(os.name == "nt", reason="files that nobody may read")
def test_no_file_is_read(tmp_path):
    """A file's time of last access stays."""
    put(tmp_path, b"x")
    os.utime(tmp_path / "w.weights.h5", (10, 20))
    list_checkpoints(tmp_path)
    best_checkpoint(tmp_path)
    assert os.stat(tmp_path / "w.weights.h5").st_atime == 10


VALUES = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=9),
    lambda inner: st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=4,
)
NUMBERS = st.floats() | st.integers() | st.sampled_from(["NaN", "-Inf", 10**400])
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "epoch": st.integers(),
        "batch": st.none() | st.integers(),
        "samples": st.none() | st.integers(),
        "logs": st.dictionaries(st.text(max_size=5), NUMBERS | VALUES, max_size=3),
        "monitor": st.text(max_size=5),
        "value": st.none() | NUMBERS,
        "mode": st.sampled_from(["min", "max", "sideways", ""]),
        "time": st.text(max_size=9) | st.datetimes().map(datetime.isoformat),
        "run": st.text(max_size=5),
        "crc32": st.text(max_size=3),
        "path": st.sampled_from(["w.keras", "w.run-one.keras", "x.h5", "a/../w.keras"]),
    },
)


@settings(
    deadline=None,
    max_examples=300,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(st.tuples(FIELDS, st.booleans()), max_size=6), st.booleans())
def test_any_journal(tmp_path_factory, drawn, plots):
    """Whatever somebody else wrote into it, it is listed, shown, drawn and pruned."""
    folder = tmp_path_factory.getbasetemp() / "any-journal"
    folder.mkdir(exist_ok=True)
    for name in ("w.keras", "w.run-one.keras", "x.h5"):
        (folder / name).write_bytes(b"x" * 6)
    lines = []
    for fields, gone in drawn:
        line = {"schema": 1, **vars(RECORD), **fields}
        lines.append(json.dumps(line))
        if gone:
            removal = {k: line[k] for k in ("schema", "bytes", "crc32", "run")}
            lines.append(json.dumps({**removal, "removed": line["path"]}))
    (folder / JOURNAL).write_text("\n".join(lines))
    found = list_checkpoints(folder)
    assert len(found) == 3
    assert repr(found).isprintable() or "\n" in repr(found)
    assert sum(one.best for one in found) <= 1
    assert latest_checkpoint(folder) == found[-1].path
    best_checkpoint(folder)
    prune_checkpoints(folder, keep_latest=1)
    list_frames(found)
    if find_spec("click"):
        from modelcheckpoint.cli.output import as_json, plain

        for one in found:
            json.dumps(plain(as_json(one)), allow_nan=False)
    if find_spec("pandas"):
        assert len(found.to_dataframe()) == 3
    if plots and find_spec("matplotlib"):
        from matplotlib.figure import Figure

        plot_checkpoints(found, ax=Figure().subplots()).figure.canvas.draw()

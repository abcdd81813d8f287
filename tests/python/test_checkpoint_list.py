"""A list of checkpoints: as a list, as text, as a data frame."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from datetime import datetime
from importlib.util import find_spec

import pytest
from checkpoint_files import RECORD, put
from conftest import python_path_with
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelcheckpoint import (
    Checkpoint,
    CheckpointList,
    best_checkpoint,
    latest_checkpoint,
    list_checkpoints,
    plot_checkpoints,
    prune_checkpoints,
)
from modelcheckpoint.for_r.frames import list_frames
from modelcheckpoint.listing.checkpoint import COLUMNS
from modelcheckpoint.records import without_nan
from modelcheckpoint.storage.journals import JOURNAL

BASE = [
    *("path", "name", "status", "epoch", "batch", "samples", "monitor", "value"),
    *("mode", "best", "format", "bytes", "crc32", "time", "run", "aside"),
]


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
    """A table with a star for the best, and nothing that moves the cursor."""
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
    """The last rows only, and a line that names the best if it is not among them."""
    for number in range(30):
        put(tmp_path, b"x", f"{number}.keras", value=number)
    lines = repr(list_checkpoints(tmp_path)).splitlines()
    assert lines[0] == f"<30 checkpoints> {tmp_path}, and the last 20 of them"
    assert len(lines) == 23
    assert lines[-1] == "* best by val_loss: 0.keras"


def test_as_text_with_batches_and_monitors(tmp_path):
    """Columns without information are left out."""
    put(tmp_path, b"x", "a.keras", batch=3)
    assert repr(list_checkpoints(tmp_path)).splitlines()[1].split() == [
        *("name", "epoch", "batch", "val_loss", "bytes", "time"),
    ]
    put(tmp_path, b"x", "b.keras", monitor="acc")
    assert repr(list_checkpoints(tmp_path)).splitlines()[1].split() == [
        *("name", "epoch", "batch", "monitor", "value", "bytes", "time"),
    ]


def test_as_html(tmp_path):
    """A notebook shows the same table as the console."""
    put(tmp_path, b"x" * 1500, "a.keras", value=0.5)
    put(tmp_path, b"x", "<b>.keras" if os.name != "nt" else "b.keras", value=1)
    found = list_checkpoints(tmp_path)
    html = found._repr_html_()
    assert f"<caption>2 checkpoints in {tmp_path}</caption>" in html
    words = re.sub(r"<[^>]*>", " ", html).split()
    told = repr(found).partition("\n")[2].replace("<b>", "&lt;b&gt;")
    assert words[-len(told.split()) :] == told.split()
    assert "<td" in found[0]._repr_html_()
    assert "<td" in found[0].record._repr_html_()


def test_as_html_of_many(tmp_path):
    """As in the console; an empty list says so."""
    assert ">0 checkpoints<" in CheckpointList()._repr_html_()
    for number in range(30):
        put(tmp_path, b"x", f"{number}.keras", value=number)
    html = list_checkpoints(tmp_path)._repr_html_()
    assert f"30 checkpoints in {tmp_path}, the last 20 of them<" in html
    assert html.count("<tr>") == 22
    assert ">* best by val_loss: 0.keras<" in html


def test_each_column_is_described():
    """The documentation also describes every field that is not a column."""
    described = re.findall(r"^    (\w+): \S", Checkpoint.__doc__, re.MULTILINE)
    assert described == list(Checkpoint.__dataclass_fields__)
    assert [column.name for column in COLUMNS] == BASE


def test_as_a_data_frame(tmp_path):
    """One row per checkpoint, metrics as columns, and the same types without rows."""
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
    """The message says what to install."""
    (tmp_path / "pandas.py").write_text("raise ImportError")
    code = "import modelcheckpoint as m; m.list_checkpoints('.').to_dataframe()"
    environment = {**os.environ, "PYTHONPATH": python_path_with(tmp_path)}
    ended = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True
    )
    assert "needs the package 'pandas': pip install pandas" in ended.stderr


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
    max_examples=300,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(st.tuples(FIELDS, st.booleans()), max_size=6), st.booleans())
@pytest.mark.slow
def test_any_journal(tmp_path_factory, drawn, plots):
    """Whatever a stranger wrote into it, it can be listed, shown, drawn and pruned."""
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
    assert all("<td" in shown._repr_html_() for shown in (found, *found))
    assert sum(one.best for one in found) <= 1
    assert latest_checkpoint(folder) == found[-1].path
    best_checkpoint(folder)
    prune_checkpoints(folder, keep_latest=1)
    list_frames(found)
    if find_spec("click"):
        from modelcheckpoint.cli.output import as_json

        for one in found:
            json.dumps(without_nan(as_json(one)), allow_nan=False)
    if find_spec("pandas"):
        assert len(found.to_dataframe()) == 3
    if plots and find_spec("matplotlib"):
        from matplotlib.figure import Figure

        plot_checkpoints(found, ax=Figure().subplots()).figure.canvas.draw()

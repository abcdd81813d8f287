"""R calls only these functions, and gets only what R can hold."""

from __future__ import annotations

import math
import os
import re
from pathlib import Path

import pytest
from checkpoint_files import put

from modelcheckpoint import for_r, list_checkpoints, verify_checkpoints
from modelcheckpoint.display.table import width_of
from modelcheckpoint.for_r.frames import list_frames, rows_of
from modelcheckpoint.for_r.records import record_values, taking_values
from modelcheckpoint.listing.plot_points import curve_of
from modelcheckpoint.records import Record

R_SOURCES = Path(__file__).parents[2] / "R"

RECORD = Record(
    path="w.keras",
    epoch=3,
    batch=None,
    samples=2**40,
    logs={"loss": math.nan, "count": 2**53, "best": math.inf},
    monitor="loss",
    value=math.nan,
    mode="min",
    best=False,
    format="keras",
    bytes=2**33,
    crc32="0badf00d",
    time="2026-01-01T00:00:00.000+00:00",
    run="r",
    template="w.keras",
    versions={"keras": "3"},
)


@pytest.fixture
def code():
    """Return the R package's code, without comments."""
    if not R_SOURCES.is_dir():
        pytest.skip("the R package is not here")
    sources = [path.read_text(encoding="utf-8") for path in R_SOURCES.glob("*.R")]
    lines = "\n".join(sources).splitlines()
    return "\n".join(line for line in lines if not line.lstrip().startswith("#"))


def test_the_names():
    """Adding or removing a name changes the R package, too."""
    assert sorted(for_r.__all__) == [
        "best_checkpoint",
        "callback",
        "column_descriptions",
        "curve",
        "fetch_checkpoint",
        "latest_checkpoint",
        "list_checkpoints",
        "list_html",
        "list_lines",
        "printed_columns",
        "prune_checkpoints",
        "restore_checkpoint",
        "take_environment",
        "verification_html",
        "verify_checkpoints",
        "wait_for_all",
    ]
    assert all(callable(getattr(for_r, name)) for name in for_r.__all__)


def test_r_calls_these_and_no_others(code):
    """R calls all of them, and nothing else."""
    assert set(re.findall(r"\bfor_r\$(\w+)", code)) - {"for_r"} == set(for_r.__all__)


def test_r_imports_this_module_and_no_other(code):
    """Except for the package itself, to see whose it is."""
    imported = re.findall(r"\bimport\w*\(\s*\"(modelcheckpoint[^\"]*)\"", code)
    assert sorted(imported) == ["modelcheckpoint", "modelcheckpoint.for_r"]
    assert re.findall(r"\bpy(thon)?\$", code) == []


def test_what_r_has_set_reaches_python(monkeypatch):
    """Variables that R has removed are removed; others stay."""
    monkeypatch.setenv("AWS_REGION", "old")
    monkeypatch.setenv("AZURE_ALLOW_HTTP", "true")
    monkeypatch.setenv("HOME_OF_OTHERS", "stays")
    for_r.take_environment({"AWS_REGION": "new", "AWS_ENDPOINT_URL": "http://host"})
    assert os.environ["AWS_REGION"] == "new"
    assert os.environ.pop("AWS_ENDPOINT_URL") == "http://host"
    assert "AZURE_ALLOW_HTTP" not in os.environ
    assert os.environ["HOME_OF_OTHERS"] == "stays"


def test_the_help_page_has_every_column():
    """It is generated from the columns' own descriptions, by `make docs`."""
    page = R_SOURCES.parent / "man" / "list_checkpoints.Rd"
    if not page.is_file():
        pytest.skip("the R package is not here")
    items = re.findall(r"\\item\{\\code\{(\w+)\}\}", page.read_text(encoding="utf-8"))
    assert items == list(for_r.column_descriptions())


def given_back(frame):
    """Return columns for R in the form in which R returns them."""
    return {
        column["name"]: {"values": column["values"], "known": column["known"]}
        for column in frame["columns"]
    }


def test_there_and_back(tmp_path):
    """A list comes back from R unchanged."""
    put(tmp_path, b"abc", "a.keras", batch=2, samples=2**40, value=math.inf)
    (tmp_path / "b.h5").write_bytes(b"x")
    found = list_checkpoints(tmp_path)
    rows = rows_of(given_back(list_frames(found)))
    assert [vars(row) for row in rows] == [
        {name: getattr(one, name) for name in vars(rows[0])} for one in found
    ]


def test_what_is_no_number_is_known(tmp_path):
    """NaN is known, and differs from R's NA."""
    put(tmp_path, b"a", "a.keras", value=math.nan)
    put(tmp_path, b"ab", "b.keras", value=None)
    value = given_back(list_frames(list_checkpoints(tmp_path)))["value"]
    assert value["known"] == [True, False]
    assert all(map(math.isnan, value["values"]))


@pytest.fixture
def bound(tmp_path):
    """Return the columns of two lists, one below the other, and their folders."""
    columns = {}
    for run in ("one", "two"):
        (tmp_path / run).mkdir()
        for n in (1, 2):
            put(tmp_path / run, b"x" * n, f"{n}.keras", value=n / 4, epoch=n, run=run)
        frame = given_back(list_frames(list_checkpoints(tmp_path / run)))
        for name, column in frame.items():
            both = columns.setdefault(name, {"values": [], "known": []})
            both["values"] += column["values"]
            both["known"] += column["known"]
    return columns, [str(tmp_path / "one"), str(tmp_path / "two")]


def test_the_text_of_two_lists(tmp_path, bound):
    """Names are relative to the folder above both, and each list has its best."""
    columns, folders = bound
    lines = for_r.list_lines(columns, folders, 3, 80)
    assert lines[:2] == [
        f"<4 checkpoints in 2 folders> {tmp_path}",
        "the last 3 of them:",
    ]
    assert [line.split()[:-4] for line in lines[2:-1]] == [
        ["name"],
        ["one/2.keras", "2", "0.5"],
        ["*", "two/1.keras", "1", "0.25"],
        ["two/2.keras", "2", "0.5"],
    ]
    assert lines[-1] == "* best by val_loss: one/1.keras"
    apart = for_r.list_lines(columns, ["/one", "/two"], 4, 80)
    assert apart[0] == "<4 checkpoints in 2 folders>"


def test_no_line_is_wider_than_the_console(tmp_path):
    """Columns are dropped first, then a long head, then names; both are named below."""
    put(tmp_path, b"x", "\u65e5\u672c\u8a9e" * 20 + ".keras", batch=3)
    put(tmp_path, b"x", "w.keras", monitor="val_top_k_categorical_accuracy")
    columns = given_back(list_frames(list_checkpoints(tmp_path)))
    lines = for_r.list_lines(columns, [str(tmp_path)], 2, 80)
    assert max(map(width_of, lines[1:])) <= 80
    assert lines[-1] == "4 more columns: batch, monitor, bytes, time"


def test_a_list_as_html(tmp_path, bound):
    """R gets the same table as Python, even of two lists."""
    html = for_r.list_html(*bound, 3)
    assert f"<caption>4 checkpoints in 2 folders below {tmp_path}, the last 3" in html
    assert "two/1.keras" in html
    found = list_checkpoints(tmp_path / "one")
    columns = given_back(list_frames(found))
    assert for_r.list_html(columns, [found.folder], 2) == found._repr_html_()


def test_verifications_as_html(tmp_path):
    """R gets Python's table, but without the folder, which R does not keep."""
    put(tmp_path, b"x", "a.keras")
    (tmp_path / "b.keras").write_bytes(b"x")
    found = verify_checkpoints(tmp_path)
    rows = [(one.path, one.status, one.reason or "") for one in found]
    html = for_r.verification_html(*map(list, zip(*rows)))
    assert html == found._repr_html_().replace(f" in {tmp_path}", "")
    assert "1 good, 1 unknown" in html


def test_the_curve_of_rows(tmp_path, bound):
    """It equals the list's curve if nothing was deleted; equal bests are shown once."""
    found = list_checkpoints(tmp_path / "one")
    points = curve_of(rows_of(given_back(list_frames(found))))
    assert points == found.curve
    frames = for_r.curve(bound[0])
    labels = frames["legend"][1]
    assert (labels["name"], labels["values"]) == (
        "label",
        ["one", "two", "kept", "best: 0.25 in epoch 1"],
    )
    assert frames["points"][-1]["values"][0] == frames["legend"][2]["values"][0]


def test_a_file_in_two_lists_is_one_point(tmp_path):
    """For example, if a folder was listed twice."""
    put(tmp_path, b"x", "w.keras")
    columns = given_back(list_frames(list_checkpoints(tmp_path)))
    rows = rows_of(columns) + rows_of(columns)
    assert len(curve_of(rows)) == 1


def test_large_whole_numbers_are_floats():
    """Numbers that can exceed 2^31 become floats of the same value, even in logs."""
    values = record_values(RECORD)
    large = [values["samples"], values["bytes"], values["logs"]["count"]]
    assert large == [2**40, 2**33, 2**53]
    assert {type(value) for value in large} == {float}


def test_the_rest_is_as_it_was():
    """Epoch and batch stay whole numbers, flags stay flags; None and NaN stay."""
    values = record_values(RECORD)
    assert (values["epoch"], type(values["epoch"])) == (3, int)
    assert values["best"] is False
    assert values["batch"] is None
    assert math.isnan(values["value"])
    assert math.isnan(values["logs"]["loss"])
    assert values["logs"]["best"] == math.inf
    left_out = {"versions", "seeds", "random", "global_seed", "states", "build"}
    left_out |= {"optimizer", "averaged", "kept_by"}
    assert list(values) == [name for name in vars(RECORD) if name not in left_out]
    assert (values["epochs_done"], type(values["epochs_done"])) == (3, int)


def test_the_function_is_called_once_with_the_values():
    """Its own error is raised unchanged."""
    told = []
    taking_values(lambda values: told.append(values["path"]))(RECORD)
    assert told == ["w.keras"]
    with pytest.raises(ZeroDivisionError):
        taking_values(lambda values: 1 / 0)(RECORD)

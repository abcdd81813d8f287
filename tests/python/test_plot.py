"""`plot_checkpoints`: what the picture shows."""

from __future__ import annotations

import math
import os
import subprocess
import sys

import pytest
from checkpoint_files import add_line, put, record
from conftest import python_path_with

from modelcheckpoint import list_checkpoints, plot_checkpoints
from modelcheckpoint.listing.plot_points import COLOURS, EARLIER
from modelcheckpoint.records import Removal


@pytest.fixture(autouse=True)
def matplotlib():
    """Draw into memory, and close all figures at the end."""
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    from matplotlib import pyplot

    yield matplotlib
    pyplot.close("all")


def save(folder, epoch, value, kept=True, **fields):
    name = f"{fields.get('run', 'one')}.{epoch}.keras"
    fields = {
        "epoch": epoch,
        "value": value,
        "time": f"2025-01-01T00:00:{epoch:02d}Z",
    } | fields
    if kept:
        return put(folder, b"x" * epoch, name, **fields)
    gone = add_line(folder, record(b"x" * epoch, name, **fields))
    add_line(folder, Removal.of(gone))
    return gone


def marks(axes, label):
    """Return the positions of the marks of a kind."""
    found = []
    for line in axes.lines:
        if line.get_marker() != {"best": "D", "not finite": "x"}.get(label, "o"):
            continue
        white = line.get_markerfacecolor() == "white"
        if label in ("kept", "gone") and white != (label == "gone"):
            continue
        found += zip(map(float, line.get_xdata()), map(float, line.get_ydata()))
    return sorted(found)


def legend(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


def drawn(axes):
    """Draw the figure, and return the texts that overlap another one."""
    figure = axes.figure
    figure.canvas.draw()
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    texts = [
        *[t for t in axes.get_xticklabels() if left <= t.get_position()[0] <= right],
        *[t for t in axes.get_yticklabels() if low <= t.get_position()[1] <= high],
        *axes.get_legend().get_texts(),
        axes.xaxis.label,
        axes.yaxis.label,
    ]
    boxes = [(t.get_text(), t.get_window_extent()) for t in texts if t.get_text()]
    whole = figure.bbox
    return [
        (one, other)
        for place, (one, box) in enumerate(boxes)
        for other, second in boxes[:place]
        if box.overlaps(second)
    ] + [one for one, box in boxes if box.x1 > whole.x1 + 1 or box.x0 < -1]


def test_what_is_kept_and_what_is_gone(tmp_path):
    """Discs and rings at epoch and value, and the best remaining checkpoint."""
    for epoch, value in enumerate([0.5, 0.25, 0.125, 0.5], 1):
        save(tmp_path, epoch, value, kept=epoch != 3)
    axes = plot_checkpoints(tmp_path)
    assert marks(axes, "kept") == [(1, 0.5), (2, 0.25), (4, 0.5)]
    assert marks(axes, "gone") == [(3, 0.125)]
    assert marks(axes, "best") == [(2, 0.25)]
    assert legend(axes) == ["kept", "deleted or replaced", "best: 0.25 in epoch 2"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("epoch", "val_loss")
    assert drawn(axes) == []


def test_a_list_that_was_made_before(tmp_path):
    """It is drawn as it was."""
    save(tmp_path, 1, 0.5)
    found = list_checkpoints(tmp_path)
    save(tmp_path, 2, 0.25)
    assert marks(plot_checkpoints(found), "kept") == [(1, 0.5)]


def test_axes_that_are_given(tmp_path):
    """They are drawn on, and returned."""
    from matplotlib import pyplot

    save(tmp_path, 1, 0.5)
    _, given = pyplot.subplots()
    assert plot_checkpoints(tmp_path, ax=given) is given
    assert len(pyplot.get_fignums()) == 1


def test_two_runs(tmp_path):
    """Each has its own line, colour and legend entry."""
    for epoch in (1, 2, 3):
        save(tmp_path, epoch, 1 / epoch, run="one")
        save(tmp_path, epoch, 2 / epoch, run="two")
    axes = plot_checkpoints(tmp_path)
    assert legend(axes)[:2] == ["one", "two"]
    lines = [line for line in axes.lines if len(line.get_xdata()) == 3]
    assert len({line.get_color() for line in lines}) == 2
    assert drawn(axes) == []


def test_many_runs(tmp_path):
    """The first runs share one colour."""
    for run in range(COLOURS + 2):
        save(tmp_path, 1, run, run=f"run {run}")
    assert legend(plot_checkpoints(tmp_path))[:COLOURS] == [
        EARLIER,
        *[f"run {run}" for run in range(3, 7)],
    ]


def test_values_that_are_no_numbers(tmp_path):
    """They are crosses at the edge, and the line has a gap there."""
    for epoch, value in enumerate([0.5, math.nan, math.inf, None, 0.25], 1):
        save(tmp_path, epoch, value)
    axes = plot_checkpoints(tmp_path)
    assert [x for x, _ in marks(axes, "not finite")] == [2, 3, 4]
    assert "no finite value" in legend(axes)
    assert axes.get_ylim()[1] < 1
    assert drawn(axes) == []


def test_no_values_at_all(tmp_path):
    """The checkpoints are still shown."""
    save(tmp_path, 1, None)
    save(tmp_path, 2, None)
    axes = plot_checkpoints(tmp_path)
    assert [x for x, _ in marks(axes, "not finite")] == [1, 2]
    assert legend(axes) == ["no finite value"]
    assert len(axes.get_yticks()) == 0


def test_one_checkpoint(tmp_path):
    """The axis has whole epochs."""
    save(tmp_path, 3, 0.5)
    axes = plot_checkpoints(tmp_path)
    assert drawn(axes) == []
    inside = [t for t in axes.get_xticks() if 2.5 <= t <= 3.5]
    assert inside == [3]


def test_200_epochs(tmp_path):
    """Nothing overlaps."""
    for epoch in range(1, 201):
        time = f"2025-01-01T00:{epoch // 60:02d}:{epoch % 60:02d}Z"
        save(tmp_path, epoch, 1 / epoch, kept=epoch > 195, time=time)
    axes = plot_checkpoints(tmp_path)
    assert len(marks(axes, "gone")) == 195
    assert drawn(axes) == []


def test_the_middle_of_an_epoch(tmp_path):
    """A save within an epoch is drawn between two epochs."""
    for epoch in (1, 2):
        for batch in (5, 10):
            name = f"{epoch}-{batch}.keras"
            put(tmp_path, b"x" * epoch * batch, name, epoch=epoch, batch=batch)
    axes = plot_checkpoints(tmp_path)
    assert [x for x, _ in marks(axes, "kept")] == [0.5, 1, 1.5, 2]


def test_another_monitor(tmp_path):
    """Only checkpoints with the newest monitor are drawn."""
    save(tmp_path, 1, 0.5)
    save(tmp_path, 2, 0.75, monitor="acc", mode="max")
    axes = plot_checkpoints(tmp_path)
    assert marks(axes, "kept") == [(2, 0.75)]
    assert axes.get_ylabel() == "acc"


def test_nothing_to_draw(tmp_path):
    """The message says so."""
    (tmp_path / "w.keras").write_bytes(b"x")
    axes = plot_checkpoints(tmp_path)
    assert [text.get_text() for text in axes.texts] == ["The journal tells of no save."]


def test_names_that_mean_something_to_matplotlib(tmp_path):
    """A monitor or a run with a dollar or an underscore is written literally."""
    save(tmp_path, 1, 0.5, monitor="$\\frac{x$", run="_a$")
    save(tmp_path, 2, 0.5, monitor="$\\frac{x$", run="$b$^")
    axes = plot_checkpoints(tmp_path)
    axes.figure.canvas.draw()
    assert len(legend(axes)) == 4


def test_without_matplotlib(tmp_path):
    """The message says what to install."""
    (tmp_path / "matplotlib.py").write_text("raise ImportError")
    code = "import modelcheckpoint as m; m.plot_checkpoints('.')"
    environment = {**os.environ, "PYTHONPATH": python_path_with(tmp_path)}
    ended = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True
    )
    assert 'pip install "modelcheckpoint[plot]"' in ended.stderr


def test_wrong_folders(tmp_path):
    """As in the other functions."""
    with pytest.raises(ValueError, match="`folder` must be a string or a path object"):
        plot_checkpoints(3)
    with pytest.raises(
        FileNotFoundError, match="`folder` must be a folder that exists"
    ):
        plot_checkpoints(tmp_path / "missing")

"""Folders as checkpoints: `list`, `latest`, `best`, `prune`, `fetch`, and the plot."""

from __future__ import annotations

import json
import os

import pytest
from conftest import run_command
from local_trees import NEW, OLD, digest_of_files, tree
from test_verify_trees import put

from modelcheckpoint import list_checkpoints, plot_checkpoints, prune_checkpoints
from modelcheckpoint.storage import storage_for

SIZES = [digest_of_files(files).bytes for files in (OLD, NEW, OLD)]


@pytest.fixture
def folder(tmp_path):
    """Three trees; the second is the best."""
    storage = storage_for(str(tmp_path))
    for epoch, (files, value) in enumerate([(OLD, 0.5), (NEW, 0.25), (OLD, 1)], 1):
        put(storage, files, f"{epoch}.orbax", epoch=epoch, value=value)
    return tmp_path


def shell(*arguments):
    """Return a command's exit status and output lines."""
    ended = run_command(*arguments)
    return ended.returncode, ended.stdout.splitlines()


def names(folder):
    return sorted(name for name in os.listdir(folder) if name.endswith(".orbax"))


def test_the_size_of_a_tree_is_that_of_its_files(folder):
    """In a list, in a data frame, and in the command."""
    found = list_checkpoints(folder)
    assert [one.bytes for one in found] == SIZES
    assert [one.format for one in found] == ["orbax"] * 3
    code, lines = shell("list", folder)
    assert [line.split()[-4:-2] for line in lines[1:4]] == [
        [f"{size / 1000:.1f}", "kB"] for size in SIZES
    ]
    assert (code, lines[4]) == (
        0,
        f"3 checkpoints, {sum(SIZES) / 1000:.1f} kB; * best by val_loss",
    )
    code, lines = shell("list", folder, "--json", "--sort", "bytes")
    assert [json.loads(line)["bytes"] for line in lines] == sorted(SIZES)


def test_a_data_frame(folder):
    pytest.importorskip("pandas")
    frame = list_checkpoints(folder).to_dataframe()
    assert list(frame["bytes"]) == SIZES
    assert list(frame["name"]) == ["1.orbax", "2.orbax", "3.orbax"]


def test_the_newest_and_the_best(folder):
    """The command prints the path of the folder."""
    pytest.importorskip("click")
    assert shell("latest", folder) == (0, [str(folder / "3.orbax")])
    assert shell("best", folder) == (0, [str(folder / "2.orbax")])


def test_verify(folder):
    """A missing folder is called a folder."""
    pytest.importorskip("rich")
    assert shell("verify", folder)[0] == 0
    (folder / "1.orbax/0/empty").write_bytes(b"x")
    (folder / "2.orbax").rename(folder / "elsewhere")
    code, lines = shell("verify", folder, "--json")
    found = {one["path"]: one for one in map(json.loads, lines)}
    statuses = {path: one["status"] for path, one in found.items()}
    assert (code, statuses) == (
        1,
        {"1.orbax": "damaged", "2.orbax": "missing", "3.orbax": "good"},
    )
    assert found["2.orbax"]["reason"] == "there is no such folder"


def test_prune(folder):
    """Trees are deleted completely, here and by the command, and nothing else is."""
    pytest.importorskip("click")
    assert [one.name for one in prune_checkpoints(folder, keep_latest=1)] == ["1.orbax"]
    assert len(names(folder)) == 3
    code, lines = shell("prune", folder, "--keep-latest", 1, "--yes")
    assert (code, lines[-1]) == (
        0,
        f"Deleted 1 of 3 checkpoints, {SIZES[0] / 1000:.1f} kB.",
    )
    assert names(folder) == ["2.orbax", "3.orbax"]
    assert sorted(os.listdir(folder)) == [*names(folder), "modelcheckpoint.jsonl"]
    assert shell("verify", folder)[0] == 0


def test_fetch(folder):
    """The command prints the path of the copy."""
    pytest.importorskip("click")
    copy = folder / "to" / "2.orbax"
    assert shell("fetch", folder / "2.orbax", folder / "to") == (0, [str(copy)])
    assert tree(copy) == NEW
    (folder / "3.orbax/0/empty").write_bytes(b"x")
    assert shell("fetch", folder / "3.orbax", folder / "to") == (1, [])
    assert os.listdir(folder / "to") == ["2.orbax"]


def test_a_plot(folder):
    """Existing trees are distinguished from deleted ones."""
    pytest.importorskip("matplotlib").use("Agg")
    prune_checkpoints(folder, keep_latest=1, dry_run=False)
    axes = plot_checkpoints(folder)
    legend = [text.get_text() for text in axes.get_legend().get_texts()]
    assert legend == ["kept", "deleted or replaced", "best: 0.25 in epoch 2"]

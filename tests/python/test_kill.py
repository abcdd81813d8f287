"""A saving process is killed at each system call in turn; the next one continues.

`strace` makes the kernel send SIGKILL when the n-th call of a kind begins.
"""

from __future__ import annotations

import concurrent.futures
import os

import pytest
from checkpoint_files import published
from local_trees import left_behind
from run_save import commit_for, save
from traced_saves import (  # noqa: F401 - _traceable is a fixture
    NEW,
    NEXT,
    OLD,
    SCENES,
    _traceable,
    calls_of,
    child,
    not_good,
)

from modelcheckpoint.journal.sweep import sweep
from modelcheckpoint.records import Record, Removal
from modelcheckpoint.results import Receipt
from modelcheckpoint.storage.journals import JOURNAL

pytest.importorskip("h5py")

pytestmark = pytest.mark.slow


# "a better tree" has no call that the scene with a dead tree lacks.
@pytest.mark.parametrize("scene", [name for name in SCENES if name != "a better tree"])
def test_killed_at_each_call(tmp_path, scene):
    """The old file or the new one; what was reported durable is there; runs go on."""
    scene = SCENES[scene]
    (tmp_path / "count").mkdir()
    calls = calls_of(scene, tmp_path / "count")
    assert calls["fsync"] >= 3
    points = [(name, n) for name, most in calls.items() for n in range(1, most + 1)]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        wrong = list(pool.map(lambda point: killed(scene, tmp_path, point), points))
    assert len(points) > 30
    assert [found for found in wrong if found] == []


def killed(scene, tmp_path, point):
    """Kill at one call, and return what is wrong afterwards."""
    name, number = point
    folder = tmp_path / f"{name}-{number}"
    folder.mkdir()
    scene.prepare(folder)
    inject = f"inject={name}:signal=SIGKILL:when={number}"
    options = ("-o", os.devnull, "-e", f"trace={name}", "-e", inject)
    said, status = child(folder, scene.job, *options)
    wrong = [*wrong_now(scene, folder / "checkpoints", durable=said == ["durable"])]
    wrong += wrong_later(scene, folder / "checkpoints")
    return [(point, status, what) for what in wrong]


def wrong_now(scene, folder, durable):
    """Yield what is wrong right after the kill."""
    known = {scene.make(value): value for value in (OLD, NEW)}
    found = {name: known.get(data) for name, data in published(folder).items()}
    if None in found.values():
        yield f"a file is neither the old nor the new one: {found}"
    if durable and found.get(scene.name) != NEW:
        yield f"what was told durable is not there: {found}"
    if scene.old and OLD not in found.values():
        yield f"the better one is lost: {found}"
    # The better file gets its second name before the line about it.
    yield from not_good(folder, but=f".run-old.{scene.name.partition('.')[2]}")


def wrong_later(scene, folder):
    """Run once more, and yield what is wrong then."""
    folder.mkdir(exist_ok=True)
    job = {**scene.job, "value": NEXT, "run": "next"}
    commit = commit_for(folder, job)
    commit.storage.check(scene.name)
    sweep(commit.storage)
    outcome = save(commit, job, scene.make(NEXT))
    if not isinstance(outcome, Receipt):
        yield f"the next save fails: {outcome}"
    found = published(folder)
    if found.get(scene.name) != scene.make(NEXT):
        yield "the next save did not come"
    if scene.old and list(found.values()).count(scene.make(OLD)) != 1:
        yield f"the better one is there not once: {list(found)}"
    if left_behind(folder):
        yield f"temporary files are left: {left_behind(folder)}"
    yield from not_good(folder)
    torn = [line for line in lines_of(folder) if not is_entry(line)]
    if len(torn) > 1 + scene.left:
        yield f"more than one line is torn: {torn}"


def lines_of(folder):
    return (folder / JOURNAL).read_bytes().splitlines()


def is_entry(line):
    return Record.from_line(line) or Removal.from_line(line)

"""Each system call of a save fails in turn, by strace, and the next save succeeds."""

from __future__ import annotations

import concurrent.futures
import itertools
import os

import pytest
from checkpoint_files import published
from local_trees import left_behind
from traced_saves import (
    NEW,
    OLD,
    SCENES,
    _traceable,  # noqa: F401 - a fixture
    attached,
    calls_of,
    not_good,
    started,
)

pytestmark = pytest.mark.slow

ERRORS = ("EIO", "ENOSPC", "ESTALE", "EINTR", "EAGAIN", "EACCES", "EDQUOT")


@pytest.mark.parametrize("name", ["a better file", "a better tree"])
def test_each_call_fails(tmp_path, name):
    """The old file or the new one, no temporary file, and the next save works."""
    scene = SCENES[name]
    (tmp_path / "count").mkdir()
    calls = calls_of(scene, tmp_path / "count")
    points = [(call, n) for call, most in calls.items() for n in range(1, most + 1)]
    points = list(zip(points, itertools.cycle(ERRORS)))
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        wrong = list(pool.map(lambda point: failed(scene, tmp_path, *point), points))
    assert len(points) > 20
    assert [found for found in wrong if found] == []


def failed(scene, tmp_path, point, error):
    """Make one call fail, save once more, and return what is wrong then."""
    call, number = point
    folder = tmp_path / f"{call}-{number}"
    folder.mkdir()
    scene.prepare(folder)
    inject = f"inject={call}:error={error}:when={number}"
    strace = ("-o", os.devnull, "-e", f"trace={call}", "-e", inject)
    with started(folder, {**scene.job, "saves": 2}) as process:
        with attached(process, *strace) as tracer:
            first = told(process)
            # Otherwise the same call of the next save would fail, too.
            tracer.terminate()
            tracer.communicate(timeout=300)
        second = told(process)
    wrong = wrong_after(scene, folder, first, second)
    return [(point, error, first, what) for what in wrong]


def told(process):
    process.stdin.write("go\n")
    process.stdin.flush()
    return process.stdout.readline().rstrip("\n")


def wrong_after(scene, folder, first, second):
    """Yield what is wrong after two saves; the first one may have failed."""
    if first != "durable" and "Error" not in first and "NotFlushed" not in first:
        yield "it does not say what went wrong"
    if second != "durable":
        yield f"the next save fails: {second}"
    found = published(folder / "checkpoints")
    known = {scene.make(value): value for value in (OLD, NEW)}
    values = {name: known.get(data) for name, data in found.items()}
    if None in values.values():
        yield f"a file is torn: {values}"
    if values.get(scene.name) != NEW:
        yield f"the new file is not there: {values}"
    if scene.old and list(values.values()).count(OLD) != 1:
        yield f"the better file is there not once: {values}"
    if left_behind(folder):
        yield f"temporary files are left: {left_behind(folder)}"
    yield from not_good(folder / "checkpoints")

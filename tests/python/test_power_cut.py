"""Power fails after each step of a save: what may then be on the disk is not torn."""

from __future__ import annotations

import os
import random
import re
import shutil

import pytest
from checkpoint_files import published
from local_trees import WithoutExchange, left_behind
from run_save import commit_for, save

from modelcheckpoint.journal import log
from modelcheckpoint.journal.sweep import sweep
from modelcheckpoint.journal.verify import Verifier
from modelcheckpoint.results import Receipt
from modelcheckpoint.storage import storage_for
from modelcheckpoint.storage.journals import JOURNAL
from modelcheckpoint.storage.names import is_tree

fcntl = pytest.importorskip("fcntl", reason="folders are flushed on POSIX only")
from power_cut import Recorder, Without, cuts, restore  # noqa: E402

pytestmark = pytest.mark.slow

SEED = int(os.environ.get("MODELCHECKPOINT_SEED", random.randrange(10**6)))
MOST = int(os.environ.get("MODELCHECKPOINT_POWER_CUTS", "64"))

SCENES = {
    "one name": ["w.keras", "w.keras"],
    "names in new folders": ["a/1.keras", "a/2.keras", "b/1.keras"],
    "a better file is kept aside": ["w.keras", "better", "w.keras", "w.keras"],
    "what a killed run made": ["killed", "a/1.keras", "w.keras"],
    "a better tree is kept aside": ["w.orbax", "better", "w.orbax"],
}

WAYS = {"as usual": lambda os: os, "no links": Without, "no exchange": WithoutExchange}
CASES = [
    (scene, way, block)
    for scene, names in SCENES.items()
    for way in WAYS
    if way != "no exchange" or is_tree(names[0])
    # A tree takes many more steps.
    for block in ([512] if is_tree(names[0]) else [512, 4096, 32])
]


def data_of(value, size):
    """Return data that differs from any other value's data in every block."""
    pieces = (b"%08d %08d " % (value, at) for at in range(size // 18 + 1))
    return b"".join(pieces)[:size]


class Run:
    """Saves into a recorded folder, and what it reported on the way."""

    def __init__(self, root, system):
        self.folder = root / "checkpoints"
        self.system = system
        self.known, self.value = {}, 100

    def save(self, names, size, keep=()):
        self.last = f"w{os.path.splitext(names[0])[1]}"
        job = {"format": "keras", "name": self.last, "run": f"run{self.value}"}
        job["template"] = f"d/{self.last}"
        job["keep"] = dict(keep)
        commit = commit_for(self.folder, {**job, "name": f"d/{self.last}"}, self.system)
        for name in names:
            # Each save is worse than the last, so an earlier run's file is kept.
            self.value += 1
            data = data_of(self.value, size)
            self.known[data] = self.value
            job = {**job, "name": name, "value": self.value}
            outcome = save(commit, job, data, self.system)
            assert isinstance(outcome, Receipt), outcome
            self.system.say("durable", name, self.value)


def recorded(root, names, system):
    """Save under names, and start another run at each `"better"`."""
    run = Run(root, system)
    if names[0] == "killed":
        names = names[1:]
        make_as_a_killed_run(run.folder, system)
    while names:
        end = names.index("better") if "better" in names else len(names)
        run.save(names[:end], size=1200)
        names = names[end + 1 :]
    return run


def make_as_a_killed_run(folder, system):
    """Make what a run makes first, without flushing it."""
    for path in (folder, folder / "a"):
        system.mkdir(str(path))
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT
    journal = system.open(str(folder / JOURNAL), flags)
    system.write(journal, b'{"torn')
    system.close(journal)


@pytest.mark.parametrize(("scene", "way", "block"), CASES)
def test_power_fails(tmp_path, scene, way, block):
    """The old file or the new one, and all that was reported durable; runs go on."""
    root = tmp_path / "disk"
    root.mkdir()
    recorder = Recorder(root)
    run = recorded(root, SCENES[scene], WAYS[way](recorder))
    wrong, states = [], 0
    for end, said, state in cuts(recorder.log, block, MOST, SEED):
        states += 1
        folder = tmp_path / "after"
        restore(state, folder)
        if way == "no exchange":  # what was moved aside gets its name back
            leave_to_a_dead_process(folder)
            sweep(storage_for(str(folder / "checkpoints"), 1))
        found = [*wrong_now(run, folder / "checkpoints", said)]
        if states % 2 == 0:
            found += wrong_later(run, folder / "checkpoints")
        wrong += [(end, recorder.log[end - 1][:2], what) for what in found]
        shutil.rmtree(folder, ignore_errors=True)
    assert wrong == [], f"MODELCHECKPOINT_SEED={SEED}"
    assert states > 15


@pytest.mark.parametrize(
    ("suffix", "block"),
    [(".keras", 512), (".keras", 4096), (".keras", 32), (".orbax", 512)],
)
def test_power_fails_while_old_ones_are_deleted(tmp_path, block, suffix):
    """The newest and the best are always there, and no deleted file is missed."""
    (tmp_path / "disk").mkdir()
    recorder = Recorder(tmp_path / "disk")
    run = Run(tmp_path / "disk", recorder)
    names = [f"{number}{suffix}" for number in range(1, 6)]
    run.save(names, size=1200, keep={"latest": 2})
    kept = [name for name in names if name[0] in "145"]
    assert sorted(published(run.folder)) == kept
    wrong = []
    for end, said, state in cuts(recorder.log, block, MOST, SEED):
        restore(state, tmp_path / "after")
        there = set(published(tmp_path / "after" / "checkpoints"))
        durable = [name for _, name, _ in said]
        missed = {*durable[:1], *durable[-1:]} - there  # the first is the best
        found = [f"{missed} are gone"] if missed else []
        if not set(published(tmp_path / "after" / "checkpoints").values()) <= set(
            run.known
        ):
            found.append("a file is torn")
        if len(there) < min(len(durable), 3):
            found.append(f"of {durable} only {there} are there")
        found += not_good(tmp_path / "after" / "checkpoints")
        wrong += [(end, recorder.log[end - 1][:2], what) for what in found]
        shutil.rmtree(tmp_path / "after", ignore_errors=True)
    assert wrong == [], f"MODELCHECKPOINT_SEED={SEED}"


def wrong_now(run, folder, said):
    """Yield what is wrong right after the power cut."""
    values = {name: run.known.get(data) for name, data in published(folder).items()}
    if None in values.values():
        yield f"a file is torn: {values}"
    durable = {name: value for _, name, value in said}
    for name, value in durable.items():
        if not (values.get(name) or 0) >= value:
            yield f"{name} was told durable with {value}, and it is {values}"
    lines = {record.value for record in log.read(storage_for(str(folder)))}
    if not {value for _, _, value in said} <= lines:
        yield f"a durable line is lost: {lines}"
    yield from not_good(folder)


def not_good(folder):
    verifier = Verifier(storage_for(str(folder)))
    for name in verifier.names() if folder.exists() else []:
        found = verifier.verify(name)
        # The better file gets its second name before the line about it.
        aside = ".run-" in name and found and found.status == "unknown"
        if found is not None and found.status != "good" and not aside:
            yield str(found)


def wrong_later(run, folder):
    """Continue with another run, and yield what is wrong then."""
    folder.mkdir(parents=True, exist_ok=True)
    before = set(published(folder).values())
    job = {"format": "keras", "name": run.last, "run": "later", "value": 10**6}
    job["template"] = f"d/{run.last}"
    commit = commit_for(folder, {**job, "name": f"d/{run.last}"})
    commit.storage.check(run.last)
    leave_to_a_dead_process(folder)
    sweep(commit.storage)
    data = data_of(10**6, 1200)
    outcome = save(commit, job, data)
    if not isinstance(outcome, Receipt):
        yield f"the next save fails: {outcome}"
    after = published(folder)
    if after.get(run.last) != data:
        yield "the next save did not come"
    if not before <= set(after.values()):
        yield f"a better file is lost: {list(after)}"
    if len(set(after.values())) != len(after):
        yield f"a file is there twice: {list(after)}"
    if left_behind(folder):
        yield f"temporary files are left: {left_behind(folder)}"
    yield from not_good(folder)


def leave_to_a_dead_process(folder):
    # After a power cut, the process that wrote them is gone.
    for path in list(folder.rglob(".modelcheckpoint-*.tmp*")):
        dead = re.sub(rf"-{os.getpid()}-", "-999999999-", path.name)
        path.rename(path.with_name(dead))


def test_a_disk_that_forgets_is_noticed(tmp_path):
    """If the data were not flushed before the name, this test would find it."""

    class Forgetful(Recorder):
        def fsync(self, file):
            if not os.path.isdir(f"/proc/self/fd/{file}"):
                return
            super().fsync(file)

    root = tmp_path / "disk"
    root.mkdir()
    recorder = Forgetful(root)
    run = recorded(root, ["w.keras", "w.keras"], recorder)
    wrong = []
    for _, said, state in cuts(recorder.log, 4096, MOST, SEED):
        restore(state, tmp_path / "after")
        wrong += wrong_now(run, tmp_path / "after" / "checkpoints", said)
        shutil.rmtree(tmp_path / "after", ignore_errors=True)
    assert any("torn" in what for what in wrong)

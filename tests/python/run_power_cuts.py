"""Trains on real file systems, and cuts the power; run it with `file_systems.alone`.

    run_power_cuts.py FOLDER

FOLDER is an empty folder to work in. Each line that it reads is a job in JSON, with
`file_system`, `scene`, `fault` (or empty), `twice`, `cuts`, `seed`. The scene is
trained on a disk that logs what it is given; if `twice`, that training is cut, and the
log is from another one that resumes it. Then, for each cut, the disk is set to a state
that is possible after a part of the log; the kernel mounts it, and
`run_power_cut_check.py` checks it. Each answer is a line of JSON: how many `cuts` there
were and how many of them were `bad`, by when they were made, and what is `wrong`.
`refused` says why nothing was tried.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import random
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

from file_systems import make, mounted, unmount
from keras_process import KerasProcess, preload_orbax
from power_cut_log import Platter, marks_in, read_log
from power_cut_scenes import SCENES, broken

SHARES = (0.5, 0.0, 1.0, 0.1, 0.9)
"""How much of what was not flushed is there after a cut, used in turn."""


class Refused(Exception):
    """This machine cannot mount a file system on a FUSE disk."""


@contextlib.contextmanager
def disk(folder, image, log):
    """Run a disk that logs, in a folder."""
    folder.mkdir()
    script = str(Path(__file__).with_name("power_cut_disk.py"))
    command = [sys.executable, script, str(folder), str(image), str(log)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        while not (folder / "disk").exists():
            if server.poll() is not None:
                raise OSError(f"the disk ended with status {server.returncode}")
            time.sleep(0.01)
        yield
        unmount(folder)
        server.wait(60)
    finally:
        server.kill()
        server.wait()


def trained(place, job, first=None):
    """Train a scene on a new disk; return the image before it, and the log.

    Args:
        place: A new folder for both.
        job: Says what is trained.
        first: What a power cut has left of an earlier training, which is resumed.
    """
    image, before, log = place / "image", place / "before", place / "log"
    folder, fuse = place / "trained", place / "fuse"
    folder.mkdir(parents=True)
    with contextlib.ExitStack() as stack:
        try:
            if first is None:
                make(job["file_system"], before)
            else:
                first.rename(before)
            subprocess.run(["cp", "--sparse=auto", before, image], check=True)
            stack.enter_context(disk(fuse, image, log))
            stack.enter_context(mounted(job["file_system"], fuse / "disk", folder))
        except (OSError, subprocess.CalledProcessError) as error:
            raise Refused(f"{error} {getattr(error, 'stderr', '')}") from error
        train(folder, fuse / "marks", job, "resume" if first else "")
    image.unlink()
    return before, log


def train(folder, marks, job, resume):
    process = KerasProcess(
        "run_power_cut_training.py", folder, marks, job["scene"], job["fault"], resume
    )
    said, errors = process.communicate()
    if process.returncode:
        raise RuntimeError(f"training failed: {said}{errors}")


def trained_twice(root, job, chance):
    """Train, cut, and resume; return image and log of the latter, and earlier marks.

    Those are the marks of the first training before the cut, and those after it.
    """
    before, log = trained(root / "first", job)
    entries = read_log(log)
    marks = marks_in(log, entries)
    pruning = next(number for number, mark in marks if mark["what"] == "pruning")
    end = chance.randint(marks[0][0], pruning - 1)
    share = chance.choice(SHARES)
    Platter(before, log, entries).cut(end, share, chance, root / "left")
    log.unlink()
    said = [mark for number, mark in marks if number <= end]
    later = [mark for number, mark in marks if number > end]
    return *trained(root / "second", job, root / "left"), said, later


def moments(entries, marks, count, chance):
    """Return `count` cuts, in order: after how many entries, what is left, and why.

    In turn: just after something was reported, when nothing may be missing although all
    that was not flushed is lost; at any moment; and during pruning.
    """
    reports = [number for number, mark in marks if mark["what"] == "saved"]
    pruning = [number for number, mark in marks if mark["what"].startswith("prun")]
    start, end = (min(pruning), max(pruning)) if pruning else (1, len(entries))
    shares = itertools.cycle(SHARES)
    ways = itertools.cycle(
        (
            lambda: (chance.choice(reports), 0.0, "reported"),
            lambda: (chance.randint(1, len(entries)), next(shares), "anywhere"),
            lambda: (chance.choice(reports), 0.0, "reported"),
            lambda: (chance.randint(start, end), next(shares), "pruning"),
        )
    )
    return sorted(next(ways)() for _ in range(count))


class Checker:
    """A process that checks folders."""

    def __init__(self):
        self._process = KerasProcess("run_power_cut_check.py")

    def ask(self, **job):
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the check died: {self._process.communicate()[1]}")
        return json.loads(line)


def cut(root, job, checker):
    """Cut the power as often as a job requests, and return what was found."""
    chance = random.Random(job["seed"])
    if job["twice"]:
        before, log, said, later = trained_twice(root, job, chance)
    else:
        before, log, said, later = *trained(root / "first", job), [], []
    entries = read_log(log)
    marks = marks_in(log, entries)
    platter = Platter(before, log, entries)
    savers = itertools.cycle(SCENES[job["scene"]].savers)
    wrong, cuts, bad = [], Counter(), Counter()
    for end, share, why in moments(entries, marks, job["cuts"], chance):
        platter.cut(end, share, chance, root / "after")
        key = None if job["scene"] == "Keras' own callback" else next(savers)
        known = said + [mark for number, mark in marks if number <= end]
        coming = later + [mark for number, mark in marks if number > end]
        problems = [*look(root, job, checker, key, known, coming)]
        wrong += [f"after {end} of {len(entries)}, {share}: {p}" for p in problems]
        cuts[why] += 1
        bad[why] += bool(problems)
    return {"cuts": cuts, "bad": bad, "wrong": wrong}


def look(root, job, checker, key, said, later):
    """Mount what a cut has left, and yield what is wrong with it."""
    folder = root / "mounted"
    folder.mkdir(exist_ok=True)
    with mounted(job["file_system"], root / "after", folder):
        path = str(folder / "checkpoints")
        told = checker.ask(folder=path, scene=job["scene"], callback=key)
    yield from told["wrong"]
    found = {name: tuple(digest) for name, digest in told["found"].items()}
    yield from broken(SCENES[job["scene"]], said, later, found)
    if key is not None and not any(mark["what"] == "pruning" for mark in said):
        saved = [m["moment"] for m in said if m.get("callback") == key]
        if saved and (told["resumed"] or 0) < max(saved):
            yield f"{key} resumed from {told['resumed']}, and {max(saved)} was reported"


def work(folder):
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", folder], check=True)
    os.environ["TMPDIR"] = tempfile.tempdir = folder
    preload_orbax()
    checker = Checker()
    for line in sys.stdin:
        job = json.loads(line)
        with tempfile.TemporaryDirectory() as root:
            try:
                told = cut(Path(root), job, checker)
            except Refused as error:
                told = {"refused": str(error)}
        print(json.dumps(told), flush=True)


if __name__ == "__main__":
    try:
        work(sys.argv[1])
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(1)  # this also ends all other processes and mounts

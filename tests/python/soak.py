"""Kill real trainings at random moments, and check what is left.

    soak.py [--kills 300] [--seed N] [--jobs 3] [--state FOLDER]

It trains into several folders, each again and again, each time until a kill. After
every kill each file must match its line in the journal, and what was reported durable
must be there. The next training, in which Keras loads all files, must go on.

With `--state` it may take several sittings: the same command continues where the last
one was stopped. The folder then holds the counts, the summary by kind as `soak.md`, and
a copy of each folder in which something was wrong.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import itertools
import json
import os
import random
import signal
import sys
import tempfile
import threading
import time
from importlib.util import find_spec
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2] / "python"
if PACKAGE.exists():
    sys.path.insert(0, str(PACKAGE))
    os.environ.setdefault("PYTHONPATH", str(PACKAGE))

from keras_process import KerasProcess, preload_orbax  # noqa: E402
from soak_tally import LONGEST, Tally  # noqa: E402

from modelcheckpoint import verify_checkpoints  # noqa: E402

SMALL, LARGE = 20, 1600  # the second is written while training goes on
FORMATS = {".keras": False, ".weights.h5": True, ".h5": False, ".hdf5": True}
TREE = ".orbax"
WAYS = {
    "best": {"best": True},
    "{slot:.0f}": {},
    "{slot:.0f}/w": {"resume": True},
    "{moment:.0f}": {"resume": True, "keep_latest": 2},
}
"""How to train, by the name of the file: a fixed name, a few, and ever new ones."""

ROUND, FOLDERS = 320, 20
"""After so many kills, so many folders are replaced by new ones: a journal that grows
for hours shows less."""


def jobs():
    """Yield everything that a folder can be trained with."""
    formats = {**FORMATS, **({TREE: False} if find_spec("orbax") else {})}
    sizes, freqs = (SMALL, LARGE), ("epoch", 4, 12)
    every = itertools.product(formats, WAYS, (True, False), sizes, freqs)
    for suffix, name, background, width, freq in every:
        if suffix != TREE or "{" in name:  # a tree must have a field
            yield {
                "name": name + suffix,
                "weights_only": formats[suffix],
                "background": background,
                "width": width,
                "best": False,
                "save_freq": freq,
                **WAYS[name],
            }


class Folder:
    """A folder that is trained into, and what was found wrong with it.

    Args:
        path: Of the folder, or its address in a store.
        job: What it is trained with; see `run_training.py`.
        environment: More variables of the process that trains.
        longest: The seconds within which it is killed.
    """

    def __init__(self, path, job, environment=None, longest=1.5):
        self.path, self.job, self._longest = str(path), job, longest
        self._environment = environment
        self.durable = {}
        self.kills = self.loaded = 0
        self.wrong = []

    def kill(self, chance):
        """Train until a random moment, kill, and check what is left."""
        process = KerasProcess(
            "run_training.py",
            self.path,
            json.dumps(self.job),
            environment=self._environment,
        )
        # The first save takes seconds if Keras imports TensorFlow for it; if all kills
        # were timed from there, none might come after a second save.
        alive = self._follow(process, until=chance.choice(["saving", "durable"]))
        if alive:
            # Squared, as the first saves are special: early kills are more likely.
            time.sleep(self._longest * chance.random() ** 2)
            process.kill()
            self._follow(process, until=None)
        _, errors = process.communicate()
        if not alive:
            self.wrong.append(f"it does not start: {errors[-2000:]}")
        self.kills += 1
        self.wrong += self._look()

    def _follow(self, process, until):
        for line in process.stdout:
            word, *rest = line.split() or [""]
            if word == "whole":
                self.loaded += int(rest[0])
            if word == "resumed":
                self.wrong += self._not_resumed(rest)
            if word == "durable" and line.endswith("\n"):
                self.durable[rest[0]] = float(rest[1])
            if word == until:
                return True
        return False

    def _look(self):
        found = {one.path: one for one in verify_checkpoints(self.path)}
        for one in found.values():
            if one.status != "good" and not is_half_done(one):
                yield f"{one.status}: {one.path}: {one.reason}"
        for name, value in self._stays():
            one = found.get(name)
            if one is None or one.status != "good" or one.record.value < value:
                yield f"{name} was reported durable with {value}; now there is {one}"

    def _stays(self):
        """Return the names and values that were reported durable and must be there."""
        saved = sorted(self.durable.items(), key=lambda item: item[1])
        return saved[-1:] if self.job.get("keep_latest") else saved

    def _not_resumed(self, values):
        newest = max(self.durable.values(), default=None)
        if newest is not None and (not values or float(values[0]) < newest):
            yield f"resumed from {values}, but {newest} was reported durable"


def is_half_done(one):
    """Return whether a save was only killed halfway, so that nothing is wrong.

    A second name comes before its line in the journal; an upload comes after its line.
    """
    aside = ".run-" in one.path
    return one.status == "unknown" and (aside or "before the upload did" in one.reason)


def soak(folders, kills, chance, workers=2, say=print, ended=None, stop=None):
    """Kill `kills` times, equally often in each folder, with `workers` at once.

    `ended` is called with the folder after each kill, by one thread at a time. Once the
    event `stop` is set, no kill counts any more: Ctrl-C also reaches the trainings.
    """
    stop = stop or threading.Event()
    turns = [(folders[n % len(folders)], chance.random()) for n in range(kills)]
    shares = [
        [turn for turn in turns if folders.index(turn[0]) % workers == number]
        for number in range(workers)
    ]
    done, lock = itertools.count(1), threading.Lock()

    def work(share):
        for folder, number in share:
            folder.kill(random.Random(number))
            if stop.is_set():
                return
            with lock:
                if ended is not None:
                    ended(folder)
            say(f"{next(done)} of {kills} kills, {folder.job['name']}", *folder.wrong)

    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        list(pool.map(work, shares))


def folders_in(root, count, chance):
    """Return `count` folders to train into, each with a different job."""
    some = enumerate(chance.sample(list(jobs()), count))
    return [Folder(root / str(n), job, longest=LONGEST) for n, job in some]


def kind_of(job):
    """Return what is saved, and how, in words."""
    way = "in the background" if job["background"] else "while training waits"
    return f"`{job['name']}`, {way}"


def sitting(tally, where, jobs, stop, say=print):
    """Kill until there are as many kills as wanted; keep the tally in a folder."""
    where.mkdir(parents=True, exist_ok=True)
    begun, before = time.monotonic(), tally.seconds
    tally.sittings += 1
    seen = {}

    def ended(folder):
        loaded, wrong = seen.get(folder, (0, 0))
        new = folder.wrong[wrong:]
        count = folder.loaded - loaded
        tally.add(kind_of(folder.job), count, new, folder.path, where)
        seen[folder] = folder.loaded, len(folder.wrong)
        tally.seconds = before + time.monotonic() - begun
        tally.keep(where / "state.json")

    while tally.done < tally.wanted and not stop.is_set():
        chance = random.Random(f"{tally.seed} {tally.done}")
        kills = min(ROUND, tally.wanted - tally.done)
        with tempfile.TemporaryDirectory() as root:
            folders = folders_in(Path(root), min(kills, FOLDERS), chance)
            soak(folders, kills, chance, jobs, say, ended, stop)
        say(f"{tally.done} of {tally.wanted} kills, {len(tally.wrong)} problems")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--jobs", type=int, default=3, help="processes at once")
    parser.add_argument("--state", type=Path, help="folder of counts and findings")
    options = parser.parse_args()
    preload_orbax()
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    where = options.state or Path(tempfile.mkdtemp())
    tally = Tally.continued(where / "state.json", options.kills, options.seed)
    print(f"seed {tally.seed}, {tally.done} kills so far, findings in {where}")
    sitting(tally, where, options.jobs, stop)
    (where / "soak.md").write_text(tally.report(), "utf-8")
    print(tally.report())
    if tally.done < tally.wanted:
        print("Stopped; the same command continues.")
    sys.exit(bool(tally.wrong) or tally.done < tally.wanted)


if __name__ == "__main__":
    main()

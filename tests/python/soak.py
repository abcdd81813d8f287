"""Kill real trainings at random moments, and look what is there.

    soak.py [--kills 300] [--seed N] [--jobs 2]

Several folders are trained into, each again and again, each time until it is killed.
After every kill each file must be as its line in the journal says, what was told
durable must be there, and the next training, which has Keras load all, must go on.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import itertools
import json
import os
import random
import sys
import tempfile
import time
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2] / "python"
if PACKAGE.exists():
    sys.path.insert(0, str(PACKAGE))
    os.environ.setdefault("PYTHONPATH", str(PACKAGE))

from keras_process import KerasProcess  # noqa: E402

from modelcheckpoint import verify_checkpoints  # noqa: E402

SMALL, LARGE = 20, 1600  # the second is written while training goes on
FORMATS = {".keras": False, ".weights.h5": True, ".h5": False, ".hdf5": True}
LONGEST = 1.5


def jobs():
    """Return what each folder is trained with: format, background, size, and when."""
    ways = itertools.product(FORMATS.items(), (True, False), (SMALL, LARGE))
    names = itertools.cycle(["best", "{slot:.0f}", "{slot:.0f}/w"])
    freqs = itertools.cycle(["epoch", "epoch", 4, 12])
    for (suffix, weights_only), background, width in ways:
        name = next(names)
        yield {
            "name": name + suffix,
            "weights_only": weights_only,
            "background": background,
            "width": width,
            "best": name == "best",
            "save_freq": next(freqs),
        }


class Folder:
    """A folder that is trained into, and what was found wrong with it.

    Args:
        path: Of the folder, or its address in a store.
        job: What it is trained with; see `run_training.py`.
        environment: More variables of the process that trains.
    """

    def __init__(self, path, job, environment=None):
        self.path, self.job = str(path), job
        self._environment = environment
        self.durable = {}
        self.kills = self.loaded = 0
        self.wrong = []

    def kill(self, chance):
        """Train until a random moment, kill, and look."""
        process = KerasProcess(
            "run_training.py",
            self.path,
            json.dumps(self.job),
            environment=self._environment,
        )
        # The first save takes seconds where Keras imports TensorFlow for it, and
        # kills from there alone might never come to a second.
        alive = self._follow(process, until=chance.choice(["saving", "durable"]))
        if alive:
            # Small moments as often as large ones: the first saves are special.
            time.sleep(LONGEST * chance.random() ** 2)
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
                yield f"{name} was told durable with {value}, and there is {one}"

    def _stays(self):
        """Return the names and values of what was told durable and is to be there."""
        saved = sorted(self.durable.items(), key=lambda item: item[1])
        return saved[-1:] if self.job.get("keep_latest") else saved

    def _not_resumed(self, values):
        newest = max(self.durable.values(), default=None)
        if newest is not None and (not values or float(values[0]) < newest):
            yield f"resumed from {values}, and {newest} was told durable"


def is_half_done(one):
    """Return whether a save was killed in between, so that nothing is wrong.

    A second name comes before its line in the journal; an upload comes after it.
    """
    aside = ".run-" in one.path
    return one.status == "unknown" and (aside or "before the upload did" in one.reason)


def soak(folders, kills, chance, workers=2, say=print):
    """Kill so many times, in each folder as often, as many at once as workers."""
    turns = [(folders[n % len(folders)], chance.random()) for n in range(kills)]
    shares = [
        [turn for turn in turns if folders.index(turn[0]) % workers == number]
        for number in range(workers)
    ]
    done = itertools.count(1)

    def work(share):
        for folder, number in share:
            folder.kill(random.Random(number))
            say(f"{next(done)} of {kills} kills, {folder.job['name']}", *folder.wrong)

    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        list(pool.map(work, shares))


def folders_in(root, count, chance):
    """Return so many folders to be trained into, each with another job."""
    every = list(jobs())
    chance.shuffle(every)
    return [Folder(root / str(n), job) for n, job in enumerate(every[:count])]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--jobs", type=int, default=2, help="processes at once")
    options = parser.parse_args()
    print(f"seed {options.seed}")
    chance = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as root:
        folders = folders_in(Path(root), options.kills, chance)
        soak(folders, options.kills, chance, options.jobs)
    wrong = [what for folder in folders for what in folder.wrong]
    loaded = sum(folder.loaded for folder in folders)
    kills = sum(folder.kills for folder in folders)
    print(
        f"{kills} kills, {loaded} files loaded, {len(wrong)} problems", *wrong, sep="\n"
    )
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()

"""Checks what a power cut has left, and continues training there.

    run_power_cut_check.py

Each line that it reads is a job in JSON: `folder`, where a checkpoint folder may be;
`scene`; `callback`, the one that a new training resumes with, or null for none. Each
answer is one line of JSON: the digest of each file that has a final name in `found`,
and what is wrong in `wrong`; `resumed` is the moment from which training continued.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
import traceback
from pathlib import Path

import keras
import numpy as np
from click.testing import CliRunner
from power_cut_scenes import SCENES
from run_power_cut_training import Moment, compiled, digests, fit, saving

from modelcheckpoint.cli import command

LATER = 10**6
"""A moment later than any that was trained before the cut."""


class Start(keras.callbacks.Callback):
    """Checks what a training resumes from."""

    def __init__(self, callback):
        super().__init__()
        self.callback, self.resumed, self.wrong = callback, None, []

    def on_train_begin(self, logs=None):
        restored = self.callback.restored
        if restored is not None:
            self.resumed = restored.record.logs["moment"]
            for array in self.model.get_weights():
                if not np.all(array == self.resumed):
                    self.wrong.append(f"{restored.path} holds {np.unique(array)}")


def verify(folder):
    """Yield what `modelcheckpoint verify` prints, unless its status is 0."""
    done = CliRunner().invoke(command, ["verify", str(folder)])
    if done.exit_code or done.exception:
        yield f"verify: {done.exit_code} {done.exception!r} {done.output}"


def go_on(model, folder, scene, key):
    """Resume, and save once more; return what was resumed, and what is wrong."""
    saved, saver = [], scene.savers[key]
    callback = saving(folder, saver, saved.append, resume=True)
    start = Start(callback)
    # Better than all before, so that it is saved.
    fit(model, [Moment((0.0,), LATER), callback, start])
    wrong = [*start.wrong, *verify(folder)]
    if not saved:
        wrong.append(f"nothing was saved after resuming: {callback.problems}")
    # Only next to its own files: what is deeper belongs to others.
    left = [path.name for path in (folder / saver.name).parent.glob(".*.tmp*")]
    if left:
        wrong.append(f"temporary files are left: {left}")
    return start.resumed, wrong


def answer(job, models):
    """Return what was found."""
    folder, scene = Path(job["folder"]), SCENES[job["scene"]]
    there = folder.exists()
    told = {"found": digests(folder) if there else {}, "resumed": None, "wrong": []}
    if job["callback"] is None:
        return told
    if there:
        told["wrong"] += verify(folder)
    if scene.width not in models:
        models[scene.width] = compiled(scene.width)
    model = models[scene.width]
    told["resumed"], wrong = go_on(model, folder, scene, job["callback"])
    told["wrong"] += wrong
    return told


def main():
    models = {}
    for line in sys.stdin:
        said = io.StringIO()
        try:
            with contextlib.redirect_stdout(said):
                told = answer(json.loads(line), models)
        except Exception:
            problem = f"{said.getvalue()}{traceback.format_exc()}"
            told = {"found": {}, "resumed": None, "wrong": [problem]}
        print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()

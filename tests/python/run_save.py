"""Saves one prepared file, as the callback does, and without Keras.

    run_save.py FOLDER JOB

JOB, in JSON: `image`, the path of the file's contents; `name`, `format`, `value`,
`run`, `parts`, `keep`; `sweep`, whether to sweep the folder as well; `saves`, how
often. It says "ready", waits for a line before each save, and says "durable" once the
file is, or what went wrong. test_kill.py kills it at each system call in turn,
test_injected.py has each of them fail.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from modelcheckpoint.decide.plan import Moment, Order
from modelcheckpoint.decide.retention import Keep
from modelcheckpoint.formats import format_of
from modelcheckpoint.formats.snapshot import Snapshot
from modelcheckpoint.journal.sweep import sweep
from modelcheckpoint.save.pipeline import Pipeline, Receipt, Run
from modelcheckpoint.storage.local import LocalStorage


def pipeline_for(folder, job, system=os):
    """Return a pipeline as one run of the callback has it."""
    storage = LocalStorage(str(folder), job["name"].count("/"), system=system)
    format = format_of(job["name"], job["name"], job["format"] in WEIGHTS)
    run = Run(job["run"], job["name"], "loss", True, {})
    keep = Keep(**job.get("keep", {}))
    return Pipeline(storage, format, run, job.get("background", True), keep)


WEIGHTS = ("weights.h5", "hdf5-weights")


def save(pipeline, job, data):
    """Save, wait for it, and return what came of it."""
    size = -(-len(data) // job.get("parts", 1))
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    snapshot = Snapshot(len(data), 1, lambda: ((piece, None) for piece in pieces))
    moment = Moment(1, None, None, {"loss": job["value"]})
    order = Order(moment, job["name"], (), job["value"], True, None)
    pipeline.save_snapshot(snapshot, order, "min", at_once=False)
    outcome = pipeline.outcome(wait=True)
    pipeline.forget()
    return outcome


def main():
    folder, job = sys.argv[1], json.loads(sys.argv[2])
    data = Path(job["image"]).read_bytes()
    pipeline = pipeline_for(folder, job)
    say("ready")
    for number in range(job.get("saves", 1)):
        sys.stdin.readline()
        if number == 0 and job.get("sweep"):
            pipeline.storage.check(job["name"])
            sweep(pipeline.storage)
        outcome = save(pipeline, job, data)
        say("durable" if isinstance(outcome, Receipt) else repr(outcome.error))


def say(text):
    try:
        os.write(1, f"{text}\n".encode())
    except OSError:  # this, too, is a call that a test has fail, once
        os.write(1, f"{text}\n".encode())


if __name__ == "__main__":
    main()

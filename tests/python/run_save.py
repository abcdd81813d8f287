"""Saves one prepared file, as the callback does, but without Keras.

    run_save.py FOLDER JOB

FOLDER is a path or an address. JOB, in JSON: `image`, the path of the file's contents;
`name`, `format`, `value`, `run`, `parts`, `keep`; `sweep`, whether to sweep the folder
as well; `saves`, how often. It prints "ready", waits for a line before each save, and
prints "durable" once the file is, or what went wrong. test_kill.py kills it at each
system call in turn, test_injected.py makes each of them fail.
"""

from __future__ import annotations

import json
import os
import sys
from datetime import datetime, timezone
from pathlib import Path

from local_trees import fill, split

from modelcheckpoint.addresses import is_address
from modelcheckpoint.decide.retention import Keep
from modelcheckpoint.journal.sweep import sweep
from modelcheckpoint.records import Record
from modelcheckpoint.results import Receipt
from modelcheckpoint.save.commit import Commit
from modelcheckpoint.storage import storage_for
from modelcheckpoint.storage.local import LocalStorage
from modelcheckpoint.storage.names import is_tree


def commit_for(folder, job, system=os):
    """Return a commit for the checkpoints of one run, as in the callback."""
    depth = job["name"].count("/")
    if is_address(str(folder)):
        storage = storage_for(str(folder), depth)
    else:
        storage = LocalStorage(str(folder), depth, system=system)
    suffix = "." + job["name"].partition(".")[2]
    keep = Keep(**job.get("keep", {}))
    return Commit(
        storage, job["run"], job["name"], suffix, save_best_only=True, keep=keep
    )


def save(commit, job, data, system=os):
    """Save, and return the receipt, or what went wrong."""
    size = -(-len(data) // job.get("parts", 1))
    pieces = [data[at : at + size] for at in range(0, len(data), size)]

    def write(staged):
        if is_tree(job["name"]):
            fill(staged.path, split(data), system)
            return staged.seal()
        return staged.write([(piece, None) for piece in pieces])

    try:
        return commit.save(record_of(job), write)
    except Exception as error:
        return error


def record_of(job):
    return Record(
        path=job["name"],
        epoch=1,
        batch=None,
        samples=None,
        logs={"loss": job["value"]},
        monitor="loss",
        value=job["value"],
        mode="min",
        best=True,
        format=job["format"],
        bytes=0,
        crc32="",
        time=datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
        run=job["run"],
        template=job.get("template", job["name"]),
    )


def main():
    folder, job = sys.argv[1], json.loads(sys.argv[2])
    data = Path(job["image"]).read_bytes()
    commit = commit_for(folder, job)
    say("ready")
    for number in range(job.get("saves", 1)):
        sys.stdin.readline()
        if number == 0 and job.get("sweep"):
            commit.storage.check(job["name"])
            sweep(commit.storage)
        outcome = save(commit, job, data)
        say("durable" if isinstance(outcome, Receipt) else repr(outcome))


def say(text):
    try:
        os.write(1, f"{text}\n".encode())
    except OSError:  # a test makes this call fail, too, once
        os.write(1, f"{text}\n".encode())


if __name__ == "__main__":
    main()

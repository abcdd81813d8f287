"""Training processes to which the tests of `save_on_exit` send signals."""

from __future__ import annotations

import contextlib
import json

from conftest import checkpoints
from keras_process import KerasProcess

import modelcheckpoint


@contextlib.contextmanager
def training(kind, folder, **job):
    """Give a process that trains, and its output line by line."""
    folder.mkdir(exist_ok=True)
    job = json.dumps({"kind": kind, "folder": str(folder), **job})
    process = KerasProcess("run_exit.py", job)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def until(process, line):
    """Read its output up to a line."""
    for said in process.stdout:
        if said.strip() == line:
            return
    raise AssertionError(process.communicate())


def rest_of(process):
    said, wrong = process.communicate()
    return [line for line in said.splitlines() if line], wrong


def verified(folder):
    """Return the names of the checkpoints, all of which are good."""
    found = modelcheckpoint.verify_checkpoints(folder)
    assert {one.status for one in found} == {"good"}
    assert sorted(one.path for one in found) == checkpoints(folder)
    return checkpoints(folder)

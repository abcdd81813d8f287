"""Trainings in two processes are preempted by SIGTERM, go on, and end alike.

What they print goes to the page on several machines.
"""

from __future__ import annotations

import contextlib
import itertools
import re
import time

import pytest
from launchers import LAUNCHERS, LONGEST, Ray
from page import paste, paste_row
from slurm import Slurm

from modelcheckpoint import list_checkpoints, verify_checkpoints
from modelcheckpoint.errors import CheckpointError

STEPS = 40
TAKEN_UP = re.compile(r"resumed from (\S+), saved in epoch (\d+), after batch (\d+)")
WEIGHTS = re.compile(r"process (\d) of 2: weights (\w+)")
SHOWN = re.compile(r"(ModelCheckpoint: |Epoch |process \d |Ray knows: ).*")
"""Lines of our callback and of the scripts: launchers print many more."""
ON_THE_PAGE = ("torchrun", "SLURM", "Ray Train, a worker")
"""Whose outputs it shows, from the shared folder."""
PLACES = {"folder": "shared folder", "store": "S3"}


@pytest.fixture(params=PLACES)
def place(request, tmp_path):
    """Where the machines save: a folder that they share, or a bucket."""
    if request.param == "folder":
        return str(tmp_path)
    return f"s3://{request.getfixturevalue('bucket').name}"


@pytest.fixture(params=[*LAUNCHERS, Slurm], ids=lambda launcher: launcher.__name__)
def launch(request, tmp_path):
    """Return a function that starts a job which saves to a folder."""
    if request.param is Slurm:
        request.getfixturevalue("slurm")
    numbers = itertools.count()
    with contextlib.ExitStack() as stack:

        def start(folder):
            log = tmp_path / f"log{next(numbers)}.txt"
            job = request.param(folder, log)
            stack.callback(job.kill)
            return job

        yield start


def test_preempted(launch, place):
    """It leaves in mid-epoch, and ends with the weights of a run nobody has stopped."""
    job = launch(f"{place}/unbroken")
    assert set(job.end()) == {0}, job.text
    unbroken = shown(job, place)

    job = launch(f"{place}/run")
    await_mid_epoch(job)
    job.preempt()
    if job.goes_on:
        first = ""
    else:
        assert set(job.end()) != {0}
        first = shown(job, place)
        job = launch(job.folder)
    assert set(job.end()) == {0}, job.text
    again = shown(job, place)

    if not isinstance(
        job, Ray
    ):  # its workers' main thread, which has signals, is Ray's
        assert re.search("SIGTERM.* is saved", first + again)
    _, epoch, batch = TAKEN_UP.search(again).groups()
    assert 0 < int(batch) < STEPS
    ends = [sorted(WEIGHTS.findall(text)) for text in (again, unbroken)]
    assert ends[0] == ends[1]
    assert [rank for rank, _ in ends[0]] == ["0", "1"]
    assert {found.status for found in verify_checkpoints(job.folder)} == {"good"}
    if isinstance(job, Ray):
        assert re.search(r"Ray knows: .*'checkpoint': '\d-\d+.keras'", again)

    kind = "store" if place.startswith("s3:") else "folder"
    stop = f"epoch {epoch}, batch {batch}"
    paste_row(job.name, PLACES[kind], job.backend, stop, ends[0][0][1], ends[1][0][1])
    if kind == "folder" and job.name in ON_THE_PAGE:
        texts = {"stopped": first, "again": again, "unbroken": unbroken}
        for name, text in texts.items():
            if text:
                paste(f"{job.name}, {name}", text)


def await_mid_epoch(job):
    """Return once the job trains its second epoch, and has saved what it will find."""
    ends = time.monotonic() + LONGEST
    while not is_in_mid_epoch(job):
        assert job.runs, job.text
        assert time.monotonic() < ends, job.text
        time.sleep(0.1)


def is_in_mid_epoch(job):
    with contextlib.suppress(OSError, CheckpointError):
        saved = list_checkpoints(job.folder)
        if isinstance(job, Ray):  # nothing is saved when the signal comes
            return any(found.epoch == 2 and found.batch for found in saved)
        return any(found.batch is None for found in saved)
    return False


def shown(job, place):
    """Return what the page shows of what a job printed: each line once."""
    lines = (SHOWN.search(line) for line in job.text.splitlines())
    text = "\n".join(dict.fromkeys(line[0] for line in lines if line))
    return text.replace(place, "/shared" if place.startswith("/") else "s3://bucket")

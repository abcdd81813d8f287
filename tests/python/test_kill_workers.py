"""Two processes train one model; one or both are killed at any moment.

On TensorFlow they are workers of `tf.distribute`; on JAX each has the whole model; on
Torch each trains its own. A model in parts is in test_parts.py.
"""

from __future__ import annotations

import os
import random
import time

import pytest
from peer_kinds import KERAS, needs_peers
from two_processes import two

from modelcheckpoint import list_checkpoints, verify_checkpoints

pytestmark = [pytest.mark.slow, needs_peers]

KILLS = int(os.environ.get("KILLS", "2"))
SCRIPT = "run_killed.py"
FOR_EVER = 9999


def done_in(folder):
    """Return how many epochs the newest checkpoint has; none may be torn."""
    if not folder.exists():  # killed before the first one
        return 0
    assert {found.status for found in verify_checkpoints(folder)} <= {"good"}
    return max((one.epoch for one in list_checkpoints(folder)), default=0)


def kill(processes, who, moments):
    """Kill processes at any moment of an epoch, and later the ones that are left.

    A process that is left alone may hang, or fail by itself.
    """
    for _ in range(moments.randint(1, 3)):
        began = time.monotonic()
        next_epoch(processes[0])
    epoch = time.monotonic() - began
    time.sleep(moments.uniform(0, 1.5) * epoch)
    for process in who:
        process.kill()
    time.sleep(moments.uniform(0, 2) * epoch)
    for process in processes:
        process.kill()
        process.communicate()


def begun(processes):
    """Return how many epochs were done before each process began, as it reports."""
    return [next_epoch(process) for process in processes]


def next_epoch(process):
    """Return which epoch begins next in a process; -1 if none does."""
    for line in process.stdout:
        word, _, number = line.partition(" ")
        if word == "epoch":
            return int(number)
    return -1


def test_killed_at_any_moment(tmp_path):
    """No file is torn under its name, and the next start continues from the newest."""
    moments, done = random.Random(KILLS), 0
    for number in range(KILLS):
        with two(SCRIPT, tmp_path, FOR_EVER, keras=KERAS) as processes:
            assert begun(processes) == [done, done]
            one = moments.choice(processes)
            kill(processes, [one] if number % 2 else processes, moments)
        assert done_in(tmp_path / "w") > done
        done = done_in(tmp_path / "w")
    with two(SCRIPT, tmp_path, done + 1, keras=KERAS) as processes:
        assert begun(processes) == [done, done]
        for process in processes:
            process.communicate(120)
    assert [process.returncode for process in processes] == [0, 0]
    assert done_in(tmp_path / "w") == done + 1

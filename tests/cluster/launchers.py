"""Jobs of two processes on this machine, started as a cluster would start them."""

from __future__ import annotations

import contextlib
import os
import random
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

__all__ = [
    "EXAMPLES",
    "LAUNCHERS",
    "LONGEST",
    "ROOT",
    "Job",
    "SlurmVariables",
    "environment",
]

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples" / "several-machines"
LONGEST = 900
"""Seconds after which a job that has not ended counts as hanging."""


class Job:
    """Commands that run in parallel, and all that they print.

    Args:
        folder: Where the training saves.
        log: Path object of the file that gets the output.

    Attributes:
        goes_on: Whether the cluster itself starts the job again after a stop.
    """

    name, backend, processes, ports = "", "torch", 1, (0,)
    goes_on = False

    def __init__(self, folder, log):
        self.folder, self.log = str(folder), log
        self.port = _free_port(self.ports)
        self._start()

    def command(self, index):
        raise NotImplementedError

    def variables(self, index):
        """Return the environment variables that this cluster sets."""
        return {}

    def preempt(self):
        """Send SIGTERM to the processes to which this cluster would send it."""
        for process in self._running:
            process.send_signal(signal.SIGTERM)

    @property
    def text(self):
        return self.log.read_text("utf-8", "replace") if self.log.exists() else ""

    @property
    def runs(self):
        return any(process.poll() is None for process in self._running)

    def end(self):
        """Wait for the end, and return how each command ended."""
        try:
            return [process.wait(LONGEST) for process in self._running]
        finally:
            self.kill()

    def kill(self):
        for process in self._running:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def _start(self):
        with open(self.log, "wb") as file:
            self._running = [
                subprocess.Popen(
                    [str(part) for part in self.command(index)],
                    env={**environment(self.backend), **self.variables(index)},
                    stdin=subprocess.DEVNULL,
                    stdout=file,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
                for index in range(self.processes)
            ]


class Torchrun(Job):
    """Two machines with one process each; the second one gets SIGTERM."""

    name, processes = "torchrun", 2

    def command(self, index):
        return [
            *(sys.executable, "-m", "torch.distributed.run"),
            *("--nnodes=2", "--nproc-per-node=1", f"--node-rank={index}"),
            *("--master-addr=127.0.0.1", f"--master-port={self.port}"),
            *(EXAMPLES / "train.py", self.folder),
        ]

    def preempt(self):
        self._running[1].send_signal(signal.SIGTERM)


class SlurmVariables(Job):
    """Two tasks, with the variables that `srun` sets; both get SIGTERM."""

    name, backend, processes = "SLURM's variables", "jax", 2
    ports = range(65536 - 4096, 65536)

    def command(self, index):
        return [sys.executable, EXAMPLES / "train.py", self.folder]

    def variables(self, index):
        return {
            "SLURM_JOB_ID": str(self.port % 4096),  # JAX derives its port from it
            "SLURM_STEP_NODELIST": "127.0.0.1",
            "SLURM_NTASKS": "2",
            "SLURM_PROCID": str(index),
            "SLURM_LOCALID": str(index),
        }


class Ray(Job):
    """One script, which starts two workers; the script gets SIGTERM."""

    name = "Ray Train, the script"

    def command(self, index):
        return [sys.executable, EXAMPLES / "train_on_ray.py", self.folder]


class RayWorker(Ray):
    """The same; one of the workers gets SIGTERM, and Ray starts both again."""

    name, goes_on = "Ray Train, a worker", True

    def preempt(self):
        (worker,) = re.findall(r"pid=(\d+)\) world_rank=1", self.text)
        os.kill(int(worker), signal.SIGTERM)


LAUNCHERS = (Torchrun, SlurmVariables, Ray, RayWorker)


def environment(backend):
    """Return the environment that all commands have in common."""
    kept = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
    return {
        **kept,
        "KERAS_BACKEND": backend,
        "PYTHONPATH": str(ROOT / "python"),
        "PYTHONUNBUFFERED": "1",
        "CUDA_VISIBLE_DEVICES": "",
        "JAX_PLATFORMS": "cpu",
        "OMP_NUM_THREADS": "1",
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_DEDUP_LOGS": "0",
    }


def _free_port(ports):
    for port in random.sample(ports, len(ports)):
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return probe.getsockname()[1]
    raise AssertionError("no port is free")

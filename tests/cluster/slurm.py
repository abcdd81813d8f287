"""A real SLURM on one machine, with jobs that a more urgent job preempts."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time

import pytest
from launchers import EXAMPLES, LONGEST, Job, environment

__all__ = ["Slurm", "slurm"]

CONFIGURATION = """
ClusterName=here
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerType=sched/builtin
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
NodeName={host} NodeAddr=127.0.0.1 CPUs=2
PartitionName=spare Nodes={host} Default=YES PriorityTier=1 GraceTime=600
PartitionName=urgent Nodes={host} PriorityTier=2
"""


class Slurm(Job):
    """A job that SLURM preempts for a more urgent one, and queues again."""

    name, backend, goes_on = "SLURM", "jax", True

    def preempt(self):
        urgent = ("--partition=urgent", "--ntasks=2", "--output=/dev/null")
        asked("sbatch", *urgent, "--wrap=sleep 1")
        self._await(lambda state: "Restarts=1" in state)
        # Otherwise a job that was queued again waits for two minutes.
        asked("scontrol", "update", f"JobId={self._number}", "StartTime=now")

    @property
    def runs(self):
        return not _has_ended(self._state())

    def end(self):
        return [0 if "JobState=COMPLETED" in self._await(_has_ended) else 1]

    def kill(self):
        asked("scancel", "--signal=KILL", "--full", self._number)
        asked("scancel", self._number)

    def _start(self):
        self.log.unlink(missing_ok=True)
        place = (f"--output={self.log}", f"--chdir={EXAMPLES}")
        submit = ("sbatch", "--parsable", *place, EXAMPLES / "job.sh", self.folder)
        self._number = asked(*submit, env=self._environment()).strip()

    def _environment(self):
        python = os.path.dirname(sys.executable)
        given = environment(self.backend)
        return {**given, "PATH": f"{python}:{given['PATH']}"}

    def _state(self):
        return asked("scontrol", "show", "job", self._number)

    def _await(self, is_so):
        ends = time.monotonic() + LONGEST
        while not is_so(state := self._state()):
            assert time.monotonic() < ends, f"{state}\n{self.text}"
            time.sleep(0.2)
        return state


@pytest.fixture(scope="session")
def slurm(tmp_path_factory):
    """A cluster of only this machine, which ends with the tests."""
    missing = [name for name in ("slurmctld", "slurmd", "munged") if not which(name)]
    if missing or os.getuid() != 0:
        pytest.skip(f"SLURM needs root; missing programs: {missing}")
    folder = tmp_path_factory.mktemp("slurm")
    with contextlib.ExitStack() as stack:
        _start(folder, stack)
        yield


def asked(program, *arguments, **options):
    """Return what a command of SLURM prints."""
    command = [program, *map(str, arguments)]
    ended = subprocess.run(
        command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options
    )
    return ended.stdout


def which(program):
    return shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin")


def _start(folder, stack):
    for name in ("state", "spool"):
        (folder / name).mkdir()
    key, socket_path = folder / "munge.key", folder / "munge.socket"
    key.write_bytes(os.urandom(1024))
    key.chmod(0o400)
    own = [f"--{part}-file={folder / part}" for part in ("pid", "log", "seed")]
    munged = ("--foreground", "--force", f"--socket={socket_path}", f"--key-file={key}")
    _run(stack, which("munged"), *munged, *own)
    _await(socket_path.exists)
    file = folder / "slurm.conf"
    names = {"host": socket.gethostname().split(".")[0], "ports": _free_ports(2)}
    file.write_text(CONFIGURATION.format(folder=folder, **names))
    stack.enter_context(pytest.MonkeyPatch.context()).setenv("SLURM_CONF", str(file))
    for daemon in ("slurmctld", "slurmd"):
        log = folder / f"{daemon}.log"
        _run(stack, which(daemon), "-D", "-f", file, "-L", log)
    _await(lambda: "idle" in asked("sinfo"))


def _run(stack, *command):
    """Run a daemon until the stack is closed."""
    process = subprocess.Popen(
        [str(part) for part in command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    stack.callback(process.wait)
    stack.callback(process.terminate)


def _await(is_so):
    ends = time.monotonic() + 120
    while not is_so():
        assert time.monotonic() < ends, asked("sinfo")
        time.sleep(0.1)


def _has_ended(state):
    return not any(f"JobState={name}" in state for name in _GOING)


_GOING = ("PENDING", "RUNNING", "COMPLETING", "CONFIGURING")


def _free_ports(count):
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]

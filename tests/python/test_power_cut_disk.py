"""The power of real file systems is cut; then every promise must hold.

Real trainings save to ext4, xfs and btrfs on a disk that can be unplugged; see
`run_power_cuts.py`. MODELCHECKPOINT_DISK_CUTS sets how often each file system loses its
power, and MODELCHECKPOINT_SEED sets when.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from file_systems import FILE_SYSTEMS, absence, alone, refusal

pytestmark = pytest.mark.slow

SEED = int(os.environ.get("MODELCHECKPOINT_SEED", random.randrange(10**6)))
CUTS = int(os.environ.get("MODELCHECKPOINT_DISK_CUTS", "10"))
REPORT = os.environ.get("MODELCHECKPOINT_DISK_REPORT")

# With enough time, every missing flush is looked for on all file systems.
MANY = CUTS >= 100
SYSTEMS = [*FILE_SYSTEMS] if MANY else ["ext4"]


class Machine:
    """A process that trains and cuts the power; only it sees what it mounts."""

    def __init__(self, folder):
        script = str(Path(__file__).with_name("run_power_cuts.py"))
        self._errors = folder / "errors.txt"
        (folder / "work").mkdir()
        with open(self._errors, "w", encoding="utf-8") as errors:
            self._process = subprocess.Popen(
                [*alone(), sys.executable, script, str(folder / "work")],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )

    def cut(self, file_system, scene, cuts, fault="", twice=False):
        """Return the findings; skip if the kernel lacks this file system."""
        reason = absence(file_system)
        if reason is not None:
            pytest.skip(reason)
        assert self._process.poll() is None, "it has ended in an earlier test"
        job = {"file_system": file_system, "scene": scene, "cuts": cuts}
        job.update(fault=fault, twice=twice, seed=SEED)
        print(json.dumps(job), file=self._process.stdin)
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, self.stop()
        found = json.loads(line)
        if "refused" in found:
            pytest.skip(found["refused"])
        if REPORT:
            with open(REPORT, "a", encoding="utf-8") as file:
                file.write(json.dumps({**job, **found}) + "\n")
        return found

    def stop(self):
        """End everything, and return its error output."""
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()
        return self._errors.read_text("utf-8")


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    if os.environ["KERAS_BACKEND"] != "tensorflow":
        pytest.skip("the disk knows no backend: TensorFlow is enough")
    reason = refusal()
    if reason is not None:
        pytest.skip(reason)
    pytest.importorskip("click")
    machine = Machine(tmp_path_factory.mktemp("machine"))
    yield machine
    machine.stop()


# Large files take their time.
SCENES = [
    (name, "small models", round(0.7 * CUTS) if MANY else CUTS) for name in FILE_SYSTEMS
]
SCENES += [(name, "in the background", CUTS - round(0.7 * CUTS)) for name in SYSTEMS]


@pytest.mark.parametrize(("file_system", "scene", "cuts"), SCENES)
def test_the_power_is_cut(machine, file_system, scene, cuts):
    """All reported files are intact; `verify` returns 0; the next run resumes."""
    found = machine.cut(file_system, scene, cuts)
    assert found["wrong"] == [], f"MODELCHECKPOINT_SEED={SEED}"
    assert sum(found["cuts"].values()) == cuts


@pytest.mark.parametrize("file_system", SYSTEMS)
def test_the_power_is_cut_again(machine, file_system):
    """It fails during a training that resumes after an earlier cut."""
    found = machine.cut(file_system, "small models", 30 if MANY else 4, twice=True)
    assert found["wrong"] == [], f"MODELCHECKPOINT_SEED={SEED}"


@pytest.mark.parametrize("file_system", SYSTEMS)
@pytest.mark.parametrize(
    ("fault", "scene"), [("files", "retention"), ("folders", "one callback")]
)
def test_a_flush_that_is_left_out_is_noticed(machine, file_system, fault, scene):
    """If a checkpoint or its folder were not flushed, this test would find it."""
    found = machine.cut(file_system, scene, 30 if MANY else 6, fault)
    assert sum(found["bad"].values()) > 0


@pytest.mark.parametrize("file_system", SYSTEMS)
def test_keras_own_callback_loses_files(machine, file_system):
    """It flushes nothing and writes in place: what it saved is torn or gone."""
    found = machine.cut(file_system, "Keras' own callback", 30 if MANY else 6)
    assert sum(found["bad"].values()) > 0

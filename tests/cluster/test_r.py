"""R in two processes: preempted by SIGTERM, and started again."""

from __future__ import annotations

import os
import re
import shutil

import pytest
from launchers import EXAMPLES, ROOT, SlurmVariables
from page import paste
from test_cluster import STEPS, TAKEN_UP, await_mid_epoch, shown

from modelcheckpoint import verify_checkpoints

LIBRARY, PYTHON = ROOT / ".Rlib", ROOT / ".venv" / "bin" / "python"


class R(SlurmVariables):
    """Two tasks that are R."""

    def command(self, index):
        return ["Rscript", EXAMPLES / "train.R", self.folder]

    def variables(self, index):
        library = f"{LIBRARY}:{os.environ.get('R_LIBS', '')}"
        reticulate = {"R_LIBS": library, "RETICULATE_PYTHON": str(PYTHON)}
        return {**super().variables(index), **reticulate}


@pytest.mark.skipif(
    not (shutil.which("Rscript") and (LIBRARY / "modelcheckpoint").exists()),
    reason="R and the package are not here",
)
def test_r(tmp_path, request):
    """Both save and leave in mid-epoch, and the next start goes on from there."""
    job = R(tmp_path / "run", tmp_path / "log.txt")
    request.addfinalizer(job.kill)
    await_mid_epoch(job)
    job.preempt()
    assert 0 not in job.end(), job.text
    first = shown(job, str(tmp_path))
    assert re.search("SIGTERM.* is saved", first), job.text

    job = R(job.folder, tmp_path / "again.txt")
    request.addfinalizer(job.kill)
    assert job.end() == [0, 0], job.text
    again = shown(job, str(tmp_path))
    assert 0 < int(TAKEN_UP.search(again)[3]) < STEPS
    assert again.count("of 2: trained to the end") == 2
    assert {found.status for found in verify_checkpoints(job.folder)} == {"good"}
    paste("R, stopped", first)
    paste("R, again", again)

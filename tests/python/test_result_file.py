"""Each benchmark saves its output as a Markdown file in a folder."""

from __future__ import annotations

import pathlib
import subprocess
import sys

import pytest

BENCHMARKS = pathlib.Path(__file__).parents[2] / "benchmarks"

pytestmark = pytest.mark.skipif(
    not BENCHMARKS.is_dir(), reason="the benchmarks are in a checkout only"
)

SCRIPT = """
import sys
from result_file import print_head, result_file

with result_file(sys.argv[1]):
    if "head" in sys.argv:
        print_head("2 cores")
    print("Bars")
    if "fails" in sys.argv:
        raise RuntimeError
"""


@pytest.fixture
def run(tmp_path):
    """Return a function that runs a benchmark, and returns its output."""
    script = tmp_path / "speed.py"
    script.write_text(SCRIPT)

    def run(*arguments):
        return subprocess.run(
            [sys.executable, script, tmp_path / "results", *arguments],
            env={"PYTHONPATH": str(BENCHMARKS)},
            capture_output=True,
            text=True,
        ).stdout

    return run


def test_file(run, tmp_path):
    """It has the command, the machine and the exact output."""
    printed = run("head")
    text = (tmp_path / "results" / "speed.md").read_text()
    head, body = text.split("```\n", maxsplit=1)
    assert printed == "2 cores\nBars\n"
    assert body == f"{printed}```\n"
    assert f"python benchmarks/speed.py {tmp_path / 'results'} head\n" in head
    assert "- 2 cores\n" in head


@pytest.mark.parametrize("arguments", [("head", "fails"), ()])
def test_no_file(run, tmp_path, arguments):
    """A benchmark that fails, or measures nothing, leaves the last file alone."""
    run("head")
    file = tmp_path / "results" / "speed.md"
    before = file.read_text()
    run(*arguments, "again")
    assert file.read_text() == before

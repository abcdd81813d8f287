"""`modelcheckpoint verify`: its table, its JSON lines, its exit status."""

from __future__ import annotations

import json
import os
import pathlib
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest
from checkpoint_files import (
    add_line,
    archive,
    put,
    record,
    weights,
)
from conftest import python_path_with, run_command

pytest.importorskip("h5py")


@pytest.fixture
def mixed(tmp_path):
    pytest.importorskip("click")
    pytest.importorskip("rich")
    put(tmp_path, weights(), "good.weights.h5")
    (tmp_path / "nobody.keras").write_bytes(archive())
    return tmp_path


def test_the_command(mixed):
    """A table, a summary, and status 1 if anything is damaged or missing."""
    ended = run_command("verify", mixed)
    assert ended.returncode == 0
    assert ended.stdout.splitlines() == [
        "status   path             reason",
        "good     good.weights.h5        ",
        "unknown  nobody.keras           ",
        "1 good, 1 unknown",
    ]
    (mixed / "good.weights.h5").write_bytes(b"x")
    ended = run_command("verify", mixed)
    assert ended.returncode == 1
    assert "damaged  good.weights.h5  it has 1 bytes, the journal says" in ended.stdout
    (mixed / "good.weights.h5").unlink()
    assert run_command("verify", mixed).returncode == 1


def test_the_command_for_programs(mixed):
    """One JSON object per line, with the journal's record."""
    lines = run_command("verify", mixed, "--json").stdout.splitlines()
    good, unknown = map(json.loads, lines)
    assert (good["path"], good["status"]) == ("good.weights.h5", "good")
    assert good["record"]["value"] == 0.5
    assert unknown["record"] is None


@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C is another thing there")
def test_the_command_is_interrupted(mixed):
    """Status 130, because 1 would mean that something is damaged."""
    size = 1 << 42
    os.truncate(mixed / "good.weights.h5", size)
    add_line(mixed, replace(record(b"", "good.weights.h5"), bytes=size))
    command = [sys.executable, "-m", "modelcheckpoint", "verify", str(mixed)]
    with subprocess.Popen(command) as process:
        until_open(mixed / "good.weights.h5", process)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130


def until_open(path, process):
    """Wait until a process reads a file."""
    folder = f"/proc/{process.pid}/fd"
    if not os.path.isdir(folder):  # no such system
        time.sleep(10)
        return
    opened = set()
    while str(path) not in opened:
        time.sleep(0.05)
        assert process.poll() is None, "it has ended"
        opened = {os.path.realpath(f"{folder}/{name}") for name in os.listdir(folder)}


def test_the_command_called_wrongly(mixed):
    """Status 2, and one sentence."""
    ended = run_command("verify", mixed / "missing")
    assert ended.returncode == 2
    assert "does not exist" in ended.stderr
    assert run_command("nothing").returncode == 2
    assert run_command("verify", "--help").returncode == 0


@pytest.mark.skipif(os.name == "nt", reason="such names are not for Windows")
@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
def test_names_that_move_the_cursor(mixed, locale):
    """A newline, an escape or a byte that is not text is shown escaped."""
    try:
        names = [
            b"a\nb.keras",
            b"\x1b[31mred.keras",
            b"\xff.keras",
            "\u00e9.keras".encode(),
        ]
        for name in names:
            pathlib.Path(
                os.fsdecode(os.path.join(os.fsencode(mixed), name))
            ).write_bytes(archive())
    except OSError:
        pytest.skip("this file system refuses such names")
    ended = run_command("verify", mixed, LC_ALL=locale, PYTHONUTF8="0")
    assert ended.returncode == 0
    assert "a\\nb.keras" in ended.stdout
    assert "\\x1b[31mred.keras" in ended.stdout
    assert "\x1b" not in ended.stdout
    assert run_command("verify", mixed, "--json", LC_ALL=locale).returncode == 0


def test_the_command_loads_no_keras(mixed):
    """NumPy and h5py are not loaded, either."""
    code = (
        "import sys; sys.argv[1:] = ['verify', sys.argv[1]]\n"
        "from modelcheckpoint.__main__ import main\n"
        "try: main()\n"
        "finally: print(sorted({'keras', 'numpy', 'h5py'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", code, str(mixed)]
    said = subprocess.run(command, capture_output=True, text=True)
    assert said.stdout.splitlines()[-1] == "[]"


def test_without_the_libraries_of_the_command(tmp_path):
    """The message says what to install."""
    (tmp_path / "click.py").write_text("raise ImportError(name='click')")
    ended = run_command("verify", ".", PYTHONPATH=python_path_with(tmp_path))
    assert ended.returncode == 1
    assert 'pip install "modelcheckpoint[cli]"' in ended.stderr

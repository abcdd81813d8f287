"""`modelcheckpoint list|latest|best|prune`: output and exit status."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import time

import pytest
from checkpoint_files import initials, put, put_several, put_ten_thousand, weights
from conftest import run_command

pytest.importorskip("click")
pytest.importorskip("rich")
pty = pytest.importorskip("pty", reason="a terminal, which Windows has not")


def terminal(*arguments, width=80):
    """Return the lines sent to a terminal of this width."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "COLUMNS": str(width)}
    command = [sys.executable, "-m", "modelcheckpoint", *map(str, arguments)]
    process = subprocess.Popen(command, env=environment, stdout=theirs, stderr=theirs)
    os.close(theirs)
    said = b""
    while True:
        try:
            piece = os.read(ours, 1 << 16)
        except OSError:  # how Linux reports that the program has ended
            break
        if not piece:
            break
        said += piece
    os.close(ours)
    assert process.wait(300) == 0
    return said.decode().replace("\r\n", "\n").splitlines()


def test_list(tmp_path):
    """A table, and a line that sums it up."""
    put_several(tmp_path, 2)
    (tmp_path / "0.keras").write_bytes(b"x")
    os.utime(tmp_path / "0.keras", (10, 10))
    ended = run_command("list", tmp_path)
    assert ended.returncode == 0
    size = os.path.getsize(tmp_path / "1.weights.h5")
    shown = f"{size / 1000:.1f} kB"
    assert ended.stdout.splitlines() == [
        "   name          epoch  val_loss   bytes  time",
        "?  0.keras                           1 B  1970-01-01 00:00:10Z",
        f"   1.weights.h5      1         1  {shown}  2025-01-31 12:00:00Z",
        f"*  2.weights.h5      2         0  {shown}  2025-01-31 12:00:00Z",
        f"3 checkpoints, {(2 * size + 1) / 1000:.1f} kB; * best by val_loss; "
        "? not in the journal",
    ]


def test_an_empty_folder(tmp_path):
    """It has no checkpoints: `list` succeeds, the other commands fail."""
    ended = run_command("list", tmp_path)
    assert (ended.returncode, ended.stdout) == (0, "There are no checkpoints.\n")
    assert run_command("list", tmp_path, "--json").stdout == ""
    for command in ("latest", "best"):
        ended = run_command(command, tmp_path)
        assert (ended.returncode, ended.stdout) == (1, "")
        assert ended.stderr == f"There is no checkpoint in {str(tmp_path)!r}.\n"


def test_list_for_programs(tmp_path):
    """One JSON object per line, with everything that is known."""
    put(tmp_path, b"x", "a.keras", logs={"loss": float("nan")}, samples=7)
    (one,) = map(
        json.loads, run_command("list", tmp_path, "--json").stdout.splitlines()
    )
    assert one == {
        "path": str(tmp_path / "a.keras"),
        "name": "a.keras",
        "status": "recorded",
        "epoch": 1,
        "batch": None,
        "samples": 7,
        "logs": {"loss": "NaN"},
        "monitor": "val_loss",
        "value": 0.5,
        "mode": "min",
        "best": True,
        "format": "keras",
        "bytes": 1,
        "crc32": "8cdc1683",
        "time": "2025-01-31T12:00:00.000+00:00",
        "run": "one",
        "aside": False,
    }


@pytest.mark.parametrize(
    ("arguments", "order"),
    [
        ([], "123"),
        (["--reverse"], "321"),
        (["--sort", "value"], "231"),
        (["--sort", "value", "-r"], "132"),
        (["--sort", "name"], "123"),
        (["--sort", "file"], "123"),
        (["--sort", "bytes"], "321"),
        (["--sort", "size"], "321"),
        (["--sort", "odd"], "312"),
        (["--sort", "odd", "-r"], "132"),
    ],
)
def test_sorted(tmp_path, arguments, order):
    """By a column or a metric; unknown values come last."""
    for n, value, odd in ((1, 3, 8), (2, 1, None), (3, 2, 7)):
        logs = {} if odd is None else {"odd": odd}
        put(tmp_path, b"x" * (9 - n), f"{n}.keras", value=value, logs=logs)
    lines = run_command("list", tmp_path, "--json", *arguments).stdout.splitlines()
    assert "".join(json.loads(line)["name"][0] for line in lines) == order


def test_sorted_by_what_is_not_there(tmp_path):
    """Status 2, and a message that names what exists."""
    put(tmp_path, b"x", "1.keras", logs={"loss": 1})
    ended = run_command("list", tmp_path, "--sort", "los")
    assert ended.returncode == 2
    assert "--sort must be one of saved, name, epoch, batch, value, bytes, time, loss, "
    assert "not 'los'" in ended.stderr


def test_latest_and_best(tmp_path):
    """The path, and nothing else."""
    put_several(tmp_path, 3)
    ended = run_command("latest", tmp_path)
    assert (ended.returncode, ended.stdout) == (0, f"{tmp_path / '3.weights.h5'}\n")
    assert run_command("best", tmp_path).stdout == f"{tmp_path / '2.weights.h5'}\n"
    arguments = ("--monitor", "val_loss", "--mode", "max")
    ended = run_command("best", tmp_path, *arguments)
    assert ended.stdout in [f"{tmp_path / f'{n}.weights.h5'}\n" for n in (1, 3)]
    ended = run_command("best", tmp_path, "--monitor", "nothing")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "has a value of 'nothing'" in ended.stderr


def test_prune(tmp_path):
    """A dry run, unless --yes is given."""
    put_several(tmp_path, 5)
    ended = run_command("prune", tmp_path, "--keep-latest", 2)
    assert ended.returncode == 0
    assert [line.split()[0] for line in ended.stdout.splitlines()[1:-1]] == [
        "1.weights.h5",
        "3.weights.h5",
    ]
    last = ended.stdout.splitlines()[-1]
    assert last.startswith("Would delete 2 of 5 checkpoints, ")
    assert last.endswith(" --yes deletes them.")
    assert initials(tmp_path) == "12345"
    ended = run_command("prune", tmp_path, "--keep-latest", 2, "--yes", "--json")
    assert [json.loads(line)["epoch"] for line in ended.stdout.splitlines()] == [1, 3]
    assert initials(tmp_path) == "245"
    ended = run_command("prune", tmp_path, "--keep-latest", 2)
    assert ended.stdout == "Nothing to delete among 3 checkpoints.\n"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["list", "missing"], "does not exist"),
        (["list", __file__], "is a file"),
        (["list"], "Missing argument 'FOLDER'"),
        (["prune", "."], "must say what to keep"),
        (["prune", ".", "--keep-latest", "0"], "is not in the range x>=1"),
        (["best", ".", "--mode", "auto"], "is not one of"),
    ],
)
def test_called_wrongly(arguments, says):
    """Status 2, and one sentence."""
    ended = run_command(*arguments)
    assert ended.returncode == 2
    assert says in ended.stderr


@pytest.mark.parametrize("command", ["list", "latest", "best", "verify", "prune"])
def test_help(command):
    """It documents the exit status, has examples, and fits in 80 columns."""
    ended = run_command(command, "--help", COLUMNS="80")
    assert "Exit status:" in ended.stdout
    assert "Example" in ended.stdout
    assert f"modelcheckpoint {command} checkpoints" in ended.stdout
    assert max(map(len, ended.stdout.splitlines())) <= 80


@pytest.mark.parametrize("width", [60, 80, 120])
def test_on_a_terminal(tmp_path, width):
    """Long names are folded, and no line is wider than the terminal."""
    name = "deep/a_very_long_name_of_an_experiment_with_everything_in_it-{}.weights.h5"
    for n in (1, 2):
        fields = {"monitor": "val_top_k_categorical_accuracy", "mode": "max"}
        put(tmp_path, weights(n), name.format(n), value=n, epoch=n, **fields)
    put(tmp_path, b"x", "\u65e5\u672c\u8a9e" * 12 + ".keras", epoch=3)
    lines = terminal("list", tmp_path, width=width)
    from rich.cells import cell_len

    assert max(map(cell_len, lines)) <= width
    text = "".join(lines).replace(" ", "")
    assert "val_top_k_" in text
    assert lines[-1].startswith("3 checkpoints")


@pytest.mark.parametrize("monitor", ["name", "time", "cells"])
def test_a_metric_with_the_name_of_a_column(tmp_path, monitor):
    """It is not confused with the column: its values are one line, names are folded."""
    put(tmp_path, b"x", "long" * 30 + ".keras", monitor=monitor, value=0.123)
    lines = terminal("list", tmp_path, width=60)
    assert max(map(len, lines)) <= 60
    assert any("0.123" in line for line in lines)


@pytest.mark.skipif(os.name == "nt", reason="such names are not for Windows")
@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
def test_names_that_move_the_cursor(tmp_path, locale):
    """Escaped in the table; a path for programs is printed as it is."""
    name = os.fsdecode(b"\xff\x1b[31m\nred.keras")
    put(tmp_path, b"x", name)
    for command in (["list"], ["prune", "--keep-latest", "1"]):
        ended = run_command(
            command[0], tmp_path, *command[1:], LC_ALL=locale, PYTHONUTF8="0"
        )
        assert ended.returncode == 0
        assert "\x1b" not in ended.stdout
    assert (
        "\\x1b[31m\\nred.keras" in run_command("list", tmp_path, LC_ALL=locale).stdout
    )
    assert run_command("list", tmp_path, "--json", LC_ALL=locale).returncode == 0
    environment = {**os.environ, "LC_ALL": locale}
    command = [sys.executable, "-m", "modelcheckpoint", "latest", str(tmp_path)]
    said = subprocess.run(command, env=environment, capture_output=True).stdout
    assert said == os.fsencode(tmp_path / name) + b"\n"
    assert "\x1b" not in "".join(terminal("latest", tmp_path))


@pytest.mark.parametrize("command", ["list", "latest", "best", "prune"])
def test_no_keras_is_loaded(tmp_path, command):
    """NumPy, h5py, pandas and rich's tables are not loaded, either."""
    put_several(tmp_path, 2)
    heavy = {"keras", "numpy", "h5py", "pandas", "matplotlib", "tensorflow"}
    code = (
        "import sys\n"
        "from modelcheckpoint.__main__ import main\n"
        "try: main()\n"
        f"finally: print(sorted({heavy} & set(sys.modules)))"
    )
    arguments = [command, str(tmp_path), *["--keep-latest=1"] * (command == "prune")]
    said = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True
    )
    assert said.stdout.splitlines()[-1] == "[]"


@pytest.mark.slow
def test_how_long_it_takes(tmp_path):
    """On a quiet machine, 0.3 s to start, and 1 s to list 10,000 checkpoints."""
    put_ten_thousand(tmp_path)

    def seconds(*arguments):
        began = time.perf_counter()
        assert run_command(*arguments).returncode == 0
        return time.perf_counter() - began

    # The quickest of three tries counts; usually the first is quick enough.
    assert any(seconds("--help") < 10 for _ in range(3))
    assert any(seconds("list", tmp_path) < 30 for _ in range(3))


def test_a_reader_that_has_enough(tmp_path):
    """`modelcheckpoint list | head -1` prints no error message."""
    put_several(tmp_path, 3)
    path = pathlib.Path(tmp_path)
    shell = f"{sys.executable} -m modelcheckpoint list {path} | head -1"
    ended = subprocess.run(shell, shell=True, capture_output=True, text=True)
    assert (len(ended.stdout.splitlines()), ended.stderr) == (1, "")


def test_interrupted(tmp_path):
    """Status 130, because 1 would mean that something was found out."""
    from modelcheckpoint.cli.output import problems_told

    with pytest.raises(SystemExit) as ended, problems_told(str(tmp_path)):
        raise KeyboardInterrupt
    assert ended.value.code == 130

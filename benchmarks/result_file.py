"""What a benchmark prints, kept as a Markdown file as well."""

from __future__ import annotations

import argparse
import contextlib
import datetime
import io
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

ROOT = Path(__file__).resolve().parent.parent

_head: list[str] = []
"""The lines that `print_head` printed in this process, which is one run of a script."""


def add_results(parser: argparse.ArgumentParser) -> None:
    what = "also write what is printed to FOLDER/<script>.md"
    parser.add_argument("--results", metavar="FOLDER", help=what)


def print_head(line: str) -> None:
    """Print a line about the machine or the versions; it also heads the file."""
    print(line, flush=True)
    _head.append(line)


@contextlib.contextmanager
def result_file(folder: str | None) -> Iterator[None]:
    """Write what is printed meanwhile to a file in a folder, named after the script.

    The file is written at the end, and only if `print_head` was called. A benchmark
    that fails, or that finds nothing to measure, leaves the file of the last run alone.

    Args:
        folder: Where the file goes; created if missing. None: no file is written.
    """
    if folder is None:
        yield
        return
    os.makedirs(folder, exist_ok=True)  # now: an error after the run would lose it
    tee = Tee(sys.stdout)
    with contextlib.redirect_stdout(tee):
        yield
    if _head:
        script = Path(sys.argv[0])
        text = markdown(script.name, _head, tee.getvalue())
        Path(folder, f"{script.stem}.md").write_text(text, encoding="utf-8")


class Tee(io.StringIO):
    """Keeps what is printed, and passes it on at once."""

    def __init__(self, terminal: TextIO) -> None:
        super().__init__()
        self._terminal = terminal

    def write(self, text: str) -> int:
        self._terminal.write(text)
        return super().write(text)

    def flush(self) -> None:
        self._terminal.flush()


def markdown(script: str, head: list[str], printed: str) -> str:
    """Return the file: the command, the machine and versions, and what was printed."""
    command = shlex.join(["python", f"benchmarks/{script}", *sys.argv[1:]])
    lines = [
        f"# Results of {script}",
        "",
        f"Measured on {datetime.date.today()}{commit()} by",
        "",
        f"    {command}",
        "",
        *(f"- {line.strip()}" for line in head),
        "",
        "[What is measured, and what the columns mean](../README.md)",
        "",
        "```",
        printed.strip("\n"),
        "```",
    ]
    return "\n".join(lines) + "\n"


def commit() -> str:
    """Return the project's current commit; nothing if Git does not report it."""
    command = ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"]
    with contextlib.suppress(OSError, subprocess.CalledProcessError):
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return f" at commit {done.stdout.strip()}"
    return ""

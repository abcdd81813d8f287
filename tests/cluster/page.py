"""The page on several machines: scripts as they are, and what they printed."""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ["PAGE", "SCRIPTS", "paste", "paste_row", "pasted", "script"]

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "vignettes" / "several-machines.Rmd"
SCRIPTS = {
    "train.py": "python",
    "job.sh": "sh",
    "train_on_ray.py": "python",
    "train.R": "r",
}


def paste(name, text, language="text"):
    """Put a text into its place on the page."""
    _replace(name, f"```{language}\n{text.rstrip()}\n```\n")


def pasted(name):
    """Return the text in a place of the page."""
    return "\n".join(_content(name).splitlines()[1:-1])


def paste_row(*cells):
    """Put a row into the page's table, replacing the row of the same job."""
    head, line, *rows = _content("table").splitlines()
    new = "| " + " | ".join(cells) + " |"
    kept = [row for row in rows if _job(row) != _job(new)]
    _replace("table", "\n".join([head, line, *sorted([*kept, new])]) + "\n")


def script(name):
    """Return a script of the examples."""
    folder = ROOT / "examples" / "several-machines"
    return (folder / name).read_text(encoding="utf-8").rstrip()


def _job(row):
    return row.split("|")[1:3]


def _content(name):
    found = _place(name).search(PAGE.read_text(encoding="utf-8"))
    assert found, f"{PAGE.name} has no place for {name}"
    return found[1]


def _replace(name, text):
    page, old = PAGE.read_text(encoding="utf-8"), _content(name)
    begin = page.index(f"<!-- begin: {name} -->\n{old}") + len(
        f"<!-- begin: {name} -->\n"
    )
    page = page[:begin] + text + page[begin + len(old) :]
    PAGE.write_text(page, encoding="utf-8")


def _place(name):
    begin, end = (re.escape(f"<!-- {word}: {name} -->") for word in ("begin", "end"))
    return re.compile(f"{begin}\n(.*?){end}", re.DOTALL)

"""The documents: the README's example and length, and the tests and links they name."""

from __future__ import annotations

import os
import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]
DOCUMENTS = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "BENCHMARKS.md",
    *sorted(ROOT.glob("docs/*.md")),
    *sorted(ROOT.glob("benchmarks/**/*.md")),
]

# The source distribution has the tests, but not all documents.
pytestmark = pytest.mark.skipif(
    not (ROOT / "docs").is_dir(), reason="the documents are in a checkout only"
)


def blocks(text, language):
    """Return the code blocks of a language, in order."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [block for name, block in found if name == language]


def with_numbers_apart(text):
    """Return the text without its decimal numbers, and the numbers."""
    number = r"\d+\.\d{2,}"
    return re.sub(number, "#", text), [float(n) for n in re.findall(number, text)]


def test_readme_prints_what_it_shows(tmp_path):
    """The Python example runs unchanged, and prints the lines below it."""
    section = (ROOT / "README.md").read_text(encoding="utf-8").split("## In Python")[1]
    (example,), (shown, *_) = blocks(section, "python"), blocks(section, "")
    done = subprocess.run(
        [sys.executable, "-c", example],
        cwd=tmp_path,
        env={**os.environ, "KERAS_BACKEND": "tensorflow"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    printed, values = with_numbers_apart(done.stdout.strip())
    expected, approximately = with_numbers_apart(shown.strip())
    assert printed == expected
    # Another version of TensorFlow may round the last digits differently.
    assert values == pytest.approx(approximately, abs=0.002)


def test_readme_can_be_read_at_once():
    """It has 1,300 words at most; longer texts have their own pages."""
    assert len((ROOT / "README.md").read_text(encoding="utf-8").split()) <= 1300


def test_benchmarks_can_be_read_at_once():
    """At most 1,400 words; tables and method are in `benchmarks/`."""
    text = (ROOT / "BENCHMARKS.md").read_text(encoding="utf-8")
    words = re.sub(r"<!--.*?-->|\|", " ", text).split()
    assert len(words) <= 1400


def test_guarantees_name_tests_that_exist():
    """Each row names at least one test, and every test it names exists."""
    text = (ROOT / "docs" / "guarantees.md").read_text(encoding="utf-8")
    rows = [row for row in text.splitlines() if row.startswith("| ")]
    rows = [row for row in rows if not row.startswith("| guarantee |")]
    assert len(rows) > 20
    tests = {path.name for path in ROOT.glob("tests/*/test?*")}
    for row in rows:
        named = set(re.findall(r"`(test[_-][\w-]+\.(?:py|R))`", row))
        assert named, row
        assert named <= tests, named - tests


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_to_files(document):
    """Every link into the project points to a file."""
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", document.read_text("utf-8"))
    targets = [link for link in links if not re.match(r"\w+:", link)]
    missing = [link for link in targets if not (document.parent / link).exists()]
    assert not missing

"""The list of verifications, its text and its table."""

from __future__ import annotations

import os

from checkpoint_files import put

from modelcheckpoint import VerificationList, verify_checkpoints
from modelcheckpoint.journal.verify import Verification


def verifications(good, damaged):
    """Return a list of so many good ones, and then so many damaged ones."""
    statuses = ["good"] * good + ["damaged"] * damaged
    return VerificationList(
        Verification(f"{n:03d}.keras", status, None, None)
        for n, status in enumerate(statuses)
    )


def test_it_is_a_list(tmp_path):
    """Slices stay lists of verifications, of the same folder."""
    for number in range(3):
        put(tmp_path, b"x", f"{number}.keras")
    found = verify_checkpoints(tmp_path)
    assert isinstance(found, list)
    assert found == list(found)
    assert isinstance(found[1:], VerificationList)
    assert (found[1:].folder, len(found[1:])) == (str(tmp_path), 2)
    assert found[-1].path == "2.keras"


def test_as_text(tmp_path):
    """A table, the problems, and their number; nothing moves the cursor."""
    put(tmp_path, b"xy", "a.keras")
    put(tmp_path, b"x", "b\x1b[31m\n.keras" if os.name != "nt" else "b.keras")
    good = repr(verify_checkpoints(tmp_path)).splitlines()
    assert good[:3] == [
        f"<2 checkpoints> {tmp_path}",
        "status  path",
        "good    a.keras",
    ]
    assert good[-1] == "2 good"
    assert "\x1b" not in "".join(good)
    (tmp_path / "a.keras").write_bytes(b"x")
    lines = repr(verify_checkpoints(tmp_path)).splitlines()
    assert lines[1].split() == ["status", "path", "reason"]
    assert lines[2].startswith("damaged  a.keras")
    assert "it has 1 bytes" in lines[2]
    assert lines[-1] == "1 good, 1 damaged"
    assert repr(VerificationList()) == "<0 checkpoints>"


def test_as_html(tmp_path):
    """What a notebook shows."""
    put(tmp_path, b"x", "a.keras")
    html = verify_checkpoints(tmp_path)._repr_html_()
    assert f"<caption>1 checkpoint in {tmp_path}</caption>" in html
    assert ">a.keras</td>" in html
    assert ">1 good</td>" in html
    assert ">0 checkpoints<" in VerificationList()._repr_html_()


def test_of_many_those_that_are_wrong():
    """A table of thousands would hide the problems."""
    for good, damaged, which, first in [
        (30, 0, ", the last 20 of them", "010"),
        (30, 3, ", those that are not good", "030"),
        (3, 30, ", the first 20 that are not good", "003"),
    ]:
        found = verifications(good, damaged)
        head, _, row, *others = repr(found).splitlines()
        assert head == f"<{good + damaged} checkpoints>{which}"
        assert row.split()[1] == f"{first}.keras"
        assert len(others) <= 20
        assert which in found._repr_html_()

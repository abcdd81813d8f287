"""The second name under which a file is kept when a new checkpoint takes its first."""

from __future__ import annotations

import os
import re

from modelcheckpoint.decide.naming import LONGEST_NAME

__all__ = ["UNKNOWN_RUN", "aside_name", "is_aside_name"]

UNKNOWN_RUN = "unknown"
"""Stands for the run in the second name of a file that no line of a journal names."""


def aside_name(path: str, run: str, suffix: str) -> tuple[str, str]:
    """Return beginning and end of the name under which an old file is kept.

    Between the two there is room for a number. The name is no longer than a file
    system allows, and stays in the folder, whatever `run` (from a journal) holds.
    """
    folder, slash, name = path.rpartition("/")
    end = _aside_end(run)
    room = LONGEST_NAME - len(end) - len(suffix) - len("-9999")
    stem = os.fsdecode(os.fsencode(name[: -len(suffix)])[:room])
    return f"{folder}{slash}{stem}{end}", suffix


def is_aside_name(path: str, run: str) -> bool:
    """Return whether a file of this run has a name under which it was kept aside."""
    return re.search(rf"{re.escape(_aside_end(run))}(-\d+)?\.[^/]*$", path) is not None


def _aside_end(run: str) -> str:
    return f".run-{re.sub('[^0-9A-Za-z-]', '', run)[:40]}"

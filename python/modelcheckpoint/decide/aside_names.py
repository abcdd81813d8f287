"""The second name under which a file is kept when a new checkpoint takes its name."""

from __future__ import annotations

import os
import re

from modelcheckpoint.decide.naming import LONGEST_NAME

__all__ = ["UNKNOWN_RUN", "aside_name", "is_aside_name"]

UNKNOWN_RUN = "unknown"
"""The run in the second name of a file that no line of a journal describes."""


def aside_name(path: str, run: str, suffix: str) -> tuple[str, str]:
    """Return the beginning and the end of the name under which an old file is kept.

    A number fits between them. The name is no longer than a file system allows, and
    stays in the folder, whatever `run` (from a journal) contains.
    """
    folder, slash, name = path.rpartition("/")
    end = _aside_end(run)
    room = LONGEST_NAME - len(end) - len(suffix) - len("-9999")
    stem = os.fsdecode(os.fsencode(name[: -len(suffix)])[:room])
    return f"{folder}{slash}{stem}{end}", suffix


def is_aside_name(path: str, run: str) -> bool:
    """Return whether a path is a second name, under which a file of a run was kept."""
    return re.search(rf"{re.escape(_aside_end(run))}(-\d+)?\.[^/]*$", path) is not None


def _aside_end(run: str) -> str:
    return f".run-{re.sub('[^0-9A-Za-z-]', '', run)[:40]}"

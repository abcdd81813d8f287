"""The time limits that environment variables set."""

from __future__ import annotations

import math
import os

__all__ = ["peer_timeout", "upload_timeout"]

_DEFAULT = "600"


def upload_timeout() -> float:
    """Return for how many seconds the end of a training waits for the store.

    Raises:
        ValueError: If the environment says something else than a time.
    """
    name = "MODELCHECKPOINT_UPLOAD_TIMEOUT"
    seconds = _number(name)
    if not seconds >= 0:
        raise _wrong(name, ">= 0")
    return seconds


def peer_timeout() -> float:
    """Return for how many seconds the processes of one training wait for each other.

    Raises:
        ValueError: If the environment says something else than a time.
    """
    name = "MODELCHECKPOINT_PEER_TIMEOUT"
    seconds = _number(name)
    if not 0 < seconds < math.inf:
        raise _wrong(name, "> 0")
    return seconds


def _number(name: str) -> float:
    try:
        return float(os.environ.get(name) or _DEFAULT)
    except ValueError:
        return math.nan


def _wrong(name: str, rule: str) -> ValueError:
    given = os.environ.get(name)
    return ValueError(f"{name} must be a number of seconds {rule}, not {given!r}.")

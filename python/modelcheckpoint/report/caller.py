"""The caller: R or Python, and which of the user's lines."""

from __future__ import annotations

import sys

__all__ = ["is_r", "stacklevel"]


def is_r() -> bool:
    """Return whether this Python runs inside an R session."""
    return "rpycall" in sys.modules or "rpytools" in sys.modules


def stacklevel() -> int:
    """Return the `stacklevel` of the user's own line, not of ours or Keras' lines.

    It is meant for a `warnings.warn` in the function that calls this one.
    """
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None:
        package = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        if package not in ("modelcheckpoint", "keras", "tf_keras"):
            break
        frame, level = frame.f_back, level + 1
    return level

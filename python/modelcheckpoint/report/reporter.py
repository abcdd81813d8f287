"""Tell the user, by a way that reaches them from Python and from R."""

from __future__ import annotations

import sys
import warnings

from modelcheckpoint.errors import CheckpointWarning

__all__ = ["Reporter"]

_SHOWN = 5


class Reporter:
    """Print what happened, warn of problems, and sum them up at the end.

    To be called on the thread that trains: under reticulate each line can be a call
    into R, which has one thread.

    Attributes:
        problems: Every problem told so far, one sentence each.
    """

    def __init__(self) -> None:
        self.problems: list[str] = []
        self._once: set[str] = set()
        self._summed_up = 0

    def start(self) -> None:
        """Begin a training: `sum_up` tells of the problems that it meets."""
        self._summed_up = len(self.problems)

    def say(self, text: str) -> None:
        """Print one line."""
        # Keras' progress bar leaves the cursor in its line; Keras' own callbacks begin
        # a new one, too.
        print(f"\n{text}", flush=True)

    def say_once(self, text: str, once: str) -> None:
        """Print one line; where `once` names its kind, only the first such."""
        if once not in self._once:
            self._once.add(once)
            self.say(text)

    def problem(self, text: str, once: str | None = None) -> None:
        """Warn of a problem; where `once` names its kind, only of the first such."""
        if once is not None and once in self._once:
            return
        if once is not None:
            self._once.add(once)
        self.problems.append(text)
        if _in_r():  # a Python warning would never reach an R user
            self.say(f"Warning: {text}")
        else:
            warnings.warn(text, CheckpointWarning, stacklevel=_outside())

    def sum_up(self, filepath: str, nothing: str | None) -> None:
        """Print what went wrong in this training.

        Args:
            filepath: Where checkpoints go.
            nothing: Why no checkpoint was saved at all, or None if one was.
        """
        new = self.problems[self._summed_up :]
        self.start()
        lines = []
        if nothing is not None:
            lines.append(f"NO CHECKPOINT WAS SAVED to {filepath}: {nothing}")
        others = [text for text in new if nothing is None or nothing not in text]
        if others:
            count = f"{len(others)} problem" + ("s" if len(others) > 1 else "")
            lines.append(f"ModelCheckpoint met {count} in this training:")
            lines += [f"- {text}" for text in others[:_SHOWN]]
        if len(others) > _SHOWN:
            lines.append(f"- and {len(others) - _SHOWN} more, in `problems`")
        if lines:
            self.say("\n".join(lines))


def _in_r() -> bool:
    return "rpycall" in sys.modules or "rpytools" in sys.modules


def _outside() -> int:
    """Return the `stacklevel` at which the user's own line is: not ours, not Keras'."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None:
        package = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        if package not in ("modelcheckpoint", "keras", "tf_keras"):
            break
        frame, level = frame.f_back, level + 1
    return level

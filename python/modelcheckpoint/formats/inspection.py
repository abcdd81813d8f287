"""Have a child process look at the structure of files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from types import TracebackType

__all__ = ["Inspector"]

_SECONDS = 60.0
"""A file of a million arrays takes less."""

_CODE = """
import sys
sys.path[:0] = sys.argv[1:]
from modelcheckpoint.formats.structure import main
main()
"""


class Inspector:
    """Asks a child about each file; the child is made when it is first needed.

    Args:
        seconds: How long a file may take.
    """

    def __init__(self, seconds: float = _SECONDS) -> None:
        self._seconds = seconds
        self._child: subprocess.Popen[str] | None = None

    def __call__(self, folder: str, name: str, format: str) -> str | None:
        """Return what is wrong with the structure of a file, or None.

        Where no child can be started this is None: size and checksum are what counts.
        """
        try:
            child = self._started()
        except OSError:
            return None
        answer = self._asked(child, json.dumps([folder, name, format]))
        if answer is None:
            self.close()  # it crashed or hung; the next file gets another one
            return "the HDF5 library crashes or hangs on it"
        wrong: str | None = json.loads(answer)
        return wrong

    def close(self) -> None:
        """End the child."""
        child, self._child = self._child, None
        if child is not None:
            child.kill()
            child.communicate()

    def __enter__(self) -> Inspector:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _started(self) -> subprocess.Popen[str]:
        if self._child is None:
            here = os.path.dirname(os.path.abspath(__file__))
            package = os.path.dirname(os.path.dirname(here))
            # -I: neither the folder that we are in nor variables decide what runs.
            self._child = subprocess.Popen(
                [_python(), "-I", "-c", _CODE, package, *filter(None, sys.path)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
        return self._child

    def _asked(self, child: subprocess.Popen[str], question: str) -> str | None:
        assert child.stdin is not None
        assert child.stdout is not None
        limit = threading.Timer(self._seconds, child.kill)
        limit.start()
        try:
            child.stdin.write(question + "\n")
            child.stdin.flush()
            return child.stdout.readline() or None
        except OSError:
            return None
        finally:
            limit.cancel()


def _python() -> str:
    """Return the interpreter; within R, `sys.executable` can be something else."""
    if os.path.basename(sys.executable or "").startswith("python"):
        return sys.executable
    folder, name = ("", "python.exe") if os.name == "nt" else ("bin", "python3")
    return os.path.join(sys.prefix, folder, name)

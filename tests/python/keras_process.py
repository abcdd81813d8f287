"""Scripts in processes of their own, in which Keras is loaded before they begin.

Loading Keras takes four seconds of CPU time. With TensorFlow, each process is forked
from one that has loaded Keras but not used it yet. JAX and Torch may run threads by
then, which do not survive a fork; with them, each process loads Keras itself.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import runpy
import sys
import tempfile
import threading
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

FORKS = os.environ["KERAS_BACKEND"] == "tensorflow" and hasattr(os, "fork")
CONTEXT = multiprocessing.get_context("forkserver" if FORKS else "spawn")
PRELOADED = ["keras", "tf_keras", "modelcheckpoint.callback"]
if FORKS:  # what is not installed is skipped
    CONTEXT.set_forkserver_preload(PRELOADED)


def preload_orbax():
    """Load Orbax, too, before the first process is forked.

    This takes four more seconds, once. It pays off for many processes that save trees.
    """
    if FORKS:
        CONTEXT.set_forkserver_preload([*PRELOADED, "orbax.checkpoint"])


class KerasProcess:
    """A running script, with text pipes and signals as in `subprocess.Popen`.

    Attributes:
        stdin: Its input.
        stdout: Its output, line by line.
        returncode: None before `communicate`; then as in `Popen`.
    """

    def __init__(self, script, *arguments, environment=None):
        # It is in the same folder as the tests.
        script = str(Path(__file__).with_name(script))
        hears, tell = CONTEXT.Pipe(duplex=False)
        listen, says = CONTEXT.Pipe(duplex=False)
        file, self._errors = tempfile.mkstemp()
        os.close(file)
        self._process = CONTEXT.Process(
            target=_run,
            args=(script, [*map(str, arguments)], environment or {}),
            kwargs={"hears": hears, "says": says, "errors": self._errors},
        )
        self._process.start()
        self.stdin = os.fdopen(os.dup(tell.fileno()), "w", encoding="utf-8")
        self.stdout = os.fdopen(os.dup(listen.fileno()), encoding="utf-8")
        for end in (hears, tell, listen, says):
            end.close()
        self.pid, self.returncode = self._process.pid, None

    def send_signal(self, number):
        os.kill(self.pid, number)

    def kill(self):
        self._process.kill()

    def communicate(self, timeout=300):
        """Return the rest of its output, and its errors; kill it if it hangs."""
        if self.returncode is not None:
            return "", ""
        timer = threading.Timer(timeout, self.kill)
        timer.start()
        with contextlib.suppress(BrokenPipeError):
            self.stdin.close()
        with self.stdout:
            said = self.stdout.read()
        self._process.join()
        timer.cancel()
        self.returncode = self._process.exitcode
        errors = Path(self._errors).read_text("utf-8", "replace")
        os.unlink(self._errors)
        return said, errors


def run_with_keras(script, *arguments, **named):
    """Run a script to its end; return its exit status, its output and its errors."""
    process = KerasProcess(script, *arguments, **named)
    said, errors = process.communicate()
    return process.returncode, said, errors


def leave_graphs_as_traced():
    """If TensorFlow is loaded, have it run graphs as they were traced.

    Optimizing the graph of a small model takes longer than all of its steps.
    """
    if os.environ["KERAS_BACKEND"] == "tensorflow" and "tensorflow" in sys.modules:
        options = {"disable_meta_optimizer": True}
        sys.modules["tensorflow"].config.optimizer.set_experimental_options(options)


def _run(script, arguments, environment, *, hears, says, errors):
    for end, number in ((hears, 0), (says, 1)):
        os.dup2(end.fileno(), number)
        end.close()
    sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)
    with open(errors, "ab") as file:
        os.dup2(file.fileno(), 2)
    os.environ.update(environment)
    leave_graphs_as_traced()
    sys.path.insert(0, os.path.dirname(script))
    sys.argv = [script, *arguments]
    runpy.run_path(script, run_name="__main__")

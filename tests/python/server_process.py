"""An object server, on loopback, in a process of its own."""

from __future__ import annotations

import socket
import subprocess
import time
import urllib.error
import urllib.request

_SECONDS, _TRIES = 60, 3


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class ServerProcess:
    """A server that was started, and answers.

    Args:
        program: Path of the program to run.

    Attributes:
        port: The port on which it listens.
    """

    def __init__(self, program):
        self._program = program
        self._process = None
        for _ in range(_TRIES):  # somebody else may take a port that was free
            self.port = free_port()
            if self._starts():
                return
        raise AssertionError(f"{self._program} does not start")

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def arguments(self):
        """Return the program's arguments."""
        raise NotImplementedError

    def start(self):
        """Start it again, on its port, which a client may be using meanwhile."""
        deadline = time.monotonic() + _SECONDS
        while not self._starts():
            assert time.monotonic() < deadline, f"{self._program} does not start"
            time.sleep(0.1)

    def stop(self):
        self._process.kill()
        self._process.wait()

    def _starts(self):
        """Start it, and return whether it answers; it has ended if it does not."""
        self._process = subprocess.Popen(
            [str(self._program), *self.arguments()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + _SECONDS
        while self._process.poll() is None and time.monotonic() < deadline:
            if self._answers():
                return True
            time.sleep(0.02)
        self.stop()
        return False

    def _answers(self):
        try:
            urllib.request.urlopen(self.url, timeout=5).close()
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False
        return True

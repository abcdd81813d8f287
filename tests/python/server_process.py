"""A server of objects, on loopback, in a process of its own."""

from __future__ import annotations

import socket
import subprocess
import time
import urllib.error
import urllib.request


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class ServerProcess:
    """A server that was started, and answers.

    Args:
        program: Path of what is to be run.

    Attributes:
        port: On which it listens.
    """

    def __init__(self, program):
        self._program = program
        self.port = free_port()
        self._process = None
        self.start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def arguments(self):
        """Return what the program is told."""
        raise NotImplementedError

    def start(self):
        self._process = subprocess.Popen(
            [str(self._program), *self.arguments()],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 60
        while not self._answers():
            assert time.monotonic() < deadline, f"{self._program} does not start"
            time.sleep(0.02)

    def stop(self):
        self._process.kill()
        self._process.wait()

    def _answers(self):
        try:
            urllib.request.urlopen(self.url, timeout=5).close()
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False
        return True

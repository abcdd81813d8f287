"""A proxy on loopback that counts HTTP requests, and can stop forwarding."""

from __future__ import annotations

import contextlib
import re
import selectors
import socket
import threading

_HEAD = re.compile(
    rb"(GET|HEAD|PUT|POST|DELETE) (/\S*) HTTP/1\.1\r\n((?:[^\r\n]+\r\n)+)\r\n"
)
_LENGTH = re.compile(rb"content-length: (\d+)\r\n", re.IGNORECASE)
_LONGEST_HEAD = 8192


class Proxy:
    """Forwards connections to a port of this machine.

    Attributes:
        port: The port it listens on.
        requests: Method and path of each request that was forwarded.
        lengths: How many bytes each of them has after its head.
        sent: How many bytes clients have sent.
    """

    def __init__(self, port):
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.requests, self.lengths, self.sent = [], [], 0
        self._forwards = threading.Event()
        self._forwards.set()
        self._closed = False
        threading.Thread(target=self._accept, daemon=True).start()

    def hang(self):
        """Accept what comes, but forward nothing, until `go_on`."""
        self._forwards.clear()

    def go_on(self):
        """Forward what has come, and what comes."""
        self._forwards.set()

    def close(self):
        self._closed = True
        self._forwards.set()
        self._listener.close()

    def _accept(self):
        with contextlib.suppress(OSError):  # it is closed
            while True:
                client, _ = self._listener.accept()
                threading.Thread(
                    target=self._serve, args=(client,), daemon=True
                ).start()

    def _serve(self, client):
        with client, contextlib.suppress(OSError):
            self._forwards.wait()
            with socket.create_connection(("127.0.0.1", self._target)) as server:
                self._forward(client, server)

    def _forward(self, client, server):
        tail = b""
        with selectors.DefaultSelector() as selector:
            selector.register(client, selectors.EVENT_READ, server)
            selector.register(server, selectors.EVENT_READ, client)
            while not self._closed:
                for key, _ in selector.select(timeout=0.1):
                    self._forwards.wait()
                    data = key.fileobj.recv(1 << 16)
                    if not data:
                        return
                    if key.fileobj is client:
                        tail = self._count(tail + data)
                        self.sent += len(data)
                    key.data.sendall(data)

    def _count(self, data):
        """Count the requests in what came, and return what may be part of one."""
        end = 0
        for match in _HEAD.finditer(data):
            self.requests.append(f"{match[1].decode()} {match[2].decode()}")
            length = _LENGTH.search(match[3])
            self.lengths.append(int(length[1]) if length else 0)
            end = match.end()
        return data[max(end, len(data) - _LONGEST_HEAD) :]


@contextlib.contextmanager
def proxy_of(server, monkeypatch):
    """Give a proxy in front of a server; the environment points to the proxy."""
    proxy = Proxy(server.port)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{proxy.port}")
    try:
        yield proxy
    finally:
        proxy.close()

"""What is to become an object: measured here, and sent whole."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from zlib import crc32

from modelcheckpoint.storage.base import Digest, Part, measured

__all__ = ["StagedObject"]

_CHUNK = 1 << 20

Put = Callable[[str, Callable[[], Iterable[Any]], Digest], None]


class StagedObject:
    """What is to become an object; see `base.Staged`.

    Args:
        put: Sends it.
        name: That it gets.
        suffix: How the name of the local file ends, where one is asked for.
    """

    def __init__(self, put: Put, name: str, suffix: str) -> None:
        self.published = False
        self._put = put
        self._name = name
        self._suffix = suffix
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._parts: list[Any] = []
        self._digest = Digest(0, "")

    @property
    def path(self) -> str:
        """A file on the local disk, which is made when it is first asked for."""
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="modelcheckpoint-")
            open(self._local(self._folder), "xb").close()
        return self._local(self._folder)

    def write(self, parts: Iterable[Part]) -> Digest:
        """Measure what the object is to hold; it is sent when it is published."""
        kept = [data for data, _ in parts if len(data)]
        self._parts = kept
        return self._sealed(_measured(kept))

    def seal(self) -> Digest:
        """Measure what somebody wrote to `path`; it is sent when it is published."""
        with open(self.path, "rb") as file:
            digest = measured(file)
        self._parts = []
        return self._sealed(digest)

    def publish(self) -> None:
        """Send the object, in parts, and return once the store has confirmed it."""
        pieces = lambda: self._parts or _pieces_of(self.path)  # noqa: E731
        self._put(self._name, pieces, self._digest)
        self.published = True

    def discard(self) -> None:
        """Let go of what it was to hold."""
        self._parts = []
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def _sealed(self, digest: Digest) -> Digest:
        if not digest.bytes:
            raise OSError(errno.EIO, "the model's save wrote nothing")
        self._digest = digest
        return digest

    def _local(self, folder: tempfile.TemporaryDirectory[str]) -> str:
        return os.path.join(folder.name, f"checkpoint{self._suffix}")


def _pieces_of(path: str) -> Iterator[bytes]:
    with open(path, "rb") as file:
        while data := file.read(_CHUNK):
            yield data


def _measured(parts: Iterable[Any]) -> Digest:
    """Return the digest of what parts hold together."""
    checksum = size = 0
    for data in parts:
        checksum = crc32(data, checksum)
        size += len(data)
    return Digest(size, f"{checksum:08x}")

"""A future object: measured here, and sent as a whole."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from modelcheckpoint.storage.base import Digest, Part, measured
from modelcheckpoint.storage.crc32 import crc32
from modelcheckpoint.storage.staged import NOTHING_KNOWN

__all__ = ["StagedObject"]

_CHUNK = 1 << 20

Put = Callable[[str, Callable[[], Iterable[Any]], Digest], None]


class StagedObject:
    """A future object; see `base.Staged`.

    Args:
        put: Sends it.
        name: The name that it gets.
        suffix: The suffix of the local file, if one is requested.
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
        """A local file, which is created when it is first requested."""
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="modelcheckpoint-")
            open(self._local(self._folder), "xb").close()
        return self._local(self._folder)

    def write(self, parts: Iterable[Part]) -> Digest:
        """Measure the contents; they are sent when the object is published."""
        kept = [data for data, _ in parts if len(data)]
        self._parts = kept
        return self._sealed(_measured(kept))

    def seal(self, known: Mapping[str, Digest] = NOTHING_KNOWN) -> Digest:
        """Measure what somebody wrote to `path`; `publish` sends it."""
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
        """Discard its contents."""
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
    """Return the digest of all parts together."""
    checksum = size = 0
    for data in parts:
        checksum = crc32(data, checksum)
        size += len(data)
    return Digest(size, f"{checksum:08x}")

"""An object in a store, read as a file."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

from modelcheckpoint.storage.object_store import as_system_errors

__all__ = ["ObjectFile"]

_CHUNK = 4 << 20


class ObjectFile(io.RawIOBase):
    """An object as a file; reading after a seek costs a new request.

    Args:
        store: The store that has it.
        name: Of the object.
        address: Of the object, for errors.

    Attributes:
        version: A value that no other object has, and that changes when this one is
            replaced.
    """

    def __init__(self, store: Any, name: str, address: str) -> None:
        import obstore

        super().__init__()
        self._store, self._name, self._address = store, name, address
        self._at = 0
        self._pieces: Iterator[Any] | None = None
        self._piece = memoryview(b"")
        with as_system_errors(address):
            found = obstore.head(store, name)
        self._size, self._tag = found["size"], found["e_tag"]
        self.name = name
        self.version = (name, self._tag, found["version"])

    @classmethod
    def opened(cls, store: Any, name: str, address: str) -> io.BufferedReader:
        """Open an object.

        Raises:
            FileNotFoundError: If there is no such object.
            OSError: If it cannot be read.
        """
        return io.BufferedReader(cls(store, name, address), 1 << 20)

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the position of the next read."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a position; the next read then costs a request."""
        at = offset + (0, self._at, self._size)[whence]
        if at != self._at:
            self._at = at
            self._pieces = None
            self._piece = memoryview(b"")
        return at

    def readinto(self, buffer: Any) -> int:
        """Read what is available, at most as much as fits."""
        with as_system_errors(self._address):
            if not len(self._piece) and self._at < self._size:
                self._piece = memoryview(self._next()).cast("B")
        count = min(len(buffer), len(self._piece))
        buffer[:count] = self._piece[:count]
        self._piece = self._piece[count:]
        self._at += count
        return count

    def _next(self) -> Any:
        import obstore

        if self._pieces is None:
            options: Any = {"if_match": self._tag}  # not an object that has replaced it
            if self._at:  # some servers ignore a range that covers everything
                options["range"] = {"offset": self._at}
            found = obstore.get(self._store, self._name, options=options)
            self._pieces = iter(found.stream(min_chunk_size=_CHUNK))
        return next(self._pieces, b"")

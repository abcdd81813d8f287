"""A copy of an object on the local disk."""

from __future__ import annotations

import os
import tempfile
from io import BufferedReader
from types import TracebackType
from typing import cast

from modelcheckpoint.storage.base import Entry
from modelcheckpoint.storage.object_file import ObjectFile

__all__ = ["LocalCopy"]

_CHUNK = 1 << 20


class LocalCopy:
    """A copy of the object that was requested last, until the end of the block.

    If the same object is requested again, it is not downloaded again. The copy has the
    suffix of the object, because Keras looks at that.

    Attributes:
        journals: The contents of each journal that was read; one that has grown counts
            as another journal.
    """

    def __init__(self) -> None:
        self.journals: dict[Entry, bytes] = {}
        self._folder = tempfile.TemporaryDirectory(prefix="modelcheckpoint-")
        self._version: object = None
        self._path = ""

    def __enter__(self) -> LocalCopy:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._folder.cleanup()

    def of(self, source: BufferedReader) -> str:
        """Return the path of a copy of an object.

        Args:
            source: The object, at its beginning.

        Raises:
            OSError: If it cannot be read, or the copy cannot be written.
        """
        remote = cast(ObjectFile, source.raw)
        if remote.version != self._version:
            self._discard()
            self._path = os.path.join(self._folder.name, os.path.basename(remote.name))
            with open(self._path, "wb") as target:
                while data := source.read(_CHUNK):
                    target.write(data)
            self._version = remote.version
        return self._path

    def _discard(self) -> None:
        self._version = None
        if self._path and os.path.exists(self._path):
            os.unlink(self._path)

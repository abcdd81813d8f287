"""A model's state at one moment, ready to be written by another thread."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from modelcheckpoint.errors import is_interrupt
from modelcheckpoint.formats.image import Image
from modelcheckpoint.formats.internals import NeedsKeras
from modelcheckpoint.formats.value_copies import Copies
from modelcheckpoint.storage.base import Digest, Part, Staged
from modelcheckpoint.storage.writer import LARGE

__all__ = [
    "FileSnapshot",
    "Maker",
    "NeedsKeras",
    "Snapshot",
    "Snapshotter",
    "room_for",
]

Parts = Iterator[Part]


class Snapshot(Protocol):
    """A checkpoint of one moment, still to be completed and written."""

    @property
    def nbytes(self) -> int:
        """The size of its data in bytes; the format may add more."""

    @property
    def arrays(self) -> int:
        """The number of its arrays."""

    def complete(self) -> None:
        """Make the remaining copies, so that no value of the model is held any more.

        Any thread may call this. A snapshot that is dropped holds none, either.
        """

    def write_to(self, staged: Staged) -> Digest:
        """Write the completed snapshot durably, on any thread; return its digest.

        Raises:
            OSError: If writing fails.
        """


@dataclass(frozen=True)
class FileSnapshot:
    """A checkpoint in one file; see `Snapshot`."""

    nbytes: int
    arrays: int
    _copies: Copies
    _parts: Callable[[], Parts]

    @classmethod
    def of(cls, image: Image, copies: Copies) -> FileSnapshot:
        """Return the snapshot of a file that is one image, with copies left to make."""
        data = image.block.data
        return cls(len(data), len(image.places), copies, lambda: iter([(data, None)]))

    def complete(self) -> None:
        """Make the remaining copies."""
        self._copies.make()

    def parts(self) -> Parts:
        """Return the parts of the file, in order.

        This needs neither Keras nor h5py. If the format has checksums, they are
        computed without blocking other threads.
        """
        return self._parts()

    def write_to(self, staged: Staged) -> Digest:
        """Write all parts."""
        return staged.write(self.parts())


class Maker(Protocol):
    """Makes the snapshots of one model in one format."""

    def expect(self, model: Any) -> None:
        """Prepare for the first snapshot of a model that is about to be trained."""

    def take(self, model: Any) -> Snapshot:
        """Copy the model's state now, or hold the values that cannot change.

        Raises:
            NeedsKeras: If only Keras' public API can save this model.
        """


class Snapshotter:
    """Takes snapshots of one model in one format, into memory that it keeps.

    There is one piece of memory, so each snapshot must be written or abandoned before
    the next one is taken.

    Args:
        make: Returns a new maker with its own memory.
    """

    def __init__(self, make: Callable[[], Maker]) -> None:
        self._make = make
        self._maker = make()
        self._process = os.getpid()
        self._taking = False

    def expect(self, model: Any) -> None:
        """Prepare for the first snapshot of a model that is about to be trained."""
        try:
            self._maker.expect(model)
        except Exception as error:  # the save reports it, if it matters
            if is_interrupt(error):
                raise

    def take(self, model: Any) -> Snapshot:
        """Copy or hold the model's state now; the model is not needed later.

        Raises:
            NeedsKeras: If only Keras' public API can save this model.
        """
        # A forked child does not have the memory. After an interrupt during a snapshot,
        # the memory may hold half of it.
        if self._taking or self._process != os.getpid():
            self._maker, self._process = self._make(), os.getpid()
        self._taking = True
        snapshot = self._taken(model)
        self._taking = False
        return snapshot

    def _taken(self, model: Any) -> Snapshot:
        try:
            return self._maker.take(model)
        except NeedsKeras:
            raise
        except Exception as error:
            if is_interrupt(error):
                raise
            # A user's own method failed, or Keras' internals have moved. Keras' public
            # API can save the model, or raises an error that users know.
            raise NeedsKeras(f"there was a {type(error).__name__}: {error}") from error


def room_for(model: Any, optimizer: bool = True) -> int:
    """Estimate the size of a file of the model's state in bytes; 0 if it is small.

    If the estimate is too small, the image allocates more memory itself.
    """
    variables = list(model.variables)
    if optimizer and getattr(model, "optimizer", None) is not None:
        variables += model.optimizer.variables
    arrays = sum(math.prod(v.shape) * _item_size(v.dtype) for v in variables)
    return arrays + (2 << 20) + 8192 * len(variables) if arrays >= LARGE else 0


def _item_size(dtype: str) -> int:
    import numpy as np

    try:
        return np.dtype(dtype).itemsize
    except TypeError:  # a type that only the backend has
        return 0

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
from modelcheckpoint.storage.base import Part
from modelcheckpoint.storage.writer import LARGE

__all__ = ["Maker", "NeedsKeras", "Snapshot", "Snapshotter", "room_for"]

Parts = Iterator[Part]


@dataclass(frozen=True)
class Snapshot:
    """A file, complete but for being written.

    Attributes:
        nbytes: The bytes it holds, without what an archive says of its members.
        arrays: How many arrays were copied.
    """

    nbytes: int
    arrays: int
    _parts: Callable[[], Parts]

    @classmethod
    def of(cls, image: Image) -> Snapshot:
        """Return the snapshot of a file that is one image."""
        data = image.block.data
        return cls(len(data), len(image.places), lambda: iter([(data, None)]))

    def parts(self) -> Parts:
        """Return the parts of the file, in order.

        For any thread: it needs neither Keras nor h5py, and computes checksums, if
        the format has any, without holding up other threads.
        """
        return self._parts()


class Maker(Protocol):
    """Makes the snapshots of one model in one format."""

    def expect(self, model: Any) -> None:
        """Prepare for the first snapshot of a model that is about to be trained."""

    def take(self, model: Any) -> Snapshot:
        """Copy the model's state now.

        Raises:
            NeedsKeras: If this model can be saved by Keras' public API only.
        """


class Snapshotter:
    """Takes snapshots of one model in one format, into memory that it keeps.

    There is one piece of memory, so a snapshot must have been written, or given up,
    before the next is taken.

    Args:
        make: Returns a new maker, with memory of its own.
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
        except Exception as error:  # what matters is told when it is saved
            if is_interrupt(error):
                raise

    def take(self, model: Any) -> Snapshot:
        """Copy the model's state now; nothing else of the model is needed later.

        Raises:
            NeedsKeras: If this model can be saved by Keras' public API only.
        """
        # After a fork the memory is not here; after an interrupt in the midst of a
        # snapshot it may be half of one.
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
            # Whatever it is, a user's own method or an inside of Keras that has
            # moved: Keras' public API can do it, or raises what users know.
            raise NeedsKeras(f"there was a {type(error).__name__}: {error}") from error


def room_for(model: Any, optimizer: bool = True) -> int:
    """Return about how many bytes a file of the model's state has, or 0 if few.

    Should it be less than the file needs, that one takes its memory itself.
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
    except TypeError:  # a type of the backend's own
        return 0

"""A model's state at one moment, ready to be written by another thread."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, cast

from modelcheckpoint.errors import is_interrupt
from modelcheckpoint.formats import Format
from modelcheckpoint.formats.archive import member, pack
from modelcheckpoint.formats.assets import Assets
from modelcheckpoint.formats.internals import NeedsKeras, check_model, saving_of_keras
from modelcheckpoint.formats.legacy_h5 import LegacyImage
from modelcheckpoint.formats.weights_h5 import WeightsImage
from modelcheckpoint.storage.writer import LARGE, Part

__all__ = ["NeedsKeras", "Snapshot", "Snapshotter"]

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

    def parts(self) -> Parts:
        """Return the parts of the file, in order.

        For any thread: it needs neither Keras nor h5py, and computes checksums, if
        the format has any, without holding up other threads.
        """
        return self._parts()


class Snapshotter:
    """Takes snapshots of one model in one format, into memory that it keeps.

    There is one piece of memory, so a snapshot must have been written, or given up,
    before the next is taken.
    """

    def __init__(self, format: Format) -> None:
        makers: dict[str, Callable[[], Any]] = {
            "weights.h5": _Weights,
            "keras": _Archive,
            "hdf5": lambda: _HDF5(weights_only=False),
            "hdf5-weights": lambda: _HDF5(weights_only=True),
        }
        self._make = makers[format.name]
        self._file = self._make()
        self._process = os.getpid()
        self._taking = False

    def expect(self, model: Any) -> None:
        """Prepare for the first snapshot of a model that is about to be trained."""
        try:
            self._file.expect(model)
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
            self._file, self._process = self._make(), os.getpid()
        self._taking = True
        snapshot = self._taken(model)
        self._taking = False
        return snapshot

    def _taken(self, model: Any) -> Snapshot:
        try:
            return cast(Snapshot, self._file.take(model))
        except NeedsKeras:
            raise
        except Exception as error:
            if is_interrupt(error):
                raise
            # Whatever it is, a user's own method or an inside of Keras that has
            # moved: Keras' public API can do it, or raises what users know.
            raise NeedsKeras(f"there was a {type(error).__name__}: {error}") from error


class _Weights:
    """`.weights.h5`."""

    def __init__(self) -> None:
        self._image: WeightsImage | None = None

    def expect(self, model: Any) -> None:
        check_model(model, "save_weights")
        self._image = self._image or WeightsImage()
        self._image.expect(_room(model))

    def take(self, model: Any) -> Snapshot:
        check_model(model, "save_weights")
        self._image = self._image or WeightsImage()
        _, image = self._image.take(model)
        data = image.block.data
        return Snapshot(len(data), len(image.places), lambda: iter([(data, None)]))


class _Archive:
    """`.keras`."""

    def __init__(self) -> None:
        self._image: WeightsImage | None = None
        self._assets = Assets()

    def expect(self, model: Any) -> None:
        check_model(model, "save")
        self._image = self._image or WeightsImage()
        self._image.expect(_room(model))

    def take(self, model: Any) -> Snapshot:
        check_model(model, "save")
        self._image = self._image or WeightsImage()
        layout, image = self._image.take(model)
        config, metadata = saving_of_keras().to_json(model)
        members = [
            member("metadata.json", metadata.encode()),
            member("config.json", config.encode()),
            member("model.weights.h5", image.block.data),
            *self._assets.of(layout.assets),
        ]
        size = sum(len(data) for _, data in members)
        return Snapshot(size, len(image.places), lambda: pack(members))


class _HDF5:
    """`.h5` and `.hdf5`."""

    def __init__(self, weights_only: bool) -> None:
        self._method = "save_weights" if weights_only else "save"
        self._weights_only = weights_only
        self._image = LegacyImage(weights_only)

    def expect(self, model: Any) -> None:
        check_model(model, self._method)
        self._image.expect(_room(model, optimizer=not self._weights_only))

    def take(self, model: Any) -> Snapshot:
        check_model(model, self._method)
        image = self._image.take(model)
        data = image.block.data
        return Snapshot(len(data), len(image.places), lambda: iter([(data, None)]))


def _room(model: Any, optimizer: bool = True) -> int:
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

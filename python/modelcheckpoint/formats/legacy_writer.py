"""Write legacy HDF5 of Keras 3 in the layout that Keras reads.

Arrays of bfloat16 are written as float32: NumPy and HDF5 do not know the type, and
Keras cannot load what it writes for them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any

from modelcheckpoint.formats.hdf5_arrays import write_array
from modelcheckpoint.formats.hdf5_limits import legacy_format
from modelcheckpoint.formats.image import Block, Image
from modelcheckpoint.formats.internals import NeedsKeras
from modelcheckpoint.formats.legacy_attributes import model_attributes
from modelcheckpoint.formats.legacy_layout import (
    Layout,
    Variables,
    layout_of,
    variables_of,
)
from modelcheckpoint.formats.value_copies import Copies, Misfit
from modelcheckpoint.formats.values import Read, reader_of

__all__ = ["LegacyImage", "write", "write_names"]

_HEADER = 64512
"""The most bytes of an attribute; Keras splits longer lists at the same size."""


def write(model: Any, path: str, weights_only: bool) -> None:
    """Write the model, or its weights, from copies of its variables.

    Keras 3 still reads weights alone in this layout, but no longer writes them.
    """
    import h5py
    import keras

    attributes = {} if weights_only else model_attributes(model)
    layout = _layout_of(variables_of(model, weights_only), weights_only)
    arrays = map(keras.ops.convert_to_numpy, layout.variables)
    with h5py.File(path, "w") as file:
        for _ in _write(file, layout, attributes, map(_storable, arrays)):
            pass


class LegacyImage:
    """The file of a model, or of its weights, kept in memory from save to save.

    It is written once, from views of the variables, and again if the model's variables
    or the names of its layers have changed. The attributes (the configs of the model
    and of its training) are made again at each save.
    """

    def __init__(self, weights_only: bool) -> None:
        self._weights_only = weights_only
        self._variables = Variables([], [], [])
        self._in_order: list[Any] = []
        self._attributes: dict[str, Any] = {}
        self._image: Image | None = None
        self._block = Block(0)

    def expect(self, room: int) -> None:
        """Prepare for a file of about that size."""
        self._block.expect(room)

    def take(self, model: Any) -> tuple[Image, Copies]:
        """Bring the image up to the model's current state, except for some copies.

        Raises:
            NeedsKeras: If the model's HDF5 file cannot be made this way.
        """
        if legacy_format(model) is None:
            raise NeedsKeras("this Keras has no HDF5 format that is known")
        read = reader_of(model)
        variables = variables_of(model, self._weights_only)
        attributes = {} if self._weights_only else model_attributes(model)
        if self._image is not None and variables.are(self._variables):
            with contextlib.suppress(Misfit):
                return self._filled(self._image, attributes, read)
        self._image = None  # none is left if writing fails
        self._image = self._written(variables, attributes, read)
        return self._image, Copies()

    def _filled(
        self, image: Image, attributes: dict[str, Any], read: Read
    ) -> tuple[Image, Copies]:
        if attributes != self._attributes:
            image.change(lambda file: file.attrs.update(attributes))
            self._attributes = attributes
        return image, image.fill(read(self._in_order), as_float32=True)

    def _written(
        self, variables: Variables, attributes: dict[str, Any], read: Read
    ) -> Image:
        layout = _layout_of(variables, self._weights_only)
        self._variables, self._in_order = variables, layout.variables
        self._attributes = attributes
        self._block = self._block.with_room(_room(layout, _arrays(read, layout)))
        arrays = map(_storable, _arrays(read, layout))
        return Image(self._block, lambda file: _write(file, layout, attributes, arrays))


def _arrays(read: Read, layout: Layout) -> Iterator[Any]:
    return (value.array for value in read(layout.variables))


def _layout_of(variables: Variables, weights_only: bool) -> Layout:
    import keras

    # Keras before 3.3 does not use paths here.
    version = tuple(map(int, keras.__version__.split(".")[:2]))
    root = "" if weights_only else "model_weights"
    return layout_of(variables, root, by="path" if version >= (3, 3) else "name")


def _storable(array: Any) -> Any:
    """Return an array that HDF5 can store: bfloat16 as float32, which is exact."""
    return array.astype("float32") if array.dtype.name == "bfloat16" else array


def _write(
    file: Any, layout: Layout, attributes: dict[str, Any], arrays: Iterator[Any]
) -> Iterator[tuple[Any, tuple[int, ...], Any]]:
    """Write everything; yield each dataset, its shape and its type."""
    import keras

    file.attrs.update(attributes)
    weights = file.create_group(layout.root) if layout.root else file
    write_names(weights, "layer_names", layout.layer_names)
    weights.attrs["backend"] = keras.backend.backend().encode()
    weights.attrs["keras_version"] = keras.__version__.encode()
    for group in layout.groups:
        written = file.create_group(group.path)
        write_names(written, "weight_names", group.names)
        for name in group.names:
            array = next(arrays)
            dataset = write_array(written, name, array)
            yield dataset.id, array.shape, array.dtype


def write_names(group: Any, attribute: str, names: list[str]) -> None:
    """Write a list of names, in several attributes if one cannot hold it."""
    import numpy as np

    encoded = [name.encode() for name in names]
    array = np.asarray(encoded)
    parts = -(-len(names) // max(_HEADER // array.itemsize, 1))
    if parts <= 1:
        group.attrs[attribute] = encoded
        return
    for number, part in enumerate(np.array_split(array, parts)):
        group.attrs[f"{attribute}{number}"] = part


def _room(layout: Layout, arrays: Iterable[Any]) -> int:
    """Estimate the size of a layout's file, in bytes."""
    room = (1 << 20) + 8192 * len(layout.groups)
    for array in arrays:
        twice = array.dtype.name == "bfloat16"
        room += array.nbytes * (2 if twice else 1) + 1024
    return room

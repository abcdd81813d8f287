"""Legacy HDF5 of Keras 3, written by hand in the layout that Keras reads.

Arrays of bfloat16, which NumPy and so HDF5 knows nothing of, are written as float32:
what Keras writes of them it cannot load.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from modelcheckpoint.formats.hdf5_arrays import write_array
from modelcheckpoint.formats.hdf5_limits import legacy_format
from modelcheckpoint.formats.image import Block, Image, Misfit
from modelcheckpoint.formats.internals import NeedsKeras, reader_of
from modelcheckpoint.formats.legacy_attributes import model_attributes
from modelcheckpoint.formats.legacy_layout import (
    Layout,
    Variables,
    layout_of,
    variables_of,
)

__all__ = ["LegacyImage", "write", "write_names"]

Read = Callable[[Sequence[Any]], Iterator[Any]]

_HEADER = 64512
"""Bytes that an attribute may have; Keras splits a longer list at the same place."""


def write(model: Any, path: str, weights_only: bool) -> None:
    """Write the model, or its weights, from copies of its variables.

    Keras 3 reads weights alone in this layout but no longer offers to write them.
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

    It is written once, from views of the variables, and again when the model has other
    variables, or other names for its layers. What it says of the model (its config, and
    that of its training) is asked again at each save.
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

    def take(self, model: Any) -> Image:
        """Bring the image up to the model's state now.

        Raises:
            NeedsKeras: If the model's HDF5 file cannot be made so.
        """
        if legacy_format(model) is None:
            raise NeedsKeras("this Keras has no HDF5 format that is known")
        read = reader_of(model)
        variables = variables_of(model, self._weights_only)
        attributes = {} if self._weights_only else model_attributes(model)
        image = self._filled(variables, read)
        if image is None:
            self._image = None  # should this fail, there is none
            image = self._image = self._written(variables, attributes, read)
        elif attributes != self._attributes:
            image.change(lambda file: file.attrs.update(attributes))
        self._attributes = attributes
        return image

    def _filled(self, variables: Variables, read: Read) -> Image | None:
        if self._image is None or not variables.are(self._variables):
            return None
        try:
            self._image.fill(map(_storable, read(self._in_order)))
        except Misfit:
            return None
        return self._image

    def _written(
        self, variables: Variables, attributes: dict[str, Any], read: Read
    ) -> Image:
        layout = _layout_of(variables, self._weights_only)
        self._variables, self._in_order = variables, layout.variables
        self._block = self._block.with_room(_room(layout, read(self._in_order)))
        arrays = map(_storable, read(self._in_order))
        return Image(self._block, lambda file: _write(file, layout, attributes, arrays))


def _layout_of(variables: Variables, weights_only: bool) -> Layout:
    import keras

    # Keras before 3.3 does not know paths here.
    version = tuple(map(int, keras.__version__.split(".")[:2]))
    root = "" if weights_only else "model_weights"
    return layout_of(variables, root, by="path" if version >= (3, 3) else "name")


def _storable(array: Any) -> Any:
    """Return what HDF5 can hold: float32 for bfloat16, of which it has each value."""
    return array.astype("float32") if array.dtype.name == "bfloat16" else array


def _write(
    file: Any, layout: Layout, attributes: dict[str, Any], arrays: Iterator[Any]
) -> Iterator[tuple[Any, tuple[int, ...], Any]]:
    """Write all, and yield each dataset, its shape and its type."""
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
    """Write a list of names, in several attributes where one cannot hold it."""
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
    """Return about how many bytes the file of a layout has."""
    room = (1 << 20) + 8192 * len(layout.groups)
    for array in arrays:
        twice = array.dtype.name == "bfloat16"
        room += array.nbytes * (2 if twice else 1) + 1024
    return room

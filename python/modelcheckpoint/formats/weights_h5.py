"""The format `.weights.h5`, an image laid out group by group as Keras does it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from modelcheckpoint.formats import keras_api, walked_reading
from modelcheckpoint.formats.hdf5_arrays import write_array
from modelcheckpoint.formats.image import Block, Image
from modelcheckpoint.formats.internals import check_model
from modelcheckpoint.formats.layout import Layout, Layouts
from modelcheckpoint.formats.one_writer import OneWriter
from modelcheckpoint.formats.optimizer_state import OptimizerState
from modelcheckpoint.formats.snapshot import FileSnapshot, Snapshotter, room_for
from modelcheckpoint.formats.structure import hdf5_problem
from modelcheckpoint.formats.value_copies import Copies, Misfit
from modelcheckpoint.formats.values import Read, Value, reader_of
from modelcheckpoint.records import Record
from modelcheckpoint.storage.opened import Opened

__all__ = ["WeightsH5", "WeightsMaker"]


class WeightsH5(OneWriter):
    """The format `.weights.h5`; `Format` documents the methods."""

    name = "weights.h5"
    suffixes = (".weights.h5",)
    weights_only = True
    extra = None

    def check(self, model: Any) -> None:
        """Accept every model: its weights can always be saved."""

    def reservation(self, model: Any) -> str | None:
        """Return None: weights load into any model like this one."""
        return None

    def snapshotter(self) -> Snapshotter:
        """Return a snapshotter that lays out weights in memory."""
        return Snapshotter(lambda: WeightsMaker("save_weights"))

    def write(self, model: Any, path: str, sparingly: bool = False) -> None:
        """Have Keras write the weights."""
        keras_api.write(model, path, weights_only=True)

    def read(self, model: Any, path: str, record: Record | None) -> OptimizerState:
        """Load the weights and the optimizer's state."""
        import h5py

        return walked_reading.read(model, path, record, h5py.File)

    def read_weights(self, model: Any, path: str, record: Record | None) -> None:
        """Load the weights without the optimizer's state."""
        walked_reading.read_weights(model, path)

    def problem(self, checkpoint: Opened) -> str | None:
        """Return a problem if the signature of HDF5 is missing, or None."""
        return hdf5_problem(checkpoint.file)


class WeightsMaker:
    """Makes the snapshots of one model's weights; see `Maker`.

    Args:
        method: Name of the Keras method that would write the file.
    """

    def __init__(self, method: str) -> None:
        self._method = method
        self._image: WeightsImage | None = None

    def expect(self, model: Any) -> None:
        """Prepare for the first snapshot."""
        self._checked(model).expect(room_for(model))

    def take(self, model: Any) -> FileSnapshot:
        """Copy or hold the weights now."""
        _, image, copies = self._checked(model).take(model)
        return FileSnapshot.of(image, copies)

    def _checked(self, model: Any) -> WeightsImage:
        """Return the image of the weights; raise if Keras must write the file."""
        check_model(model, self._method)
        self._image = self._image or WeightsImage()
        return self._image


class WeightsImage:
    """The weights file of a model, kept in memory from save to save."""

    def __init__(self) -> None:
        self._layouts = Layouts()
        self._layout: Layout | None = None
        self._image: Image | None = None
        self._block = Block(0)

    def expect(self, room: int) -> None:
        """Prepare for a file of about that size."""
        self._block.expect(room)

    def take(self, model: Any) -> tuple[Layout, Image, Copies]:
        """Bring the image up to the model's current state, except for some copies.

        Raises:
            NeedsKeras: If the model's weights file cannot be made this way.
        """
        read = reader_of(model)
        layout = self._layouts.of(model)
        before = self._layout
        if self._image is not None and before is not None and layout.is_like(before):
            with contextlib.suppress(Misfit):
                copies = self._image.fill(self._values(layout, read))
                return layout, self._image, copies
        self._layout = self._image = None  # none is left if writing fails
        self._image = self._written(layout, read)
        self._layout = layout
        return layout, self._image, Copies()

    def _written(self, layout: Layout, read: Read) -> Image:
        size = sum(value.array.nbytes for value in self._values(layout, read))
        self._block = self._block.with_room(size + _beside_arrays(layout))
        empty = self._layouts.saving.empty_groups
        arrays = (value.array for value in self._values(layout, read))
        return Image(self._block, lambda file: _write(file, layout, arrays, empty))

    def _values(self, layout: Layout, read: Read) -> Iterator[Value]:
        variable, to_numpy = (
            self._layouts.saving.variable,
            self._layouts.saving.to_numpy,
        )
        values = [value for group in layout.groups for value in group.values]
        of_variables = read([value for value in values if isinstance(value, variable)])
        for value in values:
            if isinstance(value, variable):
                yield next(of_variables)
            else:  # nobody knows what may change it
                yield Value(to_numpy(value))


def _write(
    file: Any, layout: Layout, arrays: Iterator[Any], empty_groups: bool
) -> Iterator[tuple[Any, tuple[int, ...], Any]]:
    """Write everything; yield each dataset, its shape and its type."""
    for group in layout.groups:
        if not (group.keys or group.attributes or empty_groups):
            continue
        written = file.create_group(f"{group.path}/vars" if group.path else "vars")
        for name, value in group.attributes.items():
            written.attrs[name] = value
        for key in group.keys:
            array = next(arrays)
            dataset = write_array(written, key, array)
            if array.dtype.name == "bfloat16":  # HDF5 does not know this type
                dataset.attrs["dtype"] = "bfloat16"
            yield dataset.id, array.shape, array.dtype


def _beside_arrays(layout: Layout) -> int:
    """Return the bytes that the file needs beside the arrays, rounded up generously."""
    groups = sum(group.path.count("/") + 2 for group in layout.groups)
    datasets = sum(len(group.keys) for group in layout.groups)
    return (1 << 16) + 1536 * groups + 768 * datasets

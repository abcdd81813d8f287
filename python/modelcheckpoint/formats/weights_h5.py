"""`.weights.h5` as an image, laid out group by group as Keras does it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, BinaryIO

from modelcheckpoint.formats import keras_api, walked_reading
from modelcheckpoint.formats.hdf5_arrays import write_array
from modelcheckpoint.formats.image import Block, Image, Misfit
from modelcheckpoint.formats.internals import check_model, reader_of
from modelcheckpoint.formats.layout import Layout, Layouts
from modelcheckpoint.formats.optimizer_state import OptimizerState
from modelcheckpoint.formats.snapshot import Snapshot, Snapshotter, room_for
from modelcheckpoint.formats.structure import hdf5_problem
from modelcheckpoint.records import Record

__all__ = ["WeightsH5", "WeightsImage"]

Read = Callable[[Sequence[Any]], Iterator[Any]]


class WeightsH5:
    """The format `.weights.h5`; `Format` says what each method promises."""

    name = "weights.h5"
    suffixes = (".weights.h5",)
    weights_only = True

    def check(self, model: Any) -> None:
        """Raise for no model: weights can always be saved so."""

    def reservation(self, model: Any) -> str | None:
        """Return None: weights have their use in any model like this."""
        return None

    def snapshotter(self) -> Snapshotter:
        """Return what lays out weights in memory."""
        return Snapshotter(_Maker)

    def write(self, model: Any, path: str, sparingly: bool = False) -> None:
        """Have Keras write the weights."""
        keras_api.write(model, path, weights_only=True)

    def read(self, model: Any, path: str, record: Record | None) -> OptimizerState:
        """Load the weights, and the optimizer's state among them."""
        import h5py

        return walked_reading.read(model, path, record, h5py.File)

    def read_weights(self, model: Any, path: str, record: Record | None) -> None:
        """Load the weights, but for the optimizer's state."""
        walked_reading.read_weights(model, path)

    def problem(self, file: BinaryIO) -> str | None:
        """Return that the signature of HDF5 is missing, or None."""
        return hdf5_problem(file)


class _Maker:
    def __init__(self) -> None:
        self._image: WeightsImage | None = None

    def expect(self, model: Any) -> None:
        check_model(model, "save_weights")
        self._image = self._image or WeightsImage()
        self._image.expect(room_for(model))

    def take(self, model: Any) -> Snapshot:
        check_model(model, "save_weights")
        self._image = self._image or WeightsImage()
        _, image = self._image.take(model)
        return Snapshot.of(image)


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

    def take(self, model: Any) -> tuple[Layout, Image]:
        """Bring the image up to the model's state now.

        Raises:
            NeedsKeras: If the model's weights file cannot be made so.
        """
        read = reader_of(model)
        layout = self._layouts.of(model)
        image = self._filled(layout, read)
        if image is None:
            self._layout = self._image = None  # should this fail, there is none
            image = self._image = self._written(layout, read)
            self._layout = layout
        return layout, image

    def _filled(self, layout: Layout, read: Read) -> Image | None:
        if self._image is None or self._layout is None:
            return None
        if not layout.is_like(self._layout):
            return None
        try:
            self._image.fill(self._arrays(layout, read))
        except Misfit:
            return None
        return self._image

    def _written(self, layout: Layout, read: Read) -> Image:
        size = sum(array.nbytes for array in self._arrays(layout, read))
        self._block = self._block.with_room(size + _beside_arrays(layout))
        empty = self._layouts.saving.empty_groups
        arrays = self._arrays(layout, read)
        return Image(self._block, lambda file: _write(file, layout, arrays, empty))

    def _arrays(self, layout: Layout, read: Read) -> Iterator[Any]:
        variable, to_numpy = (
            self._layouts.saving.variable,
            self._layouts.saving.to_numpy,
        )
        values = [value for group in layout.groups for value in group.values]
        arrays = read([value for value in values if isinstance(value, variable)])
        for value in values:
            yield next(arrays) if isinstance(value, variable) else to_numpy(value)


def _write(
    file: Any, layout: Layout, arrays: Iterator[Any], empty_groups: bool
) -> Iterator[tuple[Any, tuple[int, ...], Any]]:
    """Write all, and yield each dataset, its shape and its type."""
    for group in layout.groups:
        if not (group.keys or group.attributes or empty_groups):
            continue
        written = file.create_group(f"{group.path}/vars" if group.path else "vars")
        for name, value in group.attributes.items():
            written.attrs[name] = value
        for key in group.keys:
            array = next(arrays)
            dataset = write_array(written, key, array)
            if array.dtype.name == "bfloat16":  # which HDF5 does not know
                dataset.attrs["dtype"] = "bfloat16"
            yield dataset.id, array.shape, array.dtype


def _beside_arrays(layout: Layout) -> int:
    """Return how many bytes the file needs beside the arrays, and some more."""
    groups = sum(group.path.count("/") + 2 for group in layout.groups)
    datasets = sum(len(group.keys) for group in layout.groups)
    return (1 << 16) + 1536 * groups + 768 * datasets

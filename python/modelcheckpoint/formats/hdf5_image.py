"""`.h5` and `.hdf5` as an image: Keras writes the first file, later ones are filled."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import is_
from typing import Any

from modelcheckpoint.formats import hdf5
from modelcheckpoint.formats.config import lent_compile_config
from modelcheckpoint.formats.hdf5_limits import legacy_format
from modelcheckpoint.formats.hdf5_names import distinct_file
from modelcheckpoint.formats.hdf5_views import with_views
from modelcheckpoint.formats.image import Block, Image, Misfit
from modelcheckpoint.formats.internals import NeedsKeras, reader_of

__all__ = ["HDF5Image"]

Read = Callable[[Sequence[Any]], Iterator[Any]]
Sources = list[tuple[str, list[Any]]]
"""Each group that has weights, and the variables that they come from."""


class HDF5Image:
    """The HDF5 file of a model, or of its weights, kept in memory from save to save.

    Keras writes the first file into memory, from views of the variables, and again when
    the model has other weights, or names for them. What it says of the model (its
    config, and that of its training) is asked anew at each save.
    """

    def __init__(self, weights_only: bool) -> None:
        self._weights_only = weights_only
        self._sources: Sources = []
        self._texts: dict[str, str] = {}
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
        legacy = legacy_format(model)
        if legacy is None:
            raise NeedsKeras("this Keras has no HDF5 format that is known")
        read = reader_of(model)
        sources = list(_sources(model, legacy, self._weights_only))
        image = self._filled(sources, read)
        if image is None:
            self._image = None  # should this fail, there is none
            image = self._written(model, legacy, sources, read)
            self._image, self._sources = image, sources
        elif not self._weights_only:
            self._update_attributes(image, _attributes(model, legacy))
        return image

    def _filled(self, sources: Sources, read: Read) -> Image | None:
        if self._image is None or not _same(sources, self._sources):
            return None
        try:
            self._image.fill(self._arrays(sources, self._image, read))
        except Misfit:
            return None
        return self._image

    def _update_attributes(self, image: Image, attributes: dict[str, Any]) -> None:
        if _texts(attributes) != self._texts:
            image.change(lambda file: file.attrs.update(attributes))
            self._texts = _texts(attributes)

    def _written(self, model: Any, legacy: Any, sources: Sources, read: Read) -> Image:
        self._block = self._block.with_room(_room(sources, read))
        variables = _variables(sources)
        views = {id(one): array for one, array in zip(variables, read(variables))}
        known: list[bool] = []

        def write(file: Any) -> Iterator[tuple[Any, tuple[int, ...], Any]]:
            with with_views(legacy, views) as lent:
                hdf5.fill(model, file, lent, self._weights_only)
            self._texts = _texts(file.attrs)
            for path, (_, some) in zip(self._paths(file, legacy), sources):
                for dataset, variable in _datasets(file, path, legacy, some):
                    view: Any = views[id(variable)]
                    source = getattr(dataset, "written", None)
                    known.append(source == id(view) and view.dtype == dataset.dtype)
                    yield dataset.id, dataset.shape, dataset.dtype

        image = Image(self._block, write, distinct_file)
        arrays = self._arrays(sources, image, read)
        for place, array, is_known in zip(image.places, arrays, known):
            # What Keras wrote from another array, or was mended, is looked at.
            if not (is_known or _equal(place, array)):
                raise NeedsKeras("an HDF5 file holds its weights in another order")
        return image

    def _paths(self, file: Any, legacy: Any) -> list[str]:
        """Return the groups in the order of `_sources`, by the names that they got."""
        root = "" if self._weights_only else "model_weights/"
        group = file[root] if root else file
        names = legacy.load_attributes_from_hdf5_group(group, "layer_names")
        own = [*names, "top_level_model_weights"]
        return [*(f"{root}{name}" for name in own), "optimizer_weights"]

    def _arrays(self, sources: Sources, image: Image, read: Read) -> Iterator[Any]:
        for place, array in zip(image.places, read(_variables(sources))):
            # Where the file has float32 in place of bfloat16: it holds each value.
            mended = array.dtype.name == "bfloat16" and place.dtype == "float32"
            yield array.astype("float32") if mended else array


def _sources(
    model: Any, legacy: Any, weights_only: bool
) -> Iterator[tuple[str, list[Any]]]:
    """Yield each group that has weights, and the variables that they come from."""
    root = "" if weights_only else "model_weights/"
    for layer in model.layers:
        yield f"{root}{layer.name}", legacy._legacy_weights(layer)
    own = model._trainable_variables + model._non_trainable_variables
    weights = {id(variable) for variable in model.weights}
    top = [variable for variable in own if id(variable) in weights]
    yield f"{root}top_level_model_weights", top
    optimizer = None if weights_only else getattr(model, "optimizer", None)
    if optimizer is not None and optimizer.variables:
        yield "optimizer_weights", list(optimizer.variables)


def _same(ones: Sources, others: Sources) -> bool:
    return len(ones) == len(others) and all(
        path == other and len(some) == len(more) and all(map(is_, some, more))
        for (path, some), (other, more) in zip(ones, others)
    )


def _variables(sources: Sources) -> list[Any]:
    return [variable for _, some in sources for variable in some]


def _datasets(
    file: Any, path: str, legacy: Any, variables: list[Any]
) -> Iterator[tuple[Any, Any]]:
    """Yield each dataset of a group, and the variable that should be in it."""
    names = legacy.load_attributes_from_hdf5_group(file[path], "weight_names")
    if len(names) != len(variables):
        raise NeedsKeras(f"an HDF5 file holds other weights in {path!r}")
    for name, variable in zip(names, variables):
        # To look it up in the file takes longer.
        yield file.made[f"{path}/{name}"], variable


def _room(sources: Sources, read: Read) -> int:
    room = (1 << 20) + 8192 * len(sources)
    for array in read(_variables(sources)):
        twice = array.dtype.name == "bfloat16"
        room += array.nbytes * (2 if twice else 1) + 1024
    return room


def _texts(attributes: Mapping[str, Any]) -> dict[str, str]:
    """Return attributes as they are read from a file."""
    return {
        name: value.decode() if isinstance(value, bytes) else str(value)
        for name, value in attributes.items()
    }


def _equal(place: Any, array: Any) -> bool:
    import numpy as np

    if place.shape != array.shape or place.dtype != array.dtype:
        return False
    one, other = (part.reshape(-1).view(np.uint8) for part in (place, array))
    return bool(np.array_equal(one, other))  # bit by bit: no NaN equals another


def _attributes(model: Any, legacy: Any) -> dict[str, Any]:
    """Return the attributes of the file that Keras would write now, mended."""
    import h5py

    class Enough(Exception):
        """All attributes are there, and the weights are about to come."""

    class Header(h5py.File):  # type: ignore[misc]
        attrs: Any = None  # in place of a property

        def __init__(self) -> None:
            self.attrs = {}

        def create_group(self, *arguments: Any, **more: Any) -> Any:
            raise Enough

    header = Header()
    try:
        with lent_compile_config(model):
            legacy.save_model_to_hdf5(model, header)
    except Enough:
        hdf5.mend_attributes(model, header)
        return dict(header.attrs)
    raise NeedsKeras("this Keras writes HDF5 in another order")

"""The format `.orbax`: a folder that Orbax writes, in which a model is in parts."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from modelcheckpoint.errors import FormatError
from modelcheckpoint.formats import orbax_io, orbax_reading
from modelcheckpoint.formats.assets import Assets
from modelcheckpoint.formats.config import check_config
from modelcheckpoint.formats.internals import (
    NeedsKeras,
    check_model,
    saving_of_keras,
)
from modelcheckpoint.formats.layout import Layouts
from modelcheckpoint.formats.model_parts import layers_of
from modelcheckpoint.formats.optimizer_state import OptimizerState
from modelcheckpoint.formats.orbax_config import (
    loadable,
    not_found_by_keras,
    not_read_by_keras,
)
from modelcheckpoint.formats.reading import sync
from modelcheckpoint.formats.rebuilding import reservation
from modelcheckpoint.formats.snapshot import Snapshot, Snapshotter
from modelcheckpoint.formats.state_tree import Clash, Tree, groups_of, order_of, tree
from modelcheckpoint.formats.structure import orbax_problem
from modelcheckpoint.formats.value_copies import Copies, Misfit, copied
from modelcheckpoint.formats.values import Read, reader_of
from modelcheckpoint.observe.keras_models import array_of, keras_of, overrides
from modelcheckpoint.records import Record
from modelcheckpoint.storage.base import Digest, Staged
from modelcheckpoint.storage.opened import Opened

__all__ = ["Orbax"]


@dataclass(frozen=True)
class Orbax:
    """A folder in the layout of Keras' `OrbaxCheckpoint`; see `Format`."""

    weights_only: bool

    suffixes = (".orbax",)
    extra = "orbax"
    has_parts = True

    @property
    def name(self) -> str:
        """`"orbax"`, or `"orbax-weights"` for weights and optimizer alone."""
        return "orbax-weights" if self.weights_only else "orbax"

    def check(self, model: Any) -> None:
        """Raise if a part has no config, no path of its own, or state of its own."""
        _check_keras(model)
        if not self.weights_only:
            check_config(model, hdf5=False)
        _state(model, self.weights_only, _variables(model, self.weights_only))
        _check_own_state(model)

    def reservation(self, model: Any) -> str | None:
        """Return a warning if Keras cannot rebuild the model, or read the folder."""
        said = [not_read_by_keras(keras_of(model))]
        if not self.weights_only:
            said += [reservation(model, self.suffixes[0]) or not_found_by_keras(model)]
        return " ".join(filter(None, said)) or None

    def snapshotter(self) -> Snapshotter:
        """Return a snapshotter that copies the variables of one model."""
        return Snapshotter(lambda: _Maker(self.weights_only))

    def write(self, model: Any, path: str, sparingly: bool = False) -> None:
        """Write the folder straight from the variables, while training waits."""
        variables = _variables(model, self.weights_only)
        arrays = [array_of(variable) for variable in variables]
        _contents(model, self.weights_only, arrays, _Beside()).write(path)

    def write_part(self, model: Any, path: str, seconds: float) -> Callable[[], None]:
        """Begin to write this JAX process' part of the model."""
        sync(model)
        variables = _variables(model, self.weights_only)
        arrays = [variable.value for variable in variables]
        contents = _contents(model, self.weights_only, arrays, _Beside())
        return contents.write_part(path, seconds)

    def is_in_part(self, name: str, process: int) -> bool:
        """Return whether a file is in the folder of the process' own arrays."""
        return f"ocdbt.process_{process}" in name.split("/")

    def join_parts(self, path: str) -> None:
        """Make the written parts readable on any devices."""
        orbax_io.forget_devices(path)

    def problem(self, checkpoint: Opened) -> str | None:
        """Return a problem if there is no step in the folder, or None."""
        return orbax_problem(checkpoint.members)

    def read(self, model: Any, path: str, record: Record | None) -> OptimizerState:
        """Load the weights, and the optimizer's state."""
        return orbax_reading.read(model, path, record)

    def read_weights(self, model: Any, path: str, record: Record | None) -> None:
        """Load the weights, and leave the optimizer as it is."""
        orbax_reading.read_weights(model, path)


@dataclass(frozen=True)
class _Contents:
    state: Tree
    order: dict[str, list[str]]
    config: str | None
    assets: Tree

    def write(self, path: str) -> None:
        orbax_io.write(path, self.state, self.order, self.config, self.assets)

    def write_part(self, path: str, seconds: float) -> Callable[[], None]:
        parts = (self.state, self.order, self.config, self.assets)
        return orbax_io.write_part(path, *parts, seconds)


@dataclass(frozen=True)
class _TreeSnapshot:
    nbytes: int
    arrays: int
    _copies: Copies
    _contents: _Contents

    def complete(self) -> None:
        self._copies.make()

    def write_to(self, staged: Staged) -> Digest:
        self._contents.write(staged.path)
        return staged.seal()


class _Maker:
    """Copies variables into arrays, which it keeps for the next save."""

    def __init__(self, weights_only: bool) -> None:
        self._weights_only = weights_only
        self._beside = _Beside()
        self._arrays: list[Any] = []

    def expect(self, model: Any) -> None:
        """Import Orbax, which is slow."""
        from orbax.checkpoint import v1  # noqa: F401

    def take(self, model: Any) -> Snapshot:
        check_model(model, "get_state_tree")
        variables = _variables(model, self._weights_only)
        copies = self._filled(variables, reader_of(model))
        contents = _contents(model, self._weights_only, self._arrays, self._beside)
        return _TreeSnapshot(_size(self._arrays), len(self._arrays), copies, contents)

    def _filled(self, variables: Sequence[Any], read: Read) -> Copies:
        import numpy as np

        if len(variables) == len(self._arrays):
            with contextlib.suppress(Misfit):
                return copied(self._arrays, read(variables), _size(self._arrays))
        values = (value.array for value in read(variables))
        self._arrays = [np.empty(value.shape, value.dtype) for value in values]
        return copied(self._arrays, read(variables), _size(self._arrays))


def _size(arrays: Iterable[Any]) -> int:
    return sum(array.nbytes for array in arrays)


# The contents of a checkpoint


def _variables(model: Any, weights_only: bool) -> list[Any]:
    groups = groups_of(model, weights_only)
    return [variable for group in groups.values() for variable in group]


def _contents(
    model: Any, weights_only: bool, arrays: Sequence[Any], beside: _Beside
) -> _Contents:
    state, order = _state(model, weights_only, arrays), order_of(model)
    if weights_only:
        return _Contents(state, order, None, {})
    config = loadable(saving_of_keras().to_json(model)[0])
    return _Contents(state, order, config, beside.of(model))


class _Beside:
    """The files that a model keeps beside its weights, save by save."""

    def __init__(self) -> None:
        self._assets = Assets()
        self._layouts: Layouts | None = None

    def of(self, model: Any) -> Tree:
        """Return the files of all parts, by folder."""
        import numpy as np

        if not any(hasattr(layer, "save_assets") for layer in layers_of(model)):
            return {}
        self._layouts = self._layouts or Layouts()
        members = self._assets.of(self._layouts.of(model).assets)
        files = ((info.filename.partition("/")[2], data) for info, data in members)
        return tree((path, np.frombuffer(data, np.uint8)) for path, data in files)


def _state(model: Any, weights_only: bool, arrays: Sequence[Any]) -> Tree:
    """Return the arrays by the groups and paths of their variables.

    Raises:
        FormatError: If two variables have the same path.
    """
    values = iter(arrays)
    try:
        return {
            name: tree((variable.path, next(values)) for variable in group)
            for name, group in groups_of(model, weights_only).items()
        }
    except Clash as clash:
        raise FormatError(
            "A .orbax folder has a place for each variable by its path, and two of "
            f"this model have the path {str(clash)!r}: give their layers names of "
            "their own, or end `filepath` in another suffix."
        ) from None


def _check_keras(model: Any) -> None:
    keras = keras_of(model)
    try:
        if hasattr(keras, "ops"):  # new in Keras 3
            saving_of_keras()
            return
    except NeedsKeras:
        pass
    raise FormatError(
        "A .orbax folder holds a model of Keras 3.4 or newer, not of "
        f"{keras.__name__} {keras.__version__}: end `filepath` in another suffix."
    )


def _check_own_state(model: Any) -> None:
    """Raise if a layer saves state by a method of its own."""
    for layer in layers_of(model):
        if overrides(layer, "save_own_variables"):
            raise FormatError(
                "A .orbax folder holds variables alone, and the class "
                f"{type(layer).__name__!r} saves by a `save_own_variables` of its own: "
                "end `filepath` in .keras or .weights.h5."
            )

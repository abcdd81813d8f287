"""The formats `.h5` and `.hdf5`: legacy HDF5, a full model or its weights alone."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from modelcheckpoint.formats import hdf5_limits, keras_api
from modelcheckpoint.formats.backup import optimizer_variables
from modelcheckpoint.formats.config import check_config
from modelcheckpoint.formats.hdf5_limits import legacy_format
from modelcheckpoint.formats.hdf5_tree import attribute, shapes
from modelcheckpoint.formats.internals import check_model
from modelcheckpoint.formats.legacy_order import Disorder, Orders, in_order, orders
from modelcheckpoint.formats.legacy_writer import LegacyImage, write
from modelcheckpoint.formats.one_writer import OneWriter
from modelcheckpoint.formats.optimizer_state import (
    OptimizerState,
    StoredOptimizer,
    build,
    look,
)
from modelcheckpoint.formats.reading import (
    all_or_nothing,
    be_built,
    inspecting,
    load_weights,
    misfit,
    sync,
)
from modelcheckpoint.formats.snapshot import FileSnapshot, Snapshotter, room_for
from modelcheckpoint.formats.structure import hdf5_problem
from modelcheckpoint.observe.keras_models import overrides
from modelcheckpoint.observe.optimizer import optimizer_of
from modelcheckpoint.records import Record
from modelcheckpoint.storage.opened import Opened

__all__ = ["LegacyH5"]


@dataclass(frozen=True)
class LegacyH5(OneWriter):
    """Legacy HDF5; `Format` documents the methods.

    tf_keras and Keras 2 can read the files they write, so they write them themselves.
    """

    weights_only: bool

    suffixes = (".h5", ".hdf5")
    extra = None

    @property
    def name(self) -> str:
        """`"hdf5"`, or `"hdf5-weights"` for weights alone."""
        return "hdf5-weights" if self.weights_only else "hdf5"

    def check(self, model: Any) -> None:
        """Raise if HDF5 cannot store the model, or its weights."""
        if self.weights_only:
            hdf5_limits.check_weights(model)
        else:
            check_config(model, hdf5=True)
            hdf5_limits.check_model(model)

    def reservation(self, model: Any) -> str | None:
        """Return None: `check` refuses models that would not load."""
        return None

    def snapshotter(self) -> Snapshotter:
        """Return a snapshotter that lays out legacy files in memory."""
        return Snapshotter(lambda: _Maker(self.weights_only))

    def write(self, model: Any, path: str, sparingly: bool = False) -> None:
        """Write the file; have Keras do it for Keras 2 and for a model's own method."""
        if legacy_format(model) is None or overrides(model, _method(self.weights_only)):
            keras_api.write(model, path, self.weights_only)
        else:
            write(model, path, self.weights_only)

    def read(self, model: Any, path: str, record: Record | None) -> OptimizerState:
        """Load the weights, in the model's order, and the optimizer's state."""
        import h5py

        be_built(model, path, record)
        compiled = build(model)
        sync(model)
        with inspecting(path), h5py.File(path, "r") as file:
            shapes(file)  # raises if a part of the file lies in another file
            order = _orders(model, path, file, record)
            stored = _stored_optimizer(file)
        state = look(model, stored, record) if compiled else OptimizerState(False)
        with all_or_nothing(path, [*model.variables, *optimizer_variables(model)]):
            with in_order(path, order) as ordered:
                load_weights(model, ordered, state.fits)
            if state.fits:
                _fill_optimizer(model, path)
        return state

    def read_weights(self, model: Any, path: str, record: Record | None) -> None:
        """Load the weights, in the model's order."""
        import h5py

        sync(model)
        with h5py.File(path, "r") as file:
            order = _orders(model, path, file, record)
        with (
            all_or_nothing(path, list(model.variables)),
            in_order(path, order) as ordered,
        ):
            load_weights(model, ordered, with_optimizer=False)

    def problem(self, checkpoint: Opened) -> str | None:
        """Return a problem if the signature of HDF5 is missing, or None."""
        return hdf5_problem(checkpoint.file)


class _Maker:
    def __init__(self, weights_only: bool) -> None:
        self._weights_only = weights_only
        self._image = LegacyImage(weights_only)

    def expect(self, model: Any) -> None:
        check_model(model, _method(self._weights_only))
        self._image.expect(room_for(model, optimizer=not self._weights_only))

    def take(self, model: Any) -> FileSnapshot:
        check_model(model, _method(self._weights_only))
        return FileSnapshot.of(*self._image.take(model))


def _method(weights_only: bool) -> str:
    """Return the name of the Keras method that writes such a file."""
    return "save_weights" if weights_only else "save"


def _orders(model: Any, path: str, file: Any, record: Record | None) -> Orders:
    in_file = None if record is None or not record.optimizer else record.optimizer
    here = optimizer_of(model)
    trains = [one.get("trains") for one in (in_file or {}, here or {})]
    same = None if None in trains else trains[0] == trains[1]
    try:
        return orders(model, file, same)
    except Disorder as error:
        raise misfit(path, str(error)) from error
    except (AttributeError, KeyError, TypeError):  # a file that somebody else wrote
        return {}


def _stored_optimizer(file: Any) -> StoredOptimizer:
    group = file.get("optimizer_weights")
    if group is None:
        return StoredOptimizer([])
    paths = attribute(group, "weight_names")
    try:
        config = json.loads(file.attrs["training_config"])["optimizer_config"]
    except (KeyError, TypeError, ValueError):  # a file that somebody else wrote
        config = None
    in_file = [tuple(group[path].shape) for path in paths]
    return StoredOptimizer(in_file, config, paths=paths)


def _fill_optimizer(model: Any, path: str) -> None:
    """Fill the optimizer from a full model whose state fits it.

    Keras' `load_model` does not (3.15), although the file has all of it, in this order.
    """
    import h5py

    with h5py.File(path, "r") as file:
        group = file["optimizer_weights"]
        paths = attribute(group, "weight_names")
        for path, variable in zip(paths, optimizer_variables(model)):
            variable.assign(group[path][()])

"""The format `.keras`: an archive of a model's config, weights and assets."""

from __future__ import annotations

import contextlib
import functools
import inspect
import json
import os
import zipfile
from collections.abc import Iterator
from typing import Any

from modelcheckpoint.formats import keras_api, walked_reading
from modelcheckpoint.formats.assets import Assets
from modelcheckpoint.formats.config import check_config
from modelcheckpoint.formats.internals import saving_of_keras, sparing_archives
from modelcheckpoint.formats.one_writer import OneWriter
from modelcheckpoint.formats.optimizer_state import OptimizerState
from modelcheckpoint.formats.rebuilding import reservation
from modelcheckpoint.formats.snapshot import FileSnapshot, Snapshotter
from modelcheckpoint.formats.structure import archive_problem
from modelcheckpoint.formats.weights_h5 import WeightsMaker
from modelcheckpoint.formats.zip_archive import member, open_member, pack
from modelcheckpoint.records import Record
from modelcheckpoint.storage.local import folder_of_its_own
from modelcheckpoint.storage.opened import Opened
from modelcheckpoint.storage.system import System

__all__ = ["Archive"]

_WEIGHTS = "model.weights.h5"


class Archive(OneWriter):
    """The format `.keras`; `Format` documents the methods."""

    name = "keras"
    suffixes = (".keras",)
    weights_only = False
    extra = None

    def check(self, model: Any) -> None:
        """Raise if a part of the model has no config."""
        check_config(model, hdf5=False)

    def reservation(self, model: Any) -> str | None:
        """Return a warning if `load_model` cannot rebuild the model from the file."""
        return reservation(model, ".keras")

    def snapshotter(self) -> Snapshotter:
        """Return a snapshotter that lays out archives in memory."""
        return Snapshotter(_Maker)

    def write(self, model: Any, path: str, sparingly: bool = False) -> None:
        """Have Keras write the archive, in a separate folder if necessary."""
        if not (sparingly or _writes_beside()):
            return keras_api.write(model, path, weights_only=False)
        sparing = sparing_archives() if sparingly else contextlib.nullcontext()
        with folder_of_its_own(path) as folder, sparing:
            inside = os.path.join(folder, os.path.basename(path))
            keras_api.write(model, inside, weights_only=False)
            if os.path.exists(inside):  # a model's own `save` may write nothing
                System().replace(inside, path)

    def read(self, model: Any, path: str, record: Record | None) -> OptimizerState:
        """Load the weights in the archive, and the optimizer's state."""
        return walked_reading.read(model, path, record, _opened, _optimizer_config)

    def read_weights(self, model: Any, path: str, record: Record | None) -> None:
        """Load the weights in the archive, without the optimizer's state."""
        walked_reading.read_weights(model, path)

    def problem(self, checkpoint: Opened) -> str | None:
        """Return what is wrong with the zip's directory, or None."""
        return archive_problem(checkpoint.file)


class _Maker(WeightsMaker):
    def __init__(self) -> None:
        super().__init__("save")
        self._assets = Assets()

    def take(self, model: Any) -> FileSnapshot:
        layout, image, copies = self._checked(model).take(model)
        config, metadata = saving_of_keras().to_json(model)
        members = [
            member("metadata.json", metadata.encode()),
            member("config.json", config.encode()),
            member(_WEIGHTS, image.block.data),
            *self._assets.of(layout.assets),
        ]
        size = sum(len(data) for _, data in members)
        return FileSnapshot(size, len(image.places), copies, lambda: pack(members))


@contextlib.contextmanager
def _opened(path: str) -> Iterator[Any]:
    import h5py

    with (
        open(path, "rb") as archive,
        open_member(archive, _WEIGHTS) as weights,
        h5py.File(weights, "r") as file,
    ):
        yield file


def _optimizer_config(path: str) -> Any:
    try:
        with zipfile.ZipFile(path) as archive:
            config = json.loads(archive.read("config.json"))
        return config["compile_config"]["optimizer"]
    except (KeyError, TypeError, ValueError):
        return None  # not compiled, or a file that somebody else wrote


@functools.lru_cache(maxsize=1)
def _writes_beside() -> bool:
    """Return whether Keras writes a `model.weights.h5` beside each archive it makes.

    Keras 3.2 to 3.4 do, and then delete it. A checkpoint of that name would be lost,
    and two runs in one folder would write the same file.
    """
    try:
        from keras.src.saving import saving_lib

        source = inspect.getsource(saving_lib._save_model_to_fileobj)
    except (ImportError, AttributeError, OSError, TypeError):
        return False
    return "working_dir / _VARS_FNAME_H5" in source

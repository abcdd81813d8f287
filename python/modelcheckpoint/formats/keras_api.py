"""Saving through Keras' public methods: what a model's own `save` does is what runs."""

from __future__ import annotations

import contextlib
import functools
import inspect
import os
from typing import Any

from modelcheckpoint.formats.internals import sparing_archives
from modelcheckpoint.storage.local import folder_of_its_own
from modelcheckpoint.storage.system import System

__all__ = ["write"]


def write(model: Any, path: str, weights_only: bool, sparingly: bool = False) -> None:
    """Write the model, or its weights, with the call that Keras' callback makes.

    Args:
        model: The model.
        path: Where to.
        weights_only: What is saved.
        sparingly: Whether memory is short.
    """
    if weights_only:
        model.save_weights(path, overwrite=True)
    elif path.endswith(".keras") and (sparingly or _writes_beside()):
        sparing = sparing_archives() if sparingly else contextlib.nullcontext()
        with folder_of_its_own(path) as folder, sparing:
            inside = os.path.join(folder, os.path.basename(path))
            model.save(inside, overwrite=True)
            if os.path.exists(inside):  # a model's own `save` may write nothing
                System().replace(inside, path)
    else:
        model.save(path, overwrite=True)


@functools.lru_cache(maxsize=1)
def _writes_beside() -> bool:
    """Return whether Keras writes a `model.weights.h5` beside each archive it makes.

    Keras 3.2 to 3.4 do, and delete it: a checkpoint of that name would be lost, and two
    runs in one folder would write the same file.
    """
    try:
        from keras.src.saving import saving_lib

        source = inspect.getsource(saving_lib._save_model_to_fileobj)
    except (ImportError, AttributeError, OSError, TypeError):
        return False
    return "working_dir / _VARS_FNAME_H5" in source

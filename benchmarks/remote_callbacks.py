"""The callbacks whose checkpoints end up in an object store."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import keras
import obstore
from obstore.store import from_url
from remote_server import BUCKET
from saving_callbacks import timed
from saving_cases import ORBAX, OURS, arguments, callback_class

COPIED = "keras, copied"
"""Keras' own callback, which saves to a folder, plus a copy of each file."""

KINDS = [
    (maker, suffix) for maker in (OURS, COPIED) for suffix in (".keras", ".weights.h5")
]

ROOT = f"s3://{BUCKET}"


class CopiedCheckpoint(keras.callbacks.ModelCheckpoint):
    """Keras' own callback plus a copy of each file to the store: its only way there.

    Training waits for both.

    Args:
        filepath: Where Keras saves, with a field for the epoch.
        root: Address under which each copy is stored, by the name of its file.
        more: Further arguments of Keras' callback.
    """

    def __init__(self, filepath: str, root: str, **more: Any) -> None:
        super().__init__(filepath, **more)
        self._store = store_at(root)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        super().on_epoch_end(epoch, logs)
        file = Path(self.filepath.format(epoch=epoch + 1))
        obstore.put(self._store, file.name, file)


def remote_callback(kind: tuple[str, str], folder: str) -> Any:
    """Empty the store, and return a callback whose checkpoints end up there.

    Args:
        kind: Who made the callback, and the format.
        folder: Local and empty; the folder in the store gets its name.
    """
    empty()
    root = root_of(folder)
    maker, suffix = kind
    name = f"model-{{epoch}}{suffix}"
    _, more = arguments(maker, suffix, folder)
    if maker == OURS:
        return timed(callback_class(maker))(f"{root}/{name}", **more)
    if maker == COPIED:
        return timed(CopiedCheckpoint)(os.path.join(folder, name), root, **more)
    return timed(callback_class(ORBAX))(root)


def root_of(folder: str) -> str:
    return f"{ROOT}/{os.path.basename(folder)}"


def store_at(address: str) -> Any:
    # If options are given, the environment's setting for http:// is not read.
    return from_url(address, client_options={"allow_http": True})


def empty() -> None:
    """Delete all objects, so that the server's disk does not fill up."""
    store = store_at(ROOT)
    for page in obstore.list(store):
        obstore.delete(store, [entry["path"] for entry in page])


def wait_for(callback: Any) -> None:
    """Wait until the store has confirmed every save that the callback has begun."""
    for name in ("wait", "wait_until_finished"):
        if hasattr(callback, name):
            getattr(callback, name)()


def why_not_orbax(train: Any, folder: str) -> str | None:
    """Return the error of `OrbaxCheckpoint` for an address of the store, if any."""
    here = os.getcwd()
    os.chdir(folder)  # it may take the address for a local path
    try:
        callback = callback_class(ORBAX)(root_of(folder))
        train(1, 2, [callback])
        callback.wait_until_finished()
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    finally:
        os.chdir(here)
    return None

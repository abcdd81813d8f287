"""Bring a checkpoint to this machine, whole or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Sequence

from modelcheckpoint.decide import arguments
from modelcheckpoint.errors import RestoreError, without_number
from modelcheckpoint.journal import log
from modelcheckpoint.lookup import absolute_path, described
from modelcheckpoint.records import Record
from modelcheckpoint.save.background import wait_for_all
from modelcheckpoint.storage.base import Digest, Storage, measured

__all__ = ["fetch_checkpoint"]

_CHUNK = 1 << 20


def fetch_checkpoint(
    path: str | os.PathLike[str], to: str | os.PathLike[str] = "."
) -> str:
    """Copy a checkpoint to a folder of this machine, and return the copy's path.

    Keras cannot load an address, so call this before `keras.models.load_model`:

        best = modelcheckpoint.best_checkpoint("s3://bucket/run")
        model = keras.models.load_model(modelcheckpoint.fetch_checkpoint(best))

    The copy is compared with the journal beside the checkpoint, if that describes it: a
    single flipped bit raises an error. The copy appears under its name once it is
    complete and durable. Saves that are under way in this process are waited for.

    Args:
        path: Address of a checkpoint, as `best_checkpoint` and `latest_checkpoint`
            return it, or its path.
        to: The folder. It is created if it does not exist; `~` is the home folder. The
            copy has the file name of the checkpoint. If the folder already has the same
            file, the result is the same as if it did not.

    Returns:
        The absolute path of the copy.

    Raises:
        ValueError: If an argument is no path, or the address is invalid.
        FileNotFoundError: If there is no such checkpoint.
        FileExistsError: If the folder has another file of that name, which stays.
        RestoreError: If the checkpoint is damaged. Nothing of it is left.
        OSError: If the checkpoint cannot be read, or the copy not be written.
    """
    file = absolute_path("path", path)
    folder = os.path.abspath(os.path.expanduser(arguments.path("to", to)))
    wait_for_all()
    storage, name, records = described(file)
    target = os.path.join(folder, name.rpartition("/")[2])
    os.makedirs(folder, exist_ok=True)
    handle, part = tempfile.mkstemp(prefix=".modelcheckpoint-", dir=folder)
    try:
        with os.fdopen(handle, "wb") as copy, storage.open(name) as source:
            while data := source.read(_CHUNK):
                copy.write(data)
            copy.flush()
            os.fsync(copy.fileno())
        with open(part, "rb") as copy:
            digest = measured(copy)
        _check(storage, name, records, digest)
        _check_free(target, digest)
        os.replace(part, target)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(part)
    return target


def _check(
    storage: Storage, name: str, records: Sequence[Record], digest: Digest
) -> None:
    if not records or log.matching(records, name, digest) is not None:
        return
    # Somebody may have saved it anew since.
    if log.matching(log.read(storage), name, digest) is None:
        newest = records[-1]
        raise RestoreError(
            f"{storage.path(name)} is damaged: it has {digest.bytes} bytes with the "
            f"crc32 {digest.crc32}, the journal says {newest.bytes} and {newest.crc32}."
        )


def _check_free(target: str, digest: Digest) -> None:
    try:
        with open(target, "rb") as file:
            same = measured(file) == digest
    except FileNotFoundError:
        return
    if not same:
        what = "`to` must be a folder without another file of this name"
        raise without_number(FileExistsError(17, what, target))

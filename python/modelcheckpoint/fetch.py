"""Copying a checkpoint to this machine, completely or not at all."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Sequence

from modelcheckpoint.decide import arguments
from modelcheckpoint.errors import RestoreError, without_number
from modelcheckpoint.journal import log
from modelcheckpoint.lookup import absolute_path, described
from modelcheckpoint.records import Record
from modelcheckpoint.save.background import wait_for_all
from modelcheckpoint.storage import storage_for
from modelcheckpoint.storage.base import Digest, Storage, digest_of
from modelcheckpoint.storage.durable_copy import durable_copy

__all__ = ["fetch_checkpoint"]


def fetch_checkpoint(
    path: str | os.PathLike[str], to: str | os.PathLike[str] = "."
) -> str:
    """Copy a checkpoint to a folder on this machine, and return the copy's path.

    Keras cannot load an address, so call this before `keras.models.load_model`:

        best = modelcheckpoint.best_checkpoint("s3://bucket/run")
        model = keras.models.load_model(modelcheckpoint.fetch_checkpoint(best))

    If the journal beside the checkpoint describes it, the copy is compared with that: a
    single flipped bit raises an error. The copy appears under its name once it is
    complete and durable; a `.orbax` folder is copied with everything in it. Saves that
    are in progress in this process are completed first.

    Args:
        path: Address of a checkpoint, as `best_checkpoint` and `latest_checkpoint`
            return it, or its path.
        to: The folder. It is created if it does not exist; `~` is the home folder. The
            copy has the name of the checkpoint. If the folder already has the same
            checkpoint, that one is kept.

    Returns:
        The absolute path of the copy.

    Raises:
        ValueError: If an argument is not a path, or the address is invalid.
        FileNotFoundError: If there is no such checkpoint.
        FileExistsError: If the folder has something else of that name, which stays.
        RestoreError: If the checkpoint is damaged. Nothing of it is left.
        OSError: If the checkpoint cannot be read, or the copy cannot be written.
    """
    file = absolute_path("path", path)
    folder = os.path.abspath(os.path.expanduser(arguments.path("to", to)))
    wait_for_all()
    storage, name, records = described(file)
    last = name.rpartition("/")[2]
    target = os.path.join(folder, last)
    os.makedirs(folder, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".modelcheckpoint-", dir=folder) as part:
        copy = os.path.join(part, last)
        digest = durable_copy(storage, name, copy)
        _check(storage, name, records, digest)
        if not _is_there(target, digest):
            os.rename(copy, target)
    return target


def _check(
    storage: Storage, name: str, records: Sequence[Record], digest: Digest
) -> None:
    if not records or log.matching(records, name, digest) is not None:
        return
    # Somebody may have saved it again since.
    if log.matching(log.read(storage), name, digest) is None:
        newest = records[-1]
        raise RestoreError(
            f"{storage.path(name)} is damaged: it has {digest.bytes} bytes with the "
            f"crc32 {digest.crc32}, the journal says {newest.bytes} and {newest.crc32}."
        )


def _is_there(target: str, digest: Digest) -> bool:
    """Return whether the same copy already exists.

    Raises:
        FileExistsError: If something else has its name.
    """
    if not os.path.lexists(target):
        return False
    folder, name = os.path.split(target)
    if digest_of(storage_for(folder), name) == digest:
        return True
    what = "`to` must be a folder without another file of this name"
    raise without_number(FileExistsError(errno.EEXIST, what, target))

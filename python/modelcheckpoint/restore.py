"""Loading a checkpoint into a model, with the point where training continues."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import warnings
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Union

from modelcheckpoint.addresses import is_address
from modelcheckpoint.errors import (
    CheckpointWarning,
    RestoreError,
    without_number,
)
from modelcheckpoint.extras import check_extra
from modelcheckpoint.formats import format_of_file
from modelcheckpoint.formats.optimizer_state import NO_STATE
from modelcheckpoint.journal.verify import Verifier
from modelcheckpoint.lookup import absolute_path, described
from modelcheckpoint.observe.keras_models import check_model
from modelcheckpoint.observe.layer_states import put_states
from modelcheckpoint.observe.seeds import put_global_seed, put_random, put_seeds
from modelcheckpoint.records import Record
from modelcheckpoint.save.background import wait_for_all
from modelcheckpoint.storage.base import Storage
from modelcheckpoint.storage.names import is_tree

__all__ = [
    "Restored",
    "restore",
    "restore_checkpoint",
    "restore_weights",
    "restored_from",
    "was_restored",
    "why_lost",
]

Number = Union[int, float]

# By their ids: a custom model may not be hashable.
_restored_by_hand: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()


@dataclass(frozen=True)
class Restored:
    """What was restored from a checkpoint.

    What is unknown, for example because no journal has a line for the file, is None.

    Attributes:
        path: Absolute path of the file.
        epochs_done: How many epochs were complete when it was saved. To continue, pass
            it to `fit` as `initial_epoch`, which counts from 0 in Python.
        epoch: Epoch in which it was saved, from 1.
        batch: Batch of that epoch, from 1; None if it was saved at the epoch's end.
        samples: Samples that training had seen.
        value: The monitored value.
        optimizer: Whether the optimizer's state was restored.
        seeds: Whether the states of the seed generators were restored.
        states: Whether the stateful layers have the states of the checkpoint; True if
            the model has no such layers.
        record: The journal's line for the file.
        optimizer_note: Why the optimizer's state was not restored, or that it is
            unknown which optimizer the state belongs to; else None.
    """

    path: str
    epochs_done: int | None
    epoch: int | None
    batch: int | None
    samples: int | None
    value: Number | None
    optimizer: bool
    seeds: bool
    states: bool
    record: Record | None
    optimizer_note: str | None = None

    @property
    def surprise(self) -> str | None:
        """What would surprise a user about the optimizer, in a sentence, or None."""
        if self.optimizer_note in (None, NO_STATE):
            return None
        if self.optimizer:
            return f"Restored from {self.path}: {self.optimizer_note}."
        return (
            f"Restored from {self.path}, but the optimizer starts from scratch, "
            f"because {self.optimizer_note}."
        )


def restore_checkpoint(model: Any, path: str | os.PathLike[str]) -> Restored:
    """Load a checkpoint into a model: weights, optimizer, seeds, layer states.

    To continue by hand:

        restored = restore_checkpoint(model, "checkpoints/w.04.keras")
        model.fit(x, y, epochs=10, initial_epoch=restored.epochs_done)

    Nothing is unpickled, and no code in the file is run: the weights go into the
    existing model. Everything but the weights and the optimizer's state comes from the
    journal in the file's folder, or in one of the eight folders above. On Torch, `fit`
    itself draws from the generator of Dropout before its first batch, so only the
    callback's `resume` continues it exactly. A file that was saved with SwapEMAWeights
    can contain averages; the model then has these.

    Args:
        model: Compiled, if its optimizer is to be restored. If it is not built yet, it
            is built from what the journal records.
        path: A `.keras`, `.weights.h5`, `.h5` or `.hdf5` file; or a `.orbax` folder, as
            this package or Keras' own `OrbaxCheckpoint` wrote it, whatever the names of
            the model's layers are; or the address of a file in an object store, which
            is first copied to a temporary folder. `~` is the home folder. Weights alone
            in `.h5` or `.hdf5` have no optimizer state. If the file has the state of a
            different optimizer (another class, or the same class with other variables),
            the weights are restored, the optimizer starts from scratch, and a
            `CheckpointWarning` says so.

    Returns:
        What was restored.

    Raises:
        ValueError: If `model` is not a Keras model, or `path` is not a path.
        OSError: If there is no such file, or it cannot be read.
        ImportError: If a library that an address or `.orbax` needs is missing.
        RestoreError: If the file is damaged, or belongs to another model. The model is
            then as it was before, as it is if Ctrl-C ends the call.
    """
    restored = restored_from(model, path)
    if restored.surprise is not None:
        warnings.warn(restored.surprise, CheckpointWarning, stacklevel=2)
    return restored


def restored_from(model: Any, path: str | os.PathLike[str]) -> Restored:
    """Do what `restore_checkpoint` does, but without warnings."""
    check_model(model, "The model is the first argument, the path the second.")
    file = _checked(path)
    wait_for_all()
    storage, name, records = described(file)
    with storage.kept_copies():
        verification = Verifier(storage).verify(name) if records else None
        record = None if verification is None else verification.record
        if verification is not None and verification.status == "damaged":
            raise RestoreError(f"{file} is damaged: {verification.reason}.")
        restored = restore(model, storage, name, record)
    _restored_by_hand[id(model)] = model
    return restored


def was_restored(model: Any) -> bool:
    """Return whether `restore_checkpoint` has loaded a checkpoint into this model."""
    return _restored_by_hand.get(id(model)) is model


def restore(model: Any, storage: Storage, name: str, record: Record | None) -> Restored:
    """Load a verified file, as `restore_checkpoint` does."""
    path = storage.path(name)
    format = format_of_file(path)
    if format.extra is not None:
        check_extra(format.extra, f"{path} ends in {format.suffixes[0]}")
    with _local_copy(storage, name) as local:
        state = format.read(model, local, record)
    if record is None:
        nothing = (None, None, None, None, None)
        states = put_states(model, None)
        return Restored(path, *nothing, state.fits, False, states, None, state.note)
    seeds = record.seeds is not None and put_seeds(model, record.seeds)
    if record.random is not None:
        seeds = put_random(model, record.random) and seeds
    if record.global_seed is not None:
        seeds = put_global_seed(model, record.global_seed) and seeds
    return Restored(
        path,
        record.epochs_done,
        record.epoch,
        record.batch,
        record.samples,
        record.value,
        state.fits,
        seeds,
        put_states(model, record.states),
        record,
        state.note,
    )


def restore_weights(model: Any, storage: Storage, record: Record) -> None:
    """Load only the weights of a verified checkpoint.

    Raises:
        RestoreError: If they do not fit. The model is then as it was.
    """
    with _local_copy(storage, record.path) as local:
        format_of_file(local).read_weights(model, local, record)


def why_lost(storage: Storage, record: Record) -> str:
    """Return why a checkpoint can no longer be loaded, or "" if it can."""
    try:
        found = Verifier(storage).verify(record.path)
    except OSError as error:
        return str(error)
    if found is not None and found.proves(record):
        return ""
    gone = found is None or found.status == "missing"
    reason = found.reason if found is not None and found.reason else None
    what = "it is gone" if gone else reason or "another file has its name now"
    return f"{record.path}: {what}"


@contextlib.contextmanager
def _local_copy(storage: Storage, name: str) -> Iterator[str]:
    """Give a local file to read from; errors name the checkpoint itself."""
    with storage.local_copy(name) as local:
        try:
            yield local
        except RestoreError as error:
            text = str(error).replace(local, storage.path(name))
            raise RestoreError(text) from error.__cause__


def _checked(path: str | os.PathLike[str]) -> str:
    """Return the absolute path, or the address, of a file that can be read."""
    file = absolute_path("path", path)
    if is_address(file):
        return file
    try:
        _check_file(file)
    except OSError as error:
        rule = "`path` must be a checkpoint's file that can be read"
        error = type(error)(error.errno, f"{rule}: {error.strerror}", os.fspath(path))
        raise without_number(error) from None
    return os.path.realpath(file) if os.path.islink(file) else file


def _check_file(path: str) -> None:
    """Raise if there is no file that can be read."""
    mode = os.stat(path).st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        # Opening a pipe would wait for a writer.
        raise OSError(errno.EINVAL, "it is not a regular file", path)
    if is_tree(path):
        os.scandir(path).close()
        return
    with open(path, "rb"):
        pass

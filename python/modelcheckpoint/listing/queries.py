"""Find the newest and best checkpoint and prune the rest; results without printing."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Union

from modelcheckpoint.addresses import check_address, is_address
from modelcheckpoint.decide import arguments
from modelcheckpoint.decide.monitor import best_record, direction_of
from modelcheckpoint.decide.retention import Keep, to_delete
from modelcheckpoint.display.text import quantity, size_text
from modelcheckpoint.errors import without_number
from modelcheckpoint.journal.prune import prune
from modelcheckpoint.journal.scan import contents
from modelcheckpoint.listing.checkpoint_list import CheckpointList, catalogue
from modelcheckpoint.records import Record
from modelcheckpoint.save.background import wait_for_all
from modelcheckpoint.storage import absolute, storage_for
from modelcheckpoint.storage.base import Storage

__all__ = [
    "Folder",
    "Pruned",
    "find_best",
    "find_latest",
    "found_in",
    "opened",
    "pruned",
]

Folder = Union[str, "os.PathLike[str]"]


@dataclass(frozen=True)
class Pruned:
    """The result of pruning a folder.

    Attributes:
        found: What was deleted, or would be.
        summary: The same in a sentence.
        error: Why a file could not be deleted; None if all were.
    """

    found: CheckpointList
    summary: str
    error: OSError | None

    @property
    def wrong(self) -> str | None:
        """Why a file could not be deleted, in a sentence."""
        return None if self.error is None else str(self.error)


def found_in(folder: Folder) -> CheckpointList:
    """Return the result of `list_checkpoints`."""
    return _listed(opened(folder))


def find_latest(folder: Folder) -> tuple[str | None, str]:
    """Return the result of `latest_checkpoint`, and the reason if it is None."""
    found = found_in(folder)
    if not found:
        return None, f"There is no checkpoint in {found.folder!r}."
    return found[-1].path, ""


def find_best(
    folder: Folder, monitor: str | None = None, mode: str | None = None
) -> tuple[str | None, str]:
    """Return the result of `best_checkpoint`, and the reason if it is None."""
    if monitor is not None:
        monitor = arguments.text("monitor", monitor)
    if mode is not None:
        mode = arguments.choice("mode", mode, ("min", "max"))
    found = found_in(folder)
    if not found:
        return None, f"There is no checkpoint in {found.folder!r}."
    records = [one.record for one in found if one.record is not None]
    if mode is None and monitor is not None:
        mode = _direction(records, monitor)
    best = best_record(records, monitor, mode)
    if best is None:
        return None, _no_best(found, monitor)
    return next(one.path for one in found if one.record is best), ""


def pruned(
    folder: Folder,
    keep_latest: int | None = None,
    keep_best: int | None = None,
    keep_every: int | None = None,
    dry_run: bool = True,
) -> Pruned:
    """Do what `prune_checkpoints` does, without printing or raising late errors."""
    keep = Keep(
        arguments.count_or_none("keep_latest", keep_latest),
        arguments.count_or_none("keep_best", keep_best),
        arguments.count_or_none("keep_every", keep_every),
    )
    dry = arguments.flag("dry_run", dry_run)
    if not keep:
        raise ValueError(
            "`keep_latest`, `keep_best` or `keep_every` must say what to keep, and "
            "none of them does."
        )
    storage = opened(folder)
    found = _listed(storage)
    doomed = _doomed(found, keep)
    if dry or not doomed:
        return Pruned(doomed, _summary("Would delete", doomed, found), None)
    files = [(one.file, one.record) for one in doomed if one.record is not None]
    gone, errors = prune(storage, files)
    names = {file.name for file in gone}
    deleted = CheckpointList((c for c in doomed if c.name in names), found.folder)
    return Pruned(deleted, _summary("Deleted", deleted, found), _error_of(errors))


def opened(folder: Folder) -> Storage:
    """Return the storage of a folder that exists and can be read."""
    given = arguments.path("folder", folder)
    path = absolute(given)
    if is_address(path):
        check_address("folder", path)
        return _opened_at(path)
    if not os.path.isdir(path):
        there = os.path.lexists(path)
        kind = NotADirectoryError if there else FileNotFoundError
        number = errno.ENOTDIR if there else errno.ENOENT
        raise without_number(
            kind(number, "`folder` must be a folder that exists", given)
        )
    os.scandir(path).close()
    return storage_for(path)


def _opened_at(address: str) -> Storage:
    storage = storage_for(address)
    if not any(True for _ in storage.entries(("",), 99)):
        what = "`folder` must contain checkpoints, but nothing is there"
        raise without_number(FileNotFoundError(errno.ENOENT, what, address))
    return storage


def _listed(storage: Storage) -> CheckpointList:
    wait_for_all()
    return catalogue(storage, contents(storage))


def _direction(records: Sequence[Record], monitor: str) -> str | None:
    modes = [record.mode for record in records if record.monitor == monitor]
    if modes:
        return modes[-1]
    direction = direction_of(monitor)
    if direction is None and any(monitor in record.logs for record in records):
        raise ValueError(
            "`mode` must be 'min' or 'max' where a name does not tell which is better, "
            f"as {monitor!r} does not."
        )
    return direction


def _no_best(found: CheckpointList, monitor: str | None) -> str:
    where = f"No checkpoint in {found.folder!r} has a value"
    known = {name: None for one in found for name in one.logs}
    if monitor is None or monitor in known:
        return f"{where} that could be the best."
    known_too = f"; there are: {', '.join(known)}" if known else ""
    return f"{where} of {monitor!r}{known_too}."


def _error_of(errors: Sequence[OSError]) -> OSError | None:
    if not errors:
        return None
    first = errors[0]
    what = f"{quantity(len(errors))} could not be deleted: {first.strerror or first}"
    return OSError(first.errno, what, first.filename)


def _doomed(found: CheckpointList, keep: Keep) -> CheckpointList:
    records = [one.record for one in found if one.record is not None]
    doomed = {record.path for record in to_delete(records, keep)}
    return CheckpointList(
        (one for one in found if one.record and one.name in doomed and not one.best),
        found.folder,
    )


def _summary(what: str, doomed: CheckpointList, found: CheckpointList) -> str:
    size = size_text(sum(one.bytes for one in doomed))
    text = f"{what} {len(doomed):,} of {quantity(len(found))}, {size}."
    if not doomed:
        text = f"Nothing to delete among {quantity(len(found))}."
    others = sum(one.record is None for one in found)
    if others:
        text += f" {others:,} that the journal does not describe stay."
    return text

"""Functions on a checkpoint folder: list, newest, best, prune, verify.

Nothing here loads Keras. Saves that are in progress in this process are completed
first; other processes may continue to save.
"""

from __future__ import annotations

from collections.abc import Callable

from modelcheckpoint.decide import arguments
from modelcheckpoint.journal.verify import Verification, Verifier
from modelcheckpoint.listing.checkpoint import Checkpoint
from modelcheckpoint.listing.checkpoint_list import CheckpointList
from modelcheckpoint.listing.queries import (
    Folder,
    find_best,
    find_latest,
    found_in,
    opened,
    pruned,
)
from modelcheckpoint.listing.verification_list import VerificationList
from modelcheckpoint.save.background import wait_for_all

__all__ = [
    "Checkpoint",
    "CheckpointList",
    "Verification",
    "VerificationList",
    "best_checkpoint",
    "latest_checkpoint",
    "list_checkpoints",
    "prune_checkpoints",
    "verify_checkpoints",
]

Progress = Callable[[int, int], object]


def list_checkpoints(folder: Folder) -> CheckpointList:
    """Return the existing checkpoints in a folder, in the order of saving.

    Only the journal `modelcheckpoint.jsonl` is opened: a file is described by the
    newest line with its name and its size. Whether the contents are intact is checked
    only by `verify_checkpoints`, which reads every file.

    Files that no line describes, such as those that Keras itself wrote, are listed
    first, by the time at which they were written, with their size and the format of
    their suffix. Temporary files, links and deleted files are not listed.

    Args:
        folder: The folder with the checkpoints and their journal, if there is one; or
            its address in an object store, such as `s3://bucket/run`.

    Returns:
        A list of `Checkpoint`, with `to_dataframe()`; a notebook shows it as a table.

    Raises:
        ValueError: If `folder` is not a path.
        OSError: If there is no such folder, or it or its journal cannot be read.
    """
    return found_in(folder)


def latest_checkpoint(folder: Folder) -> str | None:
    """Return the path of the newest checkpoint, or None after printing the reason.

    The newest is the last checkpoint that the journal describes. If it describes none,
    it is the file that was written last.

    Args:
        folder: As for `list_checkpoints`.

    Returns:
        An absolute path for `load_model` or `load_weights`; in an object store the
        address, which `fetch_checkpoint` turns into such a path. If there is no
        checkpoint, None, and a line says why.

    Raises:
        ValueError: If `folder` is not a path.
        OSError: If there is no such folder, or it or its journal cannot be read.
    """
    found, why = find_latest(folder)
    return _told(found, why)


def best_checkpoint(
    folder: Folder, monitor: str | None = None, mode: str | None = None
) -> str | None:
    """Return the path of the best checkpoint, or None after printing the reason.

    It is chosen among the existing files that the journal describes, of any run. Of
    equal values, the earlier one counts as better; NaN and infinite values never are.

    Args:
        folder: As for `list_checkpoints`.
        monitor: The metric to compare: any that Keras reported at the saves. None: the
            one that the newest checkpoint monitors.
        mode: `"min"` or `"max"`. None: as it was saved, or else as the metric's name
            tells.

    Returns:
        An absolute path for `load_model` or `load_weights`; in an object store the
        address, which `fetch_checkpoint` turns into such a path. If there is no
        checkpoint, None, and a line says why.

    Raises:
        ValueError: If an argument is invalid, or the direction is not known.
        OSError: If there is no such folder, or it or its journal cannot be read.
    """
    found, why = find_best(folder, monitor, mode)
    return _told(found, why)


def prune_checkpoints(
    folder: Folder,
    keep_latest: int | None = None,
    keep_best: int | None = None,
    keep_every: int | None = None,
    dry_run: bool = True,
) -> CheckpointList:
    """Delete all checkpoints in a folder but a few.

    Every checkpoint that at least one of the three arguments selects is kept, and
    always the newest and the best. The folder is treated as a whole, whichever runs
    wrote into it: with `keep_latest=3` the newest three are left, and the best if it
    is not one of them.

    Only files whose name and size are in the journal are deleted, and none behind a
    link; a file that a running training writes in the meantime stays. The journal
    records each removal, durably, before the file is deleted. Folders that become empty
    are deleted too.

    Args:
        folder: As for `list_checkpoints`.
        keep_latest: How many of the newest to keep, >= 1.
        keep_best: How many of the best to keep by each monitored metric, >= 1.
        keep_every: Keep the last one of each epoch that is a multiple of this, >= 1.
        dry_run: Delete nothing, and only show what would be deleted.

    Returns:
        What was deleted, or would be deleted; a printed line sums it up.

    Raises:
        ValueError: If an argument is invalid, or none says what to keep.
        OSError: If there is no such folder, if it or its journal cannot be read, or if
            a file cannot be deleted; the others are deleted all the same.
    """
    done = pruned(folder, keep_latest, keep_best, keep_every, dry_run)
    hint = " dry_run=False deletes them." if dry_run and done.found else ""
    print(done.summary + hint)
    if done.error is not None:
        raise done.error
    return done.found


def verify_checkpoints(
    folder: Folder, *, progress: Progress | None = None
) -> VerificationList:
    """Check each checkpoint in a folder for damage.

    Each file that the journal `modelcheckpoint.jsonl` names is read once, and its size
    and checksum (crc32) are compared with the journal; for a `.orbax` folder, every
    file is read. For files that the journal does not name, only the outer structure is
    checked: the directory of an archive, the signature of HDF5, the names in a folder.
    One flipped bit anywhere in a file that the journal names makes it damaged. Nothing
    is unpacked or unpickled, no code in a file is run, and no file outside the folder
    is touched, whatever the folder contains. Saves that are in progress in this process
    are completed first; other processes may continue to save.

    Args:
        folder: The folder with the journal, or its address in an object store.
        progress: A function that is called with the number of bytes read so far, and
            the number in all; or None.

    Returns:
        One result per checkpoint, in the order of the journal, followed by the files
        that the journal does not name, by name; a notebook shows the list as a table.
        Each has `path`, `status`, `reason` and `record`. The status is `"good"`;
        `"damaged"`; `"missing"`, if the file does not
        exist and the journal does not say why; or `"unknown"`, if the journal does not
        name the file (Keras itself may have written it), or if it is the last save of a
        run to an object store, which may have ended before the upload did. `reason`
        says what is wrong.

    Raises:
        ValueError: If `folder` is not a path.
        OSError: If there is no such folder, or it cannot be read.
    """
    told = arguments.function_or_none("progress", progress, takes=2)
    storage = opened(folder)
    wait_for_all()
    verifier = Verifier(storage)
    tally = _Tally(verifier.size(), told)
    verifier.read = tally.add
    found = [verifier.verify(name) for name in verifier.names()]
    return VerificationList((one for one in found if one is not None), storage.root)


def _told(found: str | None, why: str) -> str | None:
    if found is None:
        print(why)
    return found


class _Tally:
    """Adds up the bytes read, and reports the sum."""

    def __init__(self, whole: int, told: Progress | None) -> None:
        self.whole, self.done, self.told = whole, 0, told

    def add(self, size: int) -> None:
        self.done += size
        if self.told is not None:
            self.told(min(self.done, self.whole), self.whole)

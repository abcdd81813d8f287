"""Functions on a checkpoint folder: list, newest, best, prune, verify.

Nothing here loads Keras. Saves that are under way in this process are waited for, and
those of other processes may go on.
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
from modelcheckpoint.save.background import wait_for_all

__all__ = [
    "Checkpoint",
    "CheckpointList",
    "Verification",
    "best_checkpoint",
    "latest_checkpoint",
    "list_checkpoints",
    "prune_checkpoints",
    "verify_checkpoints",
]

Progress = Callable[[int, int], object]


def list_checkpoints(folder: Folder) -> CheckpointList:
    """Return the checkpoints that are in a folder now, in the order of saving.

    No file is opened but the journal `modelcheckpoint.jsonl`: a file is taken for what
    the newest line of its name with its size says. Whether its contents are those that
    were saved only `verify_checkpoints` tells, which reads all of them.

    Files that no line fits, as where Keras itself wrote them, are listed before all
    others, by the time at which they were written, with their size and the format that
    their suffix tells. Temporary files, links, and files that are gone are not listed.

    Args:
        folder: The folder with the checkpoints, and their journal, if there is one; or
            its address in an object store, such as `s3://bucket/run`.

    Returns:
        A list of `Checkpoint`, with `to_dataframe()`.

    Raises:
        ValueError: If `folder` is no path.
        OSError: If there is no such folder, or it or its journal cannot be read.
    """
    return found_in(folder)


def latest_checkpoint(folder: Folder) -> str | None:
    """Return the path of the newest checkpoint in a folder, or None with a word why.

    The newest is the last of those that the journal describes, in its order. Where it
    describes none, it is the file that was written last.

    Args:
        folder: As for `list_checkpoints`.

    Returns:
        An absolute path that `load_model` or `load_weights` takes; in an object store
        the address, which `fetch_checkpoint` turns into such a path. If there is no
        checkpoint, None, and a line is printed.

    Raises:
        ValueError: If `folder` is no path.
        OSError: If there is no such folder, or it or its journal cannot be read.
    """
    found, why = find_latest(folder)
    return _told(found, why)


def best_checkpoint(
    folder: Folder, monitor: str | None = None, mode: str | None = None
) -> str | None:
    """Return the path of the best checkpoint in a folder, or None with a word why.

    Compared are the files that are there and that the journal describes, of any run.
    Of equal values the earlier is the better; NaN and the infinities never are.

    Args:
        folder: As for `list_checkpoints`.
        monitor: What is compared: any quantity that Keras reported when it saved.
            None: what the newest checkpoint monitors.
        mode: `"min"` or `"max"`. None: as it was saved, else as the name tells.

    Returns:
        An absolute path that `load_model` or `load_weights` takes; in an object store
        the address, which `fetch_checkpoint` turns into such a path. If there is no
        checkpoint, None, and a line is printed.

    Raises:
        ValueError: If an argument is wrong, or the direction is not known.
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
    """Delete checkpoints from a folder, but for those that are asked to be kept.

    What is kept is the union of what the three arguments ask for. The newest and the
    best are kept in any case. The folder is taken as a whole, whichever runs wrote into
    it: with `keep_latest=3` three are left.

    Only files that a line of the journal describes, by name and size, are deleted, and
    none behind a link; one that a run that goes on writes meanwhile stays. The journal
    says that a file is removed, durably, before it is. Folders that this leaves empty
    go too.

    Args:
        folder: As for `list_checkpoints`.
        keep_latest: Keep the newest so many, >= 1.
        keep_best: Keep the best so many, >= 1, of each monitored quantity.
        keep_every: Keep the last one of each epoch that is a multiple of this, >= 1.
        dry_run: Delete nothing, and only tell what would be.

    Returns:
        What was deleted, or would be; one line is printed that sums it up.

    Raises:
        ValueError: If an argument is wrong, or none says what to keep.
        OSError: If there is no such folder, it or its journal cannot be read, or a
            file cannot be deleted; the others then are.
    """
    done = pruned(folder, keep_latest, keep_best, keep_every, dry_run)
    hint = " dry_run=False deletes them." if dry_run and done.found else ""
    print(done.summary + hint)
    if done.error is not None:
        raise done.error
    return done.found


def verify_checkpoints(
    folder: Folder, *, progress: Progress | None = None
) -> list[Verification]:
    """Return, for each checkpoint of a folder, whether it is whole.

    Each file that the journal `modelcheckpoint.jsonl` names is read once, and its size
    and checksum (crc32) are compared with its line. Of other files only the outer
    structure is looked at: the directory of an archive, the signature of HDF5. Nothing
    is unpacked or unpickled, no code in a file is run, and no file outside the folder
    is touched, whatever the folder holds. Saves that are under way in this process are
    waited for; those of other processes may go on.

    Args:
        folder: The folder with the journal, or its address in an object store.
        progress: Is called with how many bytes were read, and how many there are.

    Returns:
        In the order of the journal, then files of which it says nothing, by name. Each
        has `path`, `status`, `reason` and `record`. The status is `"good"`,
        `"damaged"`, `"missing"` (and no line says that it was deleted, or never came)
        or `"unknown"` (no line names it, as where Keras itself wrote it; what is wrong
        with its outer structure, if anything, is the reason). `"unknown"`, too, is the
        last save of a run in an object store if there is no such object: the run may
        have ended before the upload did. One flipped bit anywhere in a file that a line
        names makes it damaged.

    Raises:
        ValueError: If `folder` is no path.
        OSError: If there is no such folder, or it cannot be read.
    """
    told = arguments.function_or_none("progress", progress, takes=2)
    storage = opened(folder)
    wait_for_all()
    verifier = Verifier(storage)
    tally = _Tally(verifier.size(), told)
    verifier.read = tally.add
    found = [verifier.verify(name) for name in verifier.names()]
    return [one for one in found if one is not None]


def _told(found: str | None, why: str) -> str | None:
    if found is None:
        print(why)
    return found


class _Tally:
    """Adds up what was read, and tells it."""

    def __init__(self, whole: int, told: Progress | None) -> None:
        self.whole, self.done, self.told = whole, 0, told

    def add(self, size: int) -> None:
        self.done += size
        if self.told is not None:
            self.told(min(self.done, self.whole), self.whole)

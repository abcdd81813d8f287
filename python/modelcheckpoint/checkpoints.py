"""The door for people: what is in a folder of checkpoints, and is it whole?"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable

from modelcheckpoint.decide import arguments
from modelcheckpoint.pending import wait_for_all
from modelcheckpoint.storage.inspection import Inspector
from modelcheckpoint.storage.verification import Verification, Verifier

__all__ = ["Verification", "verify_checkpoints"]

Progress = Callable[[int, int], object]


def verify_checkpoints(
    folder: str | os.PathLike[str], *, progress: Progress | None = None
) -> list[Verification]:
    """Return, for each checkpoint of a folder, whether it is whole.

    Each file that the journal `modelcheckpoint.jsonl` names is read once, and its size
    and checksum (crc32) are compared with its line; then its structure is opened, in a
    process of its own, without Keras: nothing is unpickled, no code in it is run, and
    no file outside the folder is touched, whatever the folder holds. Saves that are
    under way in this process are waited for; those of other processes may go on.

    Args:
        folder: The folder with the journal.
        progress: Is called with how many bytes were read, and how many there are.

    Returns:
        In the order of the journal, then files of which it says nothing, by name. Each
        has `path`, `status`, `reason` and `record`. The status is `"good"`,
        `"damaged"`, `"missing"` (and no line says that it was deleted, or never came)
        or `"unknown"` (no line names it, as where Keras itself wrote it; what is wrong
        with its structure, if anything, is the reason). One flipped bit anywhere in a
        file makes it damaged.

    Raises:
        ValueError: If `folder` is no path.
        OSError: If there is no such folder, or it cannot be read.
    """
    path = os.path.abspath(os.path.expanduser(arguments.path("folder", folder)))
    told = arguments.function_or_none("progress", progress, takes=2)
    if not os.path.isdir(path):
        there = os.path.lexists(path)
        kind = NotADirectoryError if there else FileNotFoundError
        number = errno.ENOTDIR if there else errno.ENOENT
        raise kind(number, "`folder` must be a folder that exists", path)
    os.listdir(path)
    wait_for_all()
    with Inspector() as inspect:
        verifier = Verifier(path, inspect)
        tally = _Tally(verifier.size(), told)
        verifier.read = tally.add
        found = [verifier.verify(name) for name in verifier.names()]
    return [one for one in found if one is not None]


class _Tally:
    """Adds up what was read, and tells it."""

    def __init__(self, whole: int, told: Progress | None) -> None:
        self.whole, self.done, self.told = whole, 0, told

    def add(self, size: int) -> None:
        self.done += size
        if self.told is not None:
            self.told(min(self.done, self.whole), self.whole)

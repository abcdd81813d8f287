"""All that lies below a folder."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from modelcheckpoint.storage.beneath import open_folder_below
from modelcheckpoint.storage.temporary import is_temporary

__all__ = ["walk"]


Found = tuple[str, "os.DirEntry[str]"]


def walk(folder: str, depth: int, below: str = "") -> Iterator[Found]:
    """Yield what is in a folder and in those below it, each with its name from there.

    No link is followed, and no folder that belongs to a temporary file is looked into.
    An entry can be asked for more only until the next one is asked for.

    Args:
        folder: Path of the folder, which may itself be a link.
        depth: How many `/` a name may have.
        below: Name of the folder in it to begin with; empty for itself.

    Raises:
        OSError: If the first folder is not there, or cannot be read. One below it that
            cannot is passed over.
    """
    # Not by recursion: names in a journal that somebody else wrote can go deep.
    left = [below]
    while left:
        above = left.pop()
        inner: list[str] = []
        try:
            with _scanned(folder, above) as entries:
                for entry in entries:
                    name = f"{above}/{entry.name}" if above else entry.name
                    if entry.is_dir(follow_symlinks=False) and not (
                        is_temporary(entry.name)
                    ):
                        inner.append(name)
                    yield name, entry
        except OSError:
            if above == below:
                raise
        left += [name for name in reversed(inner) if name.count("/") < depth]


@contextlib.contextmanager
def _scanned(folder: str, name: str) -> Iterator[Iterator[os.DirEntry[str]]]:
    if os.scandir not in os.supports_fd:
        with os.scandir(os.path.join(folder, *filter(None, [name]))) as entries:
            yield entries
        return
    # By descriptors: nobody can put a link in place of a folder on the way.
    opened = open_folder_below(folder, name)
    try:
        with os.scandir(opened) as entries:
            yield entries
    finally:
        os.close(opened)

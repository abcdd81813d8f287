"""Walking through everything below a folder."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator

from modelcheckpoint.storage.base import NotPlain
from modelcheckpoint.storage.beneath import open_folder_below
from modelcheckpoint.storage.names import is_tree
from modelcheckpoint.storage.temporary import is_temporary

__all__ = ["Found", "walk", "walk_tree"]

Found = tuple[str, "os.DirEntry[str]"]

_MOST = 1_000_000
"""More files and folders than any checkpoint has, unless it is malicious."""

_DEEPEST = 64
"""More levels of folders than any checkpoint has."""


def walk(folder: str, depth: int, below: str = "") -> Iterator[Found]:
    """Yield what is in a folder and below it, with names relative to the folder.

    It follows no link, and does not look into folders that are checkpoints or belong to
    temporary files. An entry can be used only until the next one is requested.

    Args:
        folder: Path of the folder, which may itself be a link.
        depth: How many `/` a name may have at most.
        below: Name of the folder in it to begin with; empty for the folder itself.

    Raises:
        OSError: If the first folder does not exist or cannot be read. A folder below it
            that cannot be read is skipped.
    """
    # Not recursive: names in a journal that somebody else wrote can be nested deeply.
    left = [below]
    while left:
        above = left.pop()
        inner: list[str] = []
        try:
            with _scanned(folder, above) as entries:
                for entry in entries:
                    name = f"{above}/{entry.name}" if above else entry.name
                    if entry.is_dir(follow_symlinks=False) and not (
                        is_temporary(entry.name) or is_tree(entry.name)
                    ):
                        inner.append(name)
                    yield name, entry
        except OSError:
            if above == below:
                raise
        left += [name for name in reversed(inner) if name.count("/") < depth]


def walk_tree(folder: str, tree: str) -> Iterator[Found]:
    """Yield everything in a tree, each folder before its contents, as `walk` does.

    Args:
        folder: Path of a folder above the tree, which may itself be a link.
        tree: Name of the tree in it.

    Raises:
        NotPlain: If it is not a folder, lies behind a link, or contains more than any
            checkpoint does.
        OSError: If it does not exist, or cannot be read.
    """
    left, count = [tree], 0
    while left:
        above = left.pop()
        with _scanned(folder, above) as entries:
            for entry in entries:
                name = f"{above}/{entry.name}"
                if entry.is_dir(follow_symlinks=False):
                    left.append(name)
                count += 1
                if count > _MOST or name.count("/") - tree.count("/") > _DEEPEST:
                    reason = "there is more in it than in any checkpoint"
                    raise NotPlain(errno.E2BIG, reason, tree)
                yield name, entry


@contextlib.contextmanager
def _scanned(folder: str, name: str) -> Iterator[Iterator[os.DirEntry[str]]]:
    if os.scandir not in os.supports_fd:
        with os.scandir(os.path.join(folder, *filter(None, [name]))) as entries:
            yield entries
        return
    # By descriptors, so that nobody can replace a folder on the way with a link.
    opened = open_folder_below(folder, name)
    try:
        with os.scandir(opened) as entries:
            yield entries
    finally:
        os.close(opened)

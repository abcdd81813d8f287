"""Snapshots taken at one moment, and written after training has gone on."""

from __future__ import annotations

import contextlib

from contents import contents_of

from modelcheckpoint.formats import format_of
from modelcheckpoint.formats.internals import NeedsKeras


class HeldSnapshots:
    """One snapshot of a model for each suffix, where snapshots are possible."""

    def __init__(self, suffixes):
        self._snapshotters = {
            suffix: format_of(
                f"m{suffix}", suffix, suffix in (".weights.h5", ".hdf5")
            ).snapshotter()
            for suffix in suffixes
        }
        self._snapshots = {}

    def take(self, model):
        """Take all snapshots now; from the second one on, values are held."""
        for suffix, snapshotter in self._snapshotters.items():
            with contextlib.suppress(NeedsKeras):
                for _ in range(2):
                    self._snapshots[suffix] = snapshotter.take(model)

    def contents(self):
        """Return the contents of each, as another thread would write them now."""
        found = {}
        for suffix, snapshot in self._snapshots.items():
            snapshot.complete()
            data = b"".join(bytes(part) for part, _ in snapshot.parts())
            found[suffix] = contents_of(data, suffix)
        return found

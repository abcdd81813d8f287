"""The journal beside the checkpoints: one line of JSON for each save.

It never stands in the way: what cannot be read in it is passed over.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

from modelcheckpoint.records import Record
from modelcheckpoint.storage.leftovers import JOURNAL
from modelcheckpoint.storage.local import Sealed

__all__ = ["matching", "read"]


def read(folder: str) -> Iterator[Record]:
    """Yield the records of a folder's journal, oldest first; none where it has none.

    Torn and foreign lines, and those of a newer schema, are passed over.
    """
    try:
        lines = open(os.path.join(folder, JOURNAL), "rb")  # noqa: SIM115
    except OSError:
        return
    with lines:
        for line in lines:
            record = Record.from_line(line)
            if record is not None:
                yield record


def matching(records: Iterable[Record], path: str, sealed: Sealed) -> Record | None:
    """Return the newest record that describes the file `path` as it is, or None.

    The journal's line is written before the file gets its name, so the newest line of
    a name can be ahead of the file: then an older one is right.
    """
    found = None
    for record in records:
        same = (record.bytes, record.crc32) == (sealed.bytes, sealed.crc32)
        if record.path == path and same:
            found = record
    return found

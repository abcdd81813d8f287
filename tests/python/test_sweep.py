"""`journal/sweep.py`: a save that was killed before its file had a name is noted."""

from __future__ import annotations

from dataclasses import replace
from zlib import crc32

import checkpoint_files
import pytest
from memory_storage import MemoryStorage, left_behind

from modelcheckpoint.journal import log
from modelcheckpoint.journal.sweep import sweep
from modelcheckpoint.records import Removal

DATA = b"a whole model"
RECORD = replace(
    checkpoint_files.RECORD,
    path="2.keras",
    bytes=len(DATA),
    crc32=f"{crc32(DATA):08x}",
    template="{epoch}.keras",
)


def storage_with(*records):
    storage = MemoryStorage()
    storage.append(*(record.to_line() for record in records))
    return storage


def test_a_save_that_was_killed_before_its_name():
    """It has a line: another one says that the file never came."""
    storage = storage_with(RECORD)
    staged = left_behind(storage, "2.keras", DATA)
    assert sweep(storage) == [staged]
    assert list(log.entries(storage)) == [RECORD, Removal.of(RECORD)]
    assert storage.abandoned() == []


@pytest.mark.parametrize("data", [DATA[:-1], DATA.upper(), b""])
def test_a_save_that_was_killed_before_its_line(data):
    """No line is of it, so there is nothing to note."""
    storage = storage_with(RECORD)
    staged = left_behind(storage, "2.keras", data)
    assert sweep(storage) == [staged]
    assert list(log.entries(storage)) == [RECORD]


def test_nothing_is_noted_of_others():
    """Of several lines, only the one whose file it would have been."""
    other = replace(RECORD, path="1.keras", crc32="00000000")
    storage = storage_with(other, RECORD)
    left_behind(storage, "2.keras", DATA)
    sweep(storage)
    assert list(log.entries(storage)) == [other, RECORD, Removal.of(RECORD)]

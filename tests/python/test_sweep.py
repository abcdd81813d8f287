"""`journal/sweep.py`: a save that was killed before its file had a name is noted."""

from __future__ import annotations

from dataclasses import replace
from zlib import crc32

import checkpoint_files
import pytest
from local_trees import digest_of_files
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
    """It has a line; another one says that the file never came."""
    storage = storage_with(RECORD)
    staged = left_behind(storage, "2.keras", DATA)
    assert sweep(storage) == [staged]
    assert list(log.entries(storage)) == [RECORD, Removal.of(RECORD)]
    assert storage.abandoned() == []


@pytest.mark.parametrize("data", [DATA[:-1], DATA.upper(), b""])
def test_a_save_that_was_killed_before_its_line(data):
    """It has no line, so there is nothing to note."""
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


# Trees, which exchange their names


TREE = {"0/a": DATA}
OF_TREE = replace(
    RECORD,
    path="w.orbax",
    format="orbax",
    bytes=len(DATA),
    crc32=digest_of_files(TREE).crc32,
)
NEWER = replace(OF_TREE, crc32="0badcafe", run="next")


def test_a_tree_that_was_killed_before_its_name():
    """As for a file, another line says that it never came."""
    storage = storage_with(OF_TREE)
    left_behind(storage, "w.orbax", TREE)
    sweep(storage)
    assert list(log.entries(storage)) == [OF_TREE, Removal.of(OF_TREE)]
    assert storage.abandoned() == []


def test_a_tree_that_was_replaced():
    """It was killed after the exchange: the old tree has the temporary name."""
    storage = storage_with(OF_TREE, NEWER)
    left_behind(storage, "w.orbax", TREE)
    sweep(storage)
    assert list(log.entries(storage)) == [OF_TREE, NEWER]
    assert storage.abandoned() == []


def test_two_saves_of_a_name_that_were_killed():
    """Neither came: the tree that had the name before both still has it."""
    first = replace(OF_TREE, crc32="0badcafe", run="before")
    second = replace(OF_TREE, run="later")
    storage = storage_with(first, OF_TREE, second)
    left_behind(storage, "w.orbax", TREE)
    sweep(storage)
    noted = list(log.entries(storage))[3:]
    assert noted == [Removal.of(OF_TREE), Removal.of(second)]


def test_a_tree_that_has_a_second_name():
    """The tree under the name did come, whatever else has the same contents."""
    second = replace(OF_TREE, path="w.run-one.orbax", kept_by="next")
    storage = storage_with(OF_TREE, second, NEWER)
    storage.put("w.run-one.orbax", TREE)
    left_behind(storage, "w.orbax", TREE)
    sweep(storage)
    assert list(log.entries(storage)) == [OF_TREE, second, NEWER]

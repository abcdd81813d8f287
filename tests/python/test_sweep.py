"""`journal/sweep.py`: a save that was killed before its file had a name is noted."""

from __future__ import annotations

import os
from dataclasses import replace
from zlib import crc32

import made
import pytest

from modelcheckpoint.journal import log
from modelcheckpoint.journal.sweep import sweep
from modelcheckpoint.records import Removal
from modelcheckpoint.storage import storage_for, temporary
from modelcheckpoint.storage.local import LocalStorage

pytestmark = pytest.mark.skipif(os.name == "nt", reason="there no process id is tried")

DATA = b"a whole model"
RECORD = replace(
    made.RECORD,
    path="2.keras",
    bytes=len(DATA),
    crc32=f"{crc32(DATA):08x}",
    template="{epoch}.keras",
)


def left_by_a_killed_run(folder, data):
    """Make the temporary file of a process that never ran."""
    name = temporary.temporary_name(temporary.Mark("0" * 12, 0), ".keras")
    path = folder / name.replace(f"-{os.getpid()}-", "-999999999-")
    path.write_bytes(data)
    return path


def test_a_save_that_was_killed_before_its_name(tmp_path):
    """It has a line: another one says that the file never came."""
    storage = LocalStorage(str(tmp_path))
    storage.append(RECORD.to_line())
    path = left_by_a_killed_run(tmp_path, DATA)
    assert sweep(storage) == [path.name]
    assert list(log.entries(storage_for(str(tmp_path)))) == [RECORD, Removal.of(RECORD)]


@pytest.mark.parametrize("data", [DATA[:-1], DATA.upper(), b""])
def test_a_save_that_was_killed_before_its_line(tmp_path, data):
    """No line is of it, so there is nothing to note."""
    storage = LocalStorage(str(tmp_path))
    storage.append(RECORD.to_line())
    path = left_by_a_killed_run(tmp_path, data)
    assert sweep(storage) == [path.name]
    assert list(log.entries(storage_for(str(tmp_path)))) == [RECORD]


def test_nothing_is_noted_of_others(tmp_path):
    """Of several lines, only the one whose file it would have been."""
    storage = LocalStorage(str(tmp_path))
    other = replace(RECORD, path="1.keras", crc32="00000000")
    storage.append(other.to_line())
    storage.append(RECORD.to_line())
    left_by_a_killed_run(tmp_path, DATA)
    sweep(storage)
    found = list(log.entries(storage_for(str(tmp_path))))
    assert found == [other, RECORD, Removal.of(RECORD)]

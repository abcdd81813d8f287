"""`storage/appender.py`: each line of the journal is whole, and none is lost."""

from __future__ import annotations

import errno
import os
from dataclasses import replace

import pytest
from checkpoint_files import RECORD
from faulty import FaultyOS, ShortWrites

from modelcheckpoint.journal import log
from modelcheckpoint.storage import storage_for
from modelcheckpoint.storage.journals import JOURNAL
from modelcheckpoint.storage.local import LocalStorage


def test_lines_are_appended(tmp_path):
    """Each line ends in a newline, in UTF-8, and none is lost."""
    storage = LocalStorage(str(tmp_path))
    storage.append('{"a": 1}')
    LocalStorage(str(tmp_path)).append('{"ä": "数"}')
    text = (tmp_path / JOURNAL).read_text("utf-8")
    assert text == '{"a": 1}\n{"ä": "数"}\n'


@pytest.mark.parametrize("torn", [b'{"a', b"\xff", b"\0", b"\n{", b'{"a": 1}'])
def test_an_append_starts_anew_after_a_torn_line(tmp_path, torn):
    """A line that was cut short does not spoil the next one."""
    (tmp_path / JOURNAL).write_bytes(torn)
    LocalStorage(str(tmp_path)).append('{"b": 2}')
    assert (tmp_path / JOURNAL).read_bytes() == torn + b'\n{"b": 2}\n'


class Neighbour:
    """`os`, where another process completes its line before we look a second time."""

    def __init__(self, path):
        self.path = path
        self.looks = 0

    def __getattr__(self, name):
        return getattr(os, name)

    def lseek(self, file, at, whence):
        self.looks += whence == os.SEEK_END
        if self.looks == 2 and whence == os.SEEK_END:
            with open(self.path, "ab") as other:
                other.write(b" 1}\n")
        return os.lseek(file, at, whence)


def test_an_append_lets_another_one_end(tmp_path):
    """A line that another process is writing is not torn: no empty line follows it."""
    path = tmp_path / JOURNAL
    path.write_bytes(b'{"a":')
    LocalStorage(str(tmp_path), system=Neighbour(path)).append('{"b": 2}')
    assert path.read_bytes() == b'{"a": 1}\n{"b": 2}\n'


@pytest.mark.parametrize("whole", [b"", b'{"a": 1}\n', b"\n\n"])
def test_an_append_leaves_no_empty_line(tmp_path, whole):
    """After a whole line, or in an empty journal, no newline is added."""
    (tmp_path / JOURNAL).write_bytes(whole)
    LocalStorage(str(tmp_path)).append('{"b": 2}')
    assert (tmp_path / JOURNAL).read_bytes() == whole + b'{"b": 2}\n'


def test_an_append_does_not_lean_on_one_that_was_not_flushed(tmp_path):
    """The newline before it can be read, but may be missing on the disk."""
    recorder = FaultyOS()
    LocalStorage(str(tmp_path), system=recorder).append("{}")
    flush = [name for name, _ in recorder.calls].index("fsync") + 1
    (tmp_path / JOURNAL).unlink()
    error = OSError(errno.EIO, "Input/output error")
    storage = LocalStorage(str(tmp_path), system=FaultyOS(flush, error))
    with pytest.raises(OSError, match="Input/output error"):
        storage.append('{"a": 1}')
    storage.append('{"b": 2}')
    storage.append('{"c": 3}')
    lines = (tmp_path / JOURNAL).read_text().split("\n")
    assert lines == ['{"a": 1}', "", '{"b": 2}', '{"c": 3}', ""]


def test_short_writes(tmp_path):
    """If the system writes less than requested, the rest is written, too."""
    LocalStorage(str(tmp_path), system=ShortWrites()).append(
        '{"a": "' + "x" * 100 + '"}'
    )
    assert (tmp_path / JOURNAL).read_bytes() == b'{"a": "' + b"x" * 100 + b'"}\n'


def test_text_that_is_not_unicode(tmp_path):
    """A file name that is not UTF-8 does not stop the journal."""
    record = replace(RECORD, path="\udcff.keras")
    LocalStorage(str(tmp_path)).append(record.to_line())
    assert list(log.read(storage_for(str(tmp_path)))) == [record]

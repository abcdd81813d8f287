"""`storage/base.py`: the contract of every storage."""

from __future__ import annotations

import pathlib
import time
from zlib import crc32

import pytest

from modelcheckpoint.storage.base import Digest, digest_of

SUFFIXES = (".keras", ".h5")
DATA, OTHER = b"a whole model", b"another one"


@pytest.fixture
def storage(place):
    return place.storage


@pytest.fixture
def leaves_pieces(place):
    if not place.leaves_pieces:
        pytest.skip("an object is whole, or nobody sees it")


def publish(storage, name, data=DATA):
    with storage.staged(name, ".keras") as staged:
        digest = staged.write([(data[:3], None), (memoryview(data)[3:], None)])
        storage.append("{}")
        staged.publish()
    return digest


def names(storage, depth=1):
    return sorted(entry.name for entry in storage.entries(SUFFIXES, depth))


def holds(storage, name):
    with storage.open(name) as file:
        return file.read()


# Files


@pytest.mark.parametrize("name", ["w.keras", "a/w.keras"])
def test_a_file_that_is_published(storage, name):
    """It is there as it was written, with the digest that was returned before."""
    digest = publish(storage, name)
    assert digest == Digest(len(DATA), f"{crc32(DATA):08x}")
    assert holds(storage, name) == DATA
    assert digest_of(storage, name) == digest
    assert names(storage) == [name]
    assert storage.unpublished(name) == []
    assert storage.path(name).startswith(storage.root)


def test_a_file_that_somebody_else_writes(storage):
    """A writer that needs a path gets one, with the suffix it asked for."""
    with storage.staged("w.keras", ".keras") as staged:
        assert staged.path.endswith(".keras")
        pathlib.Path(staged.path).write_bytes(DATA)
        assert staged.seal() == Digest(len(DATA), f"{crc32(DATA):08x}")
        staged.publish()
    assert holds(storage, "w.keras") == DATA


def test_nobody_sees_a_file_before_it_is_published(place, storage):
    """Except who asks for unpublished files."""
    publish(storage, "w.keras", OTHER)
    with storage.staged("w.keras", ".keras") as staged:
        staged.write([(DATA, None)])
        assert names(storage) == ["w.keras"]
        assert holds(storage, "w.keras") == OTHER
        for entry in storage.unpublished("w.keras"):
            assert (entry.bytes, holds(storage, entry.name)) == (len(DATA), DATA)
        assert len(storage.unpublished("w.keras")) == place.leaves_pieces
        assert storage.unpublished("a/w.keras") == []
        assert storage.abandoned() == []
        staged.publish()
        assert holds(storage, "w.keras") == DATA


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_file_that_is_not_published_is_discarded(storage, error):
    """Whatever ended the block, the old file keeps the name."""

    def fail():
        with storage.staged("w.keras", ".keras") as staged:
            staged.write([(DATA, None)])
            raise error

    publish(storage, "w.keras", OTHER)
    with pytest.raises(error):
        fail()
    assert holds(storage, "w.keras") == OTHER
    assert storage.unpublished("w.keras") == []


@pytest.mark.parametrize("parts", [[], [(b"", None)]])
def test_an_empty_file_is_an_error(storage, parts):
    """Whether this package or another writer wrote nothing."""
    with storage.staged("w.keras", ".keras") as staged:
        with pytest.raises(OSError, match="wrote nothing"):
            staged.write(parts)
        with pytest.raises(OSError, match="wrote nothing"):
            staged.seal()
    assert names(storage) == []


def test_a_check_changes_nothing(storage):
    """If the storage is writable; the name of a folder with files in it is refused."""
    storage.check()
    storage.check("w.keras")
    assert storage.journal_version() is None
    publish(storage, "w.keras/x.keras")
    with pytest.raises(IsADirectoryError, match="must name a file"):
        storage.check("w.keras")


# Entries


def test_entries(storage):
    """Names with these suffixes, down to the depth that was asked for."""
    for name in ("1.keras", "2.weights.h5", "notes.txt", "a/3.keras"):
        publish(storage, name)
    assert names(storage, depth=0) == ["1.keras", "2.weights.h5"]
    assert names(storage, depth=1) == ["1.keras", "2.weights.h5", "a/3.keras"]
    assert {entry.bytes for entry in storage.entries(SUFFIXES, 1)} == {len(DATA)}
    (entry,) = storage.entries((".txt",), 1)
    assert entry == storage.entry("notes.txt")


def test_there_is_no_such_file(place, storage):
    """It has no entry and no digest, and cannot be opened or copied."""
    publish(storage, "w.keras")
    for name in ("missing.keras", "w.keras/x.keras", "a/b.keras"):
        assert storage.entry(name) is None
        assert digest_of(storage, name) is None
        with pytest.raises(FileNotFoundError):
            storage.open(name)
    assert names(storage) == ["w.keras"]
    if place.copies:
        with pytest.raises(FileNotFoundError):
            storage.copy("missing.keras", "second.keras")
        assert names(storage) == ["w.keras"]


def test_a_file_is_told_from_the_one_before(place, storage):
    """Even if name, size and contents are the same."""
    publish(storage, "w.keras")
    first = storage.entry("w.keras")
    assert storage.entry("w.keras") == first
    time.sleep(place.resolution)
    publish(storage, "w.keras")
    assert not storage.delete(first)
    assert storage.entry("w.keras").modified >= first.modified > 0
    publish(storage, "w.keras", OTHER)
    assert storage.entry("w.keras") != first


def test_a_file_is_deleted_if_it_still_is_the_same(storage):
    """A file that took its name meanwhile stays."""
    publish(storage, "a/w.keras")
    stale = storage.entry("a/w.keras")
    publish(storage, "a/w.keras", OTHER)
    assert not storage.delete(stale)
    assert holds(storage, "a/w.keras") == OTHER
    entry = storage.entry("a/w.keras")
    assert storage.delete(entry)
    assert not storage.delete(entry)
    storage.tidy()
    assert names(storage) == []


def test_a_second_name(place, storage):
    """It keeps its contents when the first name gets others."""
    if not place.copies:
        pytest.skip("this server does not know the header of Google's copy")
    publish(storage, "w.keras")
    storage.copy("w.keras", "second.keras")
    publish(storage, "w.keras", OTHER)
    assert holds(storage, "second.keras") == DATA
    with pytest.raises(FileExistsError):
        storage.copy("w.keras", "second.keras")
    assert holds(storage, "second.keras") == DATA


# The journal


def end_of(line):
    return {line.journal: line.end}


def test_lines(storage):
    """They come in order, and reading can start where a line ended."""
    storage.append("one", "ä 数")
    storage.append("three")
    lines = list(storage.lines())
    assert [line.data for line in lines] == [b"one\n", "ä 数\n".encode(), b"three\n"]
    assert [line.data for line in storage.lines(after=end_of(lines[1]))] == [b"three\n"]
    assert list(storage.lines(after=end_of(lines[-1]))) == []
    storage.append("four")
    assert [line.data for line in storage.lines(after=end_of(lines[-1]))] == [b"four\n"]


def test_there_is_no_journal(storage):
    """Before the first line."""
    with pytest.raises(FileNotFoundError):
        list(storage.lines())
    assert storage.journal_version() is None


def test_a_journal_that_was_begun_again(place, storage):
    """It is read from the beginning."""
    storage.append("one", "two")
    *_, last = storage.lines()
    place.write_journal(b"new\n")
    assert [line.data for line in storage.lines(after=end_of(last))] == [b"new\n"]


@pytest.mark.usefixtures("leaves_pieces")
def test_a_torn_line(place, storage):
    """It is returned as it is; the next line starts on its own."""
    storage.append("one")
    place.write_journal(place.read_journal() + b"to")
    assert [line.data for line in storage.lines()] == [b"one\n", b"to"]
    storage.append("three")
    whole = [line.data for line in storage.lines()]
    assert whole[:2] == [b"one\n", b"to\n"]
    assert whole[-1] == b"three\n"


def test_a_line_that_is_too_long(place, storage):
    """It is skipped, and the ends of the others are right."""
    place.write_journal(b"one\n" + b"x" * (9 << 20) + b"\nthree\n" + b"y" * (4 << 20))
    lines = list(storage.lines())
    assert [line.data for line in lines] == [b"one\n", b"three\n"]
    assert [line.data for line in storage.lines(after=end_of(lines[0]))] == [b"three\n"]
    assert list(storage.lines(after=end_of(lines[1]))) == []


def test_a_journal_changes_with_each_line(storage):
    """So a change can be detected without reading."""
    storage.append("one")
    before = storage.journal_version()
    assert storage.journal_version() == before
    storage.append("two")
    assert storage.journal_version() != before


# Leftovers


@pytest.mark.usefixtures("leaves_pieces")
@pytest.mark.parametrize("name", ["w.keras", "a/w.keras"])
def test_what_a_dead_writer_has_staged(place, storage, name):
    """It is not a file of the storage; it can be read, and deleted."""
    storage.append("{}")
    left = place.leave(name, DATA)
    assert names(storage) == []
    (entry,) = storage.abandoned()
    assert (entry.name, entry.bytes) == (left, len(DATA))
    assert [one.name for one in storage.unpublished(name)] == [left]
    assert holds(storage, left) == DATA
    assert storage.delete(entry)
    assert storage.abandoned() == []


def test_nothing_is_left_behind(storage):
    """In a storage that nobody has written to yet."""
    assert storage.abandoned() == []
    assert storage.unpublished("a/w.keras") == []
    storage.tidy()

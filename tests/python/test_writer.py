"""A file is written once, directly to the disk if possible."""

from __future__ import annotations

import errno
import fcntl
import io
import mmap
import os
import threading
import zipfile
from zlib import crc32

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelcheckpoint.formats.zip_archive import member, pack
from modelcheckpoint.storage.writer import ALIGNMENT, LARGE, Writer

if not hasattr(os, "O_DIRECT"):
    pytest.skip("nothing goes straight to the disk here", allow_module_level=True)

ROOM = 2 * LARGE


@pytest.fixture(scope="module")
def memory():
    """Like the image's memory: page-aligned and writable."""
    mapped = mmap.mmap(-1, ROOM)
    numbers = np.frombuffer(mapped, np.uint8)
    numbers[:] = np.random.default_rng(0).integers(0, 256, ROOM, np.uint8)
    return memoryview(numbers)


class Watched:
    """`os`, which records for each write whether it went directly to the disk."""

    def __init__(self, most=None, refuses=False):
        self.writes = []
        self.most = most
        self.refuses = refuses

    def __getattr__(self, name):
        return getattr(os, name)

    def write(self, file, data):
        direct = bool(fcntl.fcntl(file, fcntl.F_GETFL) & os.O_DIRECT)
        if direct and self.refuses:
            raise OSError(errno.EINVAL, "Invalid argument")
        count = os.write(file, data[: self.most])
        self.writes.append((direct, count))
        return count


def written(path, parts, system=os):
    file = os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY)
    try:
        writer = Writer(file, system)
        for part in parts:
            writer.write(*part)
        writer.finish()
    finally:
        os.close(file)
    return writer


def holds(path, writer, parts):
    whole = b"".join(bytes(data) for data, _ in parts)
    found = path.read_bytes()
    return (found, writer.size, writer.checksum) == (whole, len(whole), crc32(whole))


def has_disk(folder):
    file = os.open(folder / "probe", os.O_CREAT | os.O_WRONLY)
    try:
        fcntl.fcntl(file, fcntl.F_SETFL, os.O_DIRECT)
    except OSError:
        return False
    finally:
        os.close(file)
    return True


places = st.tuples(
    st.integers(0, 2 * ALIGNMENT) | st.sampled_from([0, ALIGNMENT]),
    st.sampled_from([0, 1, ALIGNMENT, LARGE - 1, LARGE, LARGE + ALIGNMENT])
    | st.integers(0, ROOM),
    st.booleans(),
)


@given(st.lists(places, max_size=4), st.sampled_from([None, 100_000, 5 * ALIGNMENT]))
@settings(max_examples=40)
def test_any_parts(memory, tmp_path_factory, parts, most):
    """Whatever the sizes and places, and however little a disk takes at once."""
    path = tmp_path_factory.getbasetemp() / "parts"
    data = [memory[start : start + size] for start, size, _ in parts]
    known = [crc32(d) if told else None for d, (*_, told) in zip(data, parts)]
    given_parts = list(zip(data, known))
    writer = written(path, given_parts, Watched(most))
    assert holds(path, writer, given_parts)


def test_what_is_large_goes_straight_to_the_disk(memory, tmp_path):
    """Except for its end, which fills no block, and small parts."""
    if not has_disk(tmp_path):
        pytest.skip("the file system of the tests has no disk")
    size = LARGE + ALIGNMENT + 5
    system = Watched()
    parts = [(memory[:size], None), (b"end", None)]
    writer = written(tmp_path / "w", parts, system)
    assert holds(tmp_path / "w", writer, parts)
    assert sum(count for direct, count in system.writes if direct) == size - 5
    assert system.writes[-2:] == [(False, 5), (False, 3)]


def test_an_archive_has_its_weights_where_they_go_straight_to_the_disk(
    memory, tmp_path
):
    """They are nearly all of a `.keras` file, whatever comes before them."""
    if not has_disk(tmp_path):
        pytest.skip("the file system of the tests has no disk")
    system = Watched()
    members = [member("config.json", b"{}"), member("model.weights.h5", memory)]
    members = [*members, member("assets/x", b"y" * 9)]
    parts = list(pack(members))
    # zipfile has computed these; they need not be computed again.
    known = [(len(data), checksum) for data, checksum in parts if checksum is not None]
    assert known == [(len(data), crc32(data)) for _, data in members]
    writer = written(tmp_path / "w.keras", parts, system)
    assert holds(tmp_path / "w.keras", writer, parts)
    assert sum(count for direct, count in system.writes if direct) == ROOM
    with zipfile.ZipFile(tmp_path / "w.keras") as archive:
        assert archive.testzip() is None
        assert archive.read("model.weights.h5") == bytes(memory)


@pytest.mark.parametrize("most", [None, 1000])
def test_a_file_system_that_refuses(memory, tmp_path, most):
    """From the refused place on, the file is written through the cache."""
    parts = [(memory, None)]
    system = Watched(most, refuses=True)
    writer = written(tmp_path / "w", parts, system)
    assert holds(tmp_path / "w", writer, parts)
    assert not any(direct for direct, _ in system.writes)


def test_where_no_thread_can_be_had(memory, tmp_path, monkeypatch):
    """As when Python ends: the checksum is still computed."""

    def start(thread):
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(threading.Thread, "start", start)
    parts = [(b"begin", None), (memory, None)]
    assert holds(tmp_path / "w", written(tmp_path / "w", parts), parts)


def test_other_errors_come_through(memory, tmp_path):
    """A full disk is reported, not tried in another way, and no thread is left."""

    class Full(Watched):
        def write(self, file, data):
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        written(tmp_path / "w", [(memory, None)], Full())
    assert not any("checksum" in thread.name for thread in threading.enumerate())


@pytest.mark.parametrize("size", [10, LARGE])
def test_a_disk_that_takes_nothing(memory, tmp_path, size):
    """It raises an error, instead of being tried forever."""

    class Nothing(Watched):
        def write(self, file, data):
            return 0

    with pytest.raises(OSError, match="takes no bytes"):
        written(tmp_path / "w", [(memory[:size], None)], Nothing())


def test_archives_above_4_gib_are_aligned_too():
    """Their headers are longer."""
    size = (4 << 30) + 5
    mapped = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE)
    # Untouched pages are all the same one: this takes no memory.
    data = memoryview(mapped)
    at = 0
    for piece, _ in pack([member("model.weights.h5", data)]):
        if len(piece) == size:
            assert at % ALIGNMENT == 0
        at += len(piece)
    assert at > size


def test_a_small_member_has_no_padding():
    """An archive of a small model is as small as Keras'."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a", b"b")
    ours = b"".join(bytes(data) for data, _ in pack([member("a", b"b")]))
    assert len(ours) == len(file.getvalue())

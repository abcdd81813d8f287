"""`verify_checkpoints`: files that no line of the journal describes."""

from __future__ import annotations

import io
import os
import re
import struct
import tracemalloc

import pytest
from checkpoint_files import (
    archive,
    put,
    statuses,
    weights,
)
from conftest import in_time
from hypothesis import given, settings
from hypothesis import strategies as st

from modelcheckpoint import verify_checkpoints

h5py = pytest.importorskip("h5py")


def test_unknown_files(tmp_path):
    """If the journal does not name a checkpoint, its faults are still reported."""
    (tmp_path / "a.keras").write_bytes(archive())
    (tmp_path / "b.h5").write_bytes(b"no HDF5")
    (tmp_path / "notes.txt").write_text("no checkpoint")
    good, bad = verify_checkpoints(tmp_path)
    assert (good.path, good.status, good.reason) == ("a.keras", "unknown", None)
    assert (bad.path, bad.status) == ("b.h5", "unknown")
    assert "cannot be opened" in bad.reason


def linked(link):
    file = io.BytesIO()
    with h5py.File(file, "w") as opened:
        opened["x"] = link
    return file.getvalue()


def with_directory(size):
    """Return an archive whose end claims a directory of so many bytes."""
    return (
        b"PK" + b"\0" * 99 + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, size, 0, 0)
    )


WRONG = {
    "a text": (b"text", "w.weights.h5", "cannot be opened: .* no signature"),
    "nothing": (b"", "w.h5", "cannot be opened"),
    "no archive": (b"PK", "w.keras", "cannot be opened"),
    "half of one": (archive()[:-40], "w.keras", "cannot be opened"),
    "no config": (archive(**{"config.json": None}), "w.keras", "'config.json'"),
    "no weights": (archive(**{"model.weights.h5": None}), "w.keras", "weights.h5"),
    "a way out": (archive(**{"../x": b"x"}), "w.keras", "leads out"),
    "a false directory": (with_directory(1 << 30), "w.keras", "cannot be opened"),
}


@pytest.mark.parametrize("name", WRONG)
def test_an_outer_structure_that_is_wrong(tmp_path, name):
    """For a file that no line describes, it is the reason."""
    data, path, reason = WRONG[name]
    (tmp_path / path).write_bytes(data)
    (found,) = verify_checkpoints(tmp_path)
    assert found.status == "unknown"
    assert re.search(reason, found.reason)
    put(tmp_path, data, path)
    (found,) = verify_checkpoints(tmp_path)
    assert (found.status, found.reason) == ("good", None)


INSIDE = {
    "a link out": (linked(h5py.ExternalLink("/etc/passwd", "x")), "w.weights.h5"),
    "a link to nothing": (linked(h5py.SoftLink("/y")), "w.h5"),
    "no json": (archive(**{"config.json": b"{"}), "w.keras"),
    "no HDF5": (archive(**{"model.weights.h5": b"x"}), "w.keras"),
    "behind a block of the user's": (b"mine".ljust(1024) + weights(), "w.hdf5"),
    "another way to say folder": (archive(**{"assets/": b""}), "w.keras"),
}


@pytest.mark.parametrize("name", INSIDE)
def test_what_is_inside_is_not_opened(tmp_path, name):
    """Neither for a file without a line, nor for one that its digest proves."""
    data, path = INSIDE[name]
    (tmp_path / path).write_bytes(data)
    (found,) = verify_checkpoints(tmp_path)
    assert (found.status, found.reason) == ("unknown", None)
    put(tmp_path, data, path)
    assert statuses(tmp_path) == {path: "good"}


@pytest.mark.parametrize("name", ["w.keras", "w.h5"])
def test_an_unknown_file_larger_than_any_disk(tmp_path, name):
    """It takes no time and no memory, whatever its end claims."""
    (tmp_path / name).write_bytes(b"x")
    os.truncate(tmp_path / name, 1 << 43)
    with open(tmp_path / name, "ab") as file:
        file.write(with_directory((1 << 32) - 1))
    tracemalloc.start()
    (found,) = in_time(lambda: verify_checkpoints(tmp_path))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.status == "unknown"
    assert found.reason in (
        "its directory is larger than that of any checkpoint",
        "it cannot be opened: it has no signature of HDF5",
    )
    assert peak < 16 << 20


def of_members(count):
    """Return an archive that has a directory of so many members, and nothing else."""
    member = struct.pack("<4s4B4H3L5H2L", b"PK\1\2", *[0] * 11, 1, *[0] * 6) + b"x"
    data = member * count
    most = min(count, 65535)
    return data + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, most, most, len(data), 0, 0)


def test_an_archive_of_as_many_members_as_fit(tmp_path):
    """It takes seconds, and no more than about 1,500 bytes for each member."""
    (tmp_path / "w.keras").write_bytes(of_members(170_000))
    (found,) = in_time(lambda: verify_checkpoints(tmp_path))
    assert found.reason == "it has no member 'metadata.json'"
    (tmp_path / "w.keras").write_bytes(of_members(17_000))
    tracemalloc.start()
    verify_checkpoints(tmp_path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < (256 << 20) // 10


@settings(max_examples=60)
@given(data=st.data())
@pytest.mark.slow
def test_any_bytes(tmp_path_factory, data):
    """No file, whatever it contains, crashes or hangs the reader."""
    folder = tmp_path_factory.mktemp("any")
    name = data.draw(st.sampled_from(["w.keras", "w.h5"]))
    whole = archive() if name == "w.keras" else weights()
    start = data.draw(st.integers(0, len(whole)))
    junk = data.draw(st.binary(max_size=64))
    mixed = whole[:start] + junk + whole[start + len(junk) :]
    (folder / name).write_bytes(mixed)
    (found,) = verify_checkpoints(folder)
    assert found.status == "unknown"
    put(folder, mixed, name)
    assert statuses(folder) == {name: "good"}

"""`verify_checkpoints`: which files are intact, and which are not."""

from __future__ import annotations

import math
import os
import threading
import time

import pytest
from checkpoint_files import (
    abandoned_path,
    add_line,
    archive,
    put,
    record,
    statuses,
    weights,
    write_journal,
)
from conftest import nested
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelcheckpoint import verify_checkpoints
from modelcheckpoint.for_r.frames import verification_frame
from modelcheckpoint.journal.verify import Verifier
from modelcheckpoint.records import Removal
from modelcheckpoint.storage.journals import JOURNAL
from modelcheckpoint.storage.local import LocalStorage

pytest.importorskip("h5py")


def test_good_files(tmp_path):
    """Each is described by its own line, in the journal's order."""
    lines = [
        put(tmp_path, weights(2.0), "b/2.weights.h5"),
        put(tmp_path, archive(), "a.keras"),
        put(tmp_path, weights(1.0), "1.weights.h5"),
    ]
    found = verify_checkpoints(tmp_path)
    assert [one.record for one in found] == lines
    assert {one.status for one in found} == {"good"}
    assert {one.reason for one in found} == {None}


def test_an_older_line_may_be_the_right_one(tmp_path):
    """The newest line of a name can be ahead of its file."""
    old = put(tmp_path, weights(1.0))
    add_line(tmp_path, record(weights(2.0), run="later"))
    (found,) = verify_checkpoints(tmp_path)
    assert (found.status, found.record) == ("good", old)


@settings(
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(at=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
@pytest.mark.parametrize("path", ["w.weights.h5", "w.keras"])
def test_one_flipped_bit(tmp_path, path, at, bit):
    """It is found anywhere in the file."""
    data = bytearray(archive() if path.endswith(".keras") else weights())
    (tmp_path / JOURNAL).unlink(missing_ok=True)
    put(tmp_path, bytes(data), path)
    data[int(at * len(data))] ^= 1 << bit
    (tmp_path / path).write_bytes(data)
    (found,) = verify_checkpoints(tmp_path)
    assert found.status == "damaged"
    assert "the journal says" in found.reason


@pytest.mark.parametrize(
    "change", [lambda d: d[:-1], lambda d: d + b"x", lambda d: b""]
)
def test_another_size(tmp_path, change):
    """Both sizes are reported."""
    data = weights()
    put(tmp_path, data)
    (tmp_path / "w.weights.h5").write_bytes(change(data))
    (found,) = verify_checkpoints(tmp_path)
    assert found.status == "damaged"
    assert f"{len(change(data))} bytes, the journal says {len(data)}" in found.reason


def test_missing_and_deleted(tmp_path):
    """A file that is not there is missing, unless a line explains it."""
    add_line(tmp_path, record(weights(1.0), "gone.weights.h5"))
    deleted = add_line(tmp_path, record(weights(2.0), "deleted.weights.h5"))
    add_line(tmp_path, Removal.of(deleted))
    add_line(tmp_path, record(weights(3.0), "twice.weights.h5"))
    second = add_line(tmp_path, record(weights(4.0), "twice.weights.h5"))
    add_line(tmp_path, Removal.of(second))
    assert statuses(tmp_path) == {"gone.weights.h5": "missing"}


def test_a_save_that_never_came_does_not_hide_a_loss(tmp_path):
    """The file that had the name before should still be there."""
    first = put(tmp_path, weights(1.0))
    never = add_line(tmp_path, record(weights(2.0)))
    add_line(tmp_path, Removal.of(never, never_came=True))
    assert statuses(tmp_path) == {first.path: "good"}
    (tmp_path / first.path).unlink()
    (found,) = verify_checkpoints(tmp_path)
    assert (found.status, found.record) == ("missing", first)
    add_line(tmp_path, Removal.of(first))
    assert statuses(tmp_path) == {}


def test_a_save_that_came_to_nothing_and_is_made_again(tmp_path):
    """The same file, later: the first one's outcome does not excuse it."""
    never = add_line(tmp_path, record(weights()))
    add_line(tmp_path, Removal.of(never, never_came=True))
    add_line(tmp_path, record(weights()))
    assert statuses(tmp_path) == {"w.weights.h5": "missing"}


def test_an_upload_that_may_not_have_ended(tmp_path):
    """A process killed while uploading leaves the file's line, and nothing after it."""
    folder = tmp_path / "copied from a store"
    folder.mkdir()
    lost, last = (record(archive(), f"{n}.keras", run="one") for n in (1, 2))
    lines = [f"{entry.to_line()}\n" for entry in (lost, last)]
    (folder / "modelcheckpoint.a1.0001.jsonl").write_text(lines[0])
    assert statuses(folder) == {"1.keras": "unknown"}
    (folder / "modelcheckpoint.a1.0002.jsonl").write_text(lines[1])
    assert statuses(folder) == {"1.keras": "missing", "2.keras": "unknown"}
    (reason,) = [v.reason for v in verify_checkpoints(folder) if v.record == last]
    assert "which may have ended before the upload did" in reason
    put(folder, archive(), "2.keras", run="two")  # it was saved again, and did come
    (folder / "2.keras").unlink()
    assert statuses(folder)["2.keras"] == "missing"


def test_a_save_that_was_cut_short_is_not_missing(tmp_path):
    """Its temporary file is there, complete, until the next run sweeps it."""
    add_line(tmp_path, record(weights()))
    path = abandoned_path(tmp_path, suffix=".weights.h5")
    path.write_bytes(weights())
    assert statuses(tmp_path) == {}
    path.write_bytes(weights(1.0))
    assert statuses(tmp_path) == {"w.weights.h5": "missing"}


def test_a_file_larger_than_any_disk(tmp_path):
    """It is not read: nobody wrote a file of that size."""
    put(tmp_path, weights())
    put(tmp_path, archive(), "unknown.keras", run="other")
    (tmp_path / JOURNAL).write_text(record(weights()).to_line() + "\n")
    for name in ("w.weights.h5", "unknown.keras"):
        os.truncate(tmp_path / name, 1 << 43)
    read = []
    found = verify_checkpoints(tmp_path, progress=lambda *call: read.append(call))
    assert [one.status for one in found] == ["damaged", "unknown"]
    assert "the journal says" in found[0].reason
    assert read == []


@pytest.mark.skipif(os.name == "nt", reason="makes links and pipes")
def test_what_is_no_file(tmp_path):
    """A link, a pipe or a folder under a checkpoint's name is not read."""
    for name in ("link", "pipe", "folder"):
        add_line(tmp_path, record(weights(), f"{name}.weights.h5"))
    (tmp_path / "link.weights.h5").symlink_to("/etc/passwd")
    os.mkfifo(tmp_path / "pipe.weights.h5")
    (tmp_path / "folder.weights.h5").mkdir()
    found = verify_checkpoints(tmp_path)
    assert [one.status for one in found] == ["damaged"] * 3
    assert "it is a link" in found[0].reason


@pytest.mark.skipif(os.name == "nt", reason="paths are shorter there")
def test_folders_in_folders_in_folders(tmp_path, monkeypatch):
    """Nested deeper than the limit on recursion."""
    add_line(tmp_path, record(weights(), "a/" * 400 + "w.weights.h5"))
    with nested(tmp_path / "a", monkeypatch, 400):
        assert list(statuses(tmp_path).values()) == ["missing"]


def test_a_number_beyond_all_floats(tmp_path):
    """In R it is infinite."""
    add_line(tmp_path, record(weights(), epoch=10**400, value=-(10**400)))
    frame = verification_frame(verify_checkpoints(tmp_path))
    values = {column["name"]: column["values"] for column in frame}
    assert (values["epoch"], values["value"]) == ([math.inf], [-math.inf])


def test_a_reader_beside_a_writer(tmp_path):
    """A good file that is replaced while it is read is never called damaged."""
    stop = threading.Event()

    def write():
        storage, number = LocalStorage(str(tmp_path)), 0
        while not stop.is_set():
            number += 1
            name = f"{number % 3}.weights.h5"
            data = weights(float(number))
            with storage.staged(name, ".weights.h5") as staged:
                staged.write([(data, None)])
                storage.append(record(data, name).to_line())
                staged.publish()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        end = time.monotonic() + 4
        while time.monotonic() < end:
            wrong = [f for f in verify_checkpoints(tmp_path) if f.status != "good"]
            assert wrong == []
    finally:
        stop.set()
        writer.join()


def test_a_writer_that_is_faster_than_the_journal_is_read(tmp_path):
    """An open file's line is found, however many lines are added meanwhile."""
    first = put(tmp_path, weights(1.0))
    storage, saved = LocalStorage(str(tmp_path)), []
    verifier, look = Verifier(storage), storage.entry

    def save_before_each_look(name):
        if name == first.path:
            saved.append(put(tmp_path, weights(len(saved) + 2.0)))
        return look(name)

    storage.entry = save_before_each_look
    found = verifier.verify(first.path)
    assert (found.status, found.record) == ("good", saved[-1])
    assert len(saved) == 1


def test_progress(tmp_path):
    """It is given the bytes read and the total."""
    put(tmp_path, b"x" * (3 << 20))
    calls = []
    verify_checkpoints(tmp_path, progress=lambda *call: calls.append(call))
    assert calls == [(n << 20, 3 << 20) for n in (1, 2, 3)]


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ((3,), ValueError, "`folder` must be a string or a path object, not 3"),
        (("missing",), FileNotFoundError, "`folder` must be a folder that exists"),
        ((__file__,), NotADirectoryError, "`folder` must be a folder that exists"),
    ],
)
def test_wrong_folders(arguments, error, says):
    """An error names the argument, the rule and the value."""
    with pytest.raises(error, match=says):
        verify_checkpoints(*arguments)
    with pytest.raises(ValueError, match="`progress` must be a function of two"):
        verify_checkpoints(".", progress=len)


@pytest.mark.parametrize(("names", "lines"), [(10_000, 10_000), (1, 100_000)])
@pytest.mark.slow
def test_many_lines(tmp_path, names, lines):
    """They are read in seconds; deleted names cost no more than others."""
    write_journal(tmp_path, [f"{number % names}.keras" for number in range(lines)])
    began = time.perf_counter()
    assert len(verify_checkpoints(tmp_path)) == names
    assert time.perf_counter() - began < 90  # quadratic time would be minutes


def test_random_folders_are_never_left(tmp_path):
    """Whatever the journal names, nothing outside the folder is opened."""
    secret = tmp_path / "secret.keras"
    secret.write_bytes(archive())
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "up").symlink_to("..")
    for name in ("../secret.keras", "up/secret.keras", str(secret)):
        add_line(folder, record(archive(), name))
    before = secret.stat().st_atime_ns
    assert "good" not in statuses(folder).values()
    assert secret.stat().st_atime_ns == before

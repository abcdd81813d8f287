"""`verify_checkpoints` and `modelcheckpoint verify`: what is whole, and what is not."""

from __future__ import annotations

import io
import json
import math
import os
import pathlib
import re
import signal
import struct
import subprocess
import sys
import threading
import time
import tracemalloc
from dataclasses import replace

import pytest
from checkpoint_files import (
    RECORD,
    abandoned_path,
    add_line,
    archive,
    put,
    record,
    statuses,
    weights,
)
from conftest import before, in_time, nested, run
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelcheckpoint import verify_checkpoints
from modelcheckpoint.for_r.frames import verification_frame
from modelcheckpoint.journal.verify import Verifier
from modelcheckpoint.records import Removal
from modelcheckpoint.storage.base import JOURNAL
from modelcheckpoint.storage.local import LocalStorage

h5py = pytest.importorskip("h5py")


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
    deadline=None,
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(at=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
@pytest.mark.parametrize("path", ["w.weights.h5", "w.keras"])
def test_one_flipped_bit(tmp_path, path, at, bit):
    """Anywhere in the file, it is found."""
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
    """Both sizes are told."""
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
    """What had the name before it should still be there."""
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
    """The same file, later: it is not excused by what became of the first."""
    never = add_line(tmp_path, record(weights()))
    add_line(tmp_path, Removal.of(never, never_came=True))
    add_line(tmp_path, record(weights()))
    assert statuses(tmp_path) == {"w.weights.h5": "missing"}


def test_a_save_that_was_cut_short_is_not_missing(tmp_path):
    """Its temporary file lies there, whole, until the next run sweeps it."""
    add_line(tmp_path, record(weights()))
    path = abandoned_path(tmp_path, suffix=".weights.h5")
    path.write_bytes(weights())
    assert statuses(tmp_path) == {}
    path.write_bytes(weights(1.0))
    assert statuses(tmp_path) == {"w.weights.h5": "missing"}


def test_unknown_files(tmp_path):
    """A checkpoint that the journal does not name; what is wrong with it is told."""
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
    """Return an archive whose end tells of a directory of so many bytes."""
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
    """Of a file that no line describes it is the reason."""
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
    """Neither of a file that no line describes, nor of one that its digest proves."""
    data, path = INSIDE[name]
    (tmp_path / path).write_bytes(data)
    (found,) = verify_checkpoints(tmp_path)
    assert (found.status, found.reason) == ("unknown", None)
    put(tmp_path, data, path)
    assert statuses(tmp_path) == {path: "good"}


@pytest.mark.parametrize("name", ["w.keras", "w.h5"])
def test_an_unknown_file_larger_than_any_disk(tmp_path, name):
    """It takes no time and no memory, whatever its end says of it."""
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


def test_an_archive_of_as_many_members_as_fit(tmp_path):
    """It takes some memory, and little enough."""
    member = struct.pack("<4s4B4H3L5H2L", b"PK\1\2", *[0] * 11, 1, *[0] * 6) + b"x"
    data = member * 170_000
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 65535, 65535, len(data), 0, 0)
    (tmp_path / "w.keras").write_bytes(data + end)
    tracemalloc.start()
    (found,) = in_time(lambda: verify_checkpoints(tmp_path))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.reason == "it has no member 'metadata.json'"
    assert peak < 256 << 20


def test_a_file_larger_than_any_disk(tmp_path):
    """It is not read: it has no size that anybody wrote."""
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
    """More of them than calls can be nested."""
    add_line(tmp_path, record(weights(), "a/" * 1500 + "w.weights.h5"))
    with nested(tmp_path / "a", monkeypatch):
        assert list(statuses(tmp_path).values()) == ["missing"]


def test_a_number_beyond_all_floats(tmp_path):
    """In R it is infinite."""
    add_line(tmp_path, record(weights(), epoch=10**400, value=-(10**400)))
    frame = verification_frame(verify_checkpoints(tmp_path))
    values = {column["name"]: column["values"] for column in frame}
    assert (values["epoch"], values["value"]) == ([math.inf], [-math.inf])


@settings(deadline=None, max_examples=60)
@given(data=st.data())
@pytest.mark.slow
def test_any_bytes(tmp_path_factory, data):
    """No file, whatever it holds, crashes or hangs the reader."""
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


def test_a_reader_beside_a_writer(tmp_path):
    """A good file that is exchanged while it is read is never called damaged."""
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
    """The line of a file that is open is there, however many come meanwhile."""
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
    """It is told how much was read of how much there is."""
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
    """An error names the argument, the rule and what came."""
    with pytest.raises(error, match=says):
        verify_checkpoints(*arguments)
    with pytest.raises(ValueError, match="`progress` must be a function of two"):
        verify_checkpoints(".", progress=len)


@pytest.mark.parametrize(("names", "lines"), [(10_000, 10_000), (1, 100_000)])
@pytest.mark.slow
def test_many_lines(tmp_path, names, lines):
    """Are read in seconds; names that are gone cost no more than others."""
    with open(tmp_path / JOURNAL, "w", encoding="utf-8") as file:
        for number in range(lines):
            line = replace(RECORD, path=f"{number % names}.keras").to_line()
            file.write(line + "\n")
    began = time.perf_counter()
    assert len(verify_checkpoints(tmp_path)) == names
    assert time.perf_counter() - began < 90  # what grows with the square takes minutes


# The command line


@pytest.fixture
def mixed(tmp_path):
    pytest.importorskip("click")
    pytest.importorskip("rich")
    put(tmp_path, weights(), "good.weights.h5")
    (tmp_path / "nobody.keras").write_bytes(archive())
    return tmp_path


def test_the_command(mixed):
    """A table, a summary, and status 1 once something is damaged or missing."""
    ended = run("verify", mixed)
    assert ended.returncode == 0
    assert ended.stdout.splitlines() == [
        "status   path             reason",
        "good     good.weights.h5        ",
        "unknown  nobody.keras           ",
        "1 good, 1 unknown",
    ]
    (mixed / "good.weights.h5").write_bytes(b"x")
    ended = run("verify", mixed)
    assert ended.returncode == 1
    assert "damaged  good.weights.h5  it has 1 bytes, the journal says" in ended.stdout
    (mixed / "good.weights.h5").unlink()
    assert run("verify", mixed).returncode == 1


def test_the_command_for_programs(mixed):
    """One JSON object on each line, with the journal's record."""
    lines = run("verify", mixed, "--json").stdout.splitlines()
    good, unknown = map(json.loads, lines)
    assert (good["path"], good["status"]) == ("good.weights.h5", "good")
    assert good["record"]["value"] == 0.5
    assert unknown["record"] is None


@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C is another thing there")
def test_the_command_is_interrupted(mixed):
    """Status 130, as 1 would say that something is damaged."""
    size = 1 << 42
    os.truncate(mixed / "good.weights.h5", size)
    add_line(mixed, replace(record(b"", "good.weights.h5"), bytes=size))
    command = [sys.executable, "-m", "modelcheckpoint", "verify", str(mixed)]
    with subprocess.Popen(command) as process:
        time.sleep(3)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130


def test_the_command_called_wrongly(mixed):
    """Status 2, and one sentence."""
    ended = run("verify", mixed / "missing")
    assert ended.returncode == 2
    assert "does not exist" in ended.stderr
    assert run("nothing").returncode == 2
    assert run("verify", "--help").returncode == 0


@pytest.mark.skipif(os.name == "nt", reason="such names are not for Windows")
@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
def test_names_that_move_the_cursor(mixed, locale):
    """Names with a newline, an escape or a byte that is no text are shown as such."""
    try:
        names = [
            b"a\nb.keras",
            b"\x1b[31mred.keras",
            b"\xff.keras",
            "\u00e9.keras".encode(),
        ]
        for name in names:
            pathlib.Path(
                os.fsdecode(os.path.join(os.fsencode(mixed), name))
            ).write_bytes(archive())
    except OSError:
        pytest.skip("this file system refuses such names")
    ended = run("verify", mixed, LC_ALL=locale, PYTHONUTF8="0")
    assert ended.returncode == 0
    assert "a\\nb.keras" in ended.stdout
    assert "\\x1b[31mred.keras" in ended.stdout
    assert "\x1b" not in ended.stdout
    assert run("verify", mixed, "--json", LC_ALL=locale).returncode == 0


def test_the_command_loads_no_keras(mixed):
    """Nor NumPy, nor h5py: the child that opens files does."""
    code = (
        "import sys; sys.argv[1:] = ['verify', sys.argv[1]]\n"
        "from modelcheckpoint.__main__ import main\n"
        "try: main()\n"
        "finally: print(sorted({'keras', 'numpy', 'h5py'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", code, str(mixed)]
    said = subprocess.run(command, capture_output=True, text=True)
    assert said.stdout.splitlines()[-1] == "[]"


def test_without_the_libraries_of_the_command(tmp_path):
    """It says what to install."""
    (tmp_path / "click.py").write_text("raise ImportError(name='click')")
    ended = run("verify", ".", PYTHONPATH=before(tmp_path))
    assert ended.returncode == 1
    assert 'pip install "modelcheckpoint[cli]"' in ended.stderr


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

"""`journal/log.py`: reading the journal, whatever is in it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace

import made
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelcheckpoint.journal import log
from modelcheckpoint.storage import storage_for
from modelcheckpoint.storage.base import JOURNAL, Digest, digest_of
from modelcheckpoint.storage.local import LocalStorage

RECORD = replace(made.RECORD, logs={"loss": 0.5}, bytes=10)


def line(record):
    return record.to_line().encode() + b"\n"


def read(folder):
    return list(log.read(storage_for(str(folder))))


# Reading


def test_records_come_in_their_order(tmp_path):
    """What was appended first comes first."""
    storage = LocalStorage(str(tmp_path))
    records = [replace(RECORD, epoch=epoch) for epoch in range(1, 6)]
    for record in records:
        storage.append(record.to_line())
    assert read(tmp_path) == records


def test_no_journal(tmp_path):
    """A folder without a journal, or no folder at all, has no records."""
    assert read(tmp_path) == []
    assert read(tmp_path / "missing") == []
    (tmp_path / JOURNAL).touch()
    assert read(tmp_path) == []


def test_a_journal_that_is_a_folder(tmp_path):
    """Whatever has the journal's name stops nobody."""
    (tmp_path / JOURNAL).mkdir()
    assert read(tmp_path) == []


newer = json.loads(RECORD.to_line())
newer["schema"] = 2
without = {name: json.loads(RECORD.to_line()) for name in ("batch", "logs", "versions")}
for name in without:
    del without[name][name]

BAD = {
    "torn": line(RECORD)[:100] + b"\n",
    "empty": b"\n",
    "blank": b"   \n",
    "binary": bytes(range(256)) + b"\n",
    "zeros": b"\0" * 5000 + b"\n",
    "no unicode": b'{"schema": 1, "path": "\xff"}\n',
    "foreign": b'{"event": "saved", "path": "w.keras"}\n',
    "text": b"this is a log file\n",
    "a list": b"[1, 2]\n",
    "newer": json.dumps(newer).encode() + b"\n",
    "deep": b"[" * 100_000 + b"\n",
    "two in one": line(RECORD)[:-1] + line(RECORD),
    "no batch": json.dumps(without["batch"]).encode() + b"\n",
    "no logs": json.dumps(without["logs"]).encode() + b"\n",
    "no versions": json.dumps(without["versions"]).encode() + b"\n",
}


@pytest.mark.parametrize("bad", BAD)
def test_a_bad_line_is_passed_over(tmp_path, bad):
    """The lines before and after it are read."""
    first, last = replace(RECORD, epoch=7), replace(RECORD, epoch=8)
    (tmp_path / JOURNAL).write_bytes(line(first) + BAD[bad] + line(last))
    found = read(tmp_path)
    assert found[0] == first
    assert found[-1] == last


@pytest.mark.parametrize("end", [1, 50, 200])
def test_a_torn_end_is_passed_over(tmp_path, end):
    """After a kill in the middle of an append, all lines before are there."""
    (tmp_path / JOURNAL).write_bytes(line(RECORD) * 2 + line(RECORD)[:end])
    assert read(tmp_path) == [RECORD] * 2


def test_a_last_line_without_its_newline(tmp_path):
    """A line that lacks nothing but its newline is whole."""
    (tmp_path / JOURNAL).write_bytes(line(RECORD)[:-1])
    assert read(tmp_path) == [RECORD]


def test_lines_that_windows_wrote(tmp_path):
    """An editor that wrote CR LF did no harm."""
    (tmp_path / JOURNAL).write_bytes(line(RECORD).replace(b"\n", b"\r\n") * 2)
    assert read(tmp_path) == [RECORD] * 2


def test_odd_separators_within_a_line(tmp_path):
    """Characters that Python's `splitlines` takes for line ends are none here."""
    record = replace(RECORD, path="a\u2028b\x85c\x0bd.keras")
    LocalStorage(str(tmp_path)).append(record.to_line())
    assert read(tmp_path) == [record]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from([None, *BAD]) | st.binary(max_size=50), max_size=12))
def test_any_mixture_is_read(tmp_path_factory, pieces):
    """Whatever lies between them, every whole line of ours is found, in order."""
    folder = tmp_path_factory.mktemp("mixture")
    content, epochs = b"", []
    for number, piece in enumerate(pieces, 1000):
        if piece is None:
            content += b"\n" + line(replace(RECORD, epoch=number))
            epochs.append(number)
        else:
            content += BAD[piece] if isinstance(piece, str) else piece
    (folder / JOURNAL).write_bytes(content)
    assert [r.epoch for r in read(folder) if r.epoch >= 1000] == epochs


# Matching


def test_the_newest_line_that_fits_wins():
    """Of several lines for one name, those count that describe the file as it is."""
    digest = Digest(10, "0badcafe")
    fits = [replace(RECORD, epoch=1), replace(RECORD, epoch=2)]
    ahead = [
        replace(RECORD, epoch=3, crc32="00000000"),
        replace(RECORD, epoch=4, bytes=9),
    ]
    other = [replace(RECORD, epoch=5, path="other.keras")]
    assert log.matching(fits + ahead + other, "w.keras", digest) == fits[-1]
    assert log.matching(iter(fits + ahead), "w.keras", digest) == fits[-1]
    assert log.matching(ahead + other, "w.keras", digest) is None
    assert log.matching([], "w.keras", digest) is None


def test_a_line_ahead_of_its_file(tmp_path):
    """Killed between line and rename, the file on disk still has its own line."""
    storage = LocalStorage(str(tmp_path))
    for epoch, data in enumerate((b"one", b"two", b"three"), 1):
        with storage.staged("w.keras", ".keras") as staged:
            digest = staged.write([(data, None)])
            sums = {"bytes": digest.bytes, "crc32": digest.crc32}
            storage.append(replace(RECORD, epoch=epoch, **sums).to_line())
            if epoch < 3:
                staged.publish()
    found = log.matching(read(tmp_path), "w.keras", digest_of(storage, "w.keras"))
    assert found.epoch == 2


# Two processes at once

APPENDER = """
import sys
from modelcheckpoint.storage.local import LocalStorage

folder, name = sys.argv[1:]
storage = LocalStorage(folder)
print("ready", flush=True)
sys.stdin.readline()
for number in range(100):
    storage.append('{"%s": %d, "x": "%s"}' % (name, number, "x" * (number * 50)))
"""


@pytest.mark.skipif(os.name == "nt", reason="appends are not atomic on Windows")
@pytest.mark.parametrize("torn", [b"", b'{"torn'])
def test_two_processes_append_at_once(tmp_path, torn):
    """Every line of both is whole, and each one's are in order."""
    (tmp_path / JOURNAL).write_bytes(torn)
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", APPENDER, str(tmp_path), name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in ("a", "b")
    ]
    for writer in writers:
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        writer.stdin.write("\n")
        writer.stdin.flush()
    for writer in writers:
        writer.communicate(timeout=60)
        assert writer.returncode == 0
    lines = (tmp_path / JOURNAL).read_bytes().splitlines()
    found = [json.loads(line) for line in lines if line not in (torn, b"")]
    for name in ("a", "b"):
        assert [f[name] for f in found if name in f] == list(range(100))
    assert all(len(f["x"]) == f.get("a", f.get("b")) * 50 for f in found)


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="counts open files")
def test_a_journal_that_cannot_be_read(tmp_path):
    """It is an error, and not a journal that tells nothing."""
    import resource

    (tmp_path / JOURNAL).write_text("{}")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        with pytest.raises(OSError, match="Too many open files"):
            list(log.read(storage_for(str(tmp_path))))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_follower_reads_on(tmp_path):
    """Each line once; one that somebody writes right now is left until it is whole."""
    follower = log.Follower(storage_for(str(tmp_path)))
    assert list(follower.entries()) == []
    path, one, other = tmp_path / JOURNAL, RECORD, replace(RECORD, epoch=2)
    path.write_bytes(line(one) + line(other)[:30])
    assert list(follower.entries()) == [one]
    assert list(follower.entries()) == []
    path.write_bytes(line(one) + line(other))
    assert list(follower.entries()) == [other]
    path.write_bytes(line(other))  # begun anew
    assert list(follower.entries()) == [other]

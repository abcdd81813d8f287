"""`journal/log.py`: reading the journal, whatever it contains."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace

import checkpoint_files
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from memory_storage import MemoryStorage

from modelcheckpoint.journal import log
from modelcheckpoint.records import Removal
from modelcheckpoint.storage import storage_for
from modelcheckpoint.storage.base import Digest, digest_of
from modelcheckpoint.storage.journals import JOURNAL

RECORD = replace(checkpoint_files.RECORD, logs={"loss": 0.5}, bytes=10)


def line(record):
    return record.to_line().encode() + b"\n"


def storage_with(journal):
    """Return a storage whose journal holds these bytes."""
    storage = MemoryStorage()
    storage.journal = journal
    return storage


def read(journal):
    return list(log.read(storage_with(journal)))


# Reading


def test_records_come_in_their_order():
    """In the order in which they were appended."""
    storage = MemoryStorage()
    records = [replace(RECORD, epoch=epoch) for epoch in range(1, 6)]
    for record in records:
        storage.append(record.to_line())
    assert list(log.read(storage)) == records


def test_no_journal(tmp_path):
    """A storage without a journal, or a missing folder, has no records."""
    assert read(None) == []
    assert read(b"") == []
    assert list(log.read(storage_for(str(tmp_path / "missing")))) == []


def test_a_journal_that_is_a_folder(tmp_path):
    """Nothing with the journal's name stops anyone."""
    (tmp_path / JOURNAL).mkdir()
    assert list(log.read(storage_for(str(tmp_path)))) == []


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
def test_a_bad_line_is_passed_over(bad):
    """The lines before and after it are read."""
    first, last = replace(RECORD, epoch=7), replace(RECORD, epoch=8)
    found = read(line(first) + BAD[bad] + line(last))
    assert found[0] == first
    assert found[-1] == last


@pytest.mark.parametrize("end", [1, 50, 200])
def test_a_torn_end_is_passed_over(end):
    """After a kill in the middle of an append, all earlier lines are there."""
    assert read(line(RECORD) * 2 + line(RECORD)[:end]) == [RECORD] * 2


def test_a_last_line_without_its_newline():
    """A line without its newline is complete."""
    assert read(line(RECORD)[:-1]) == [RECORD]


def test_lines_that_windows_wrote():
    """An editor that wrote CR LF did no harm."""
    assert read(line(RECORD).replace(b"\n", b"\r\n") * 2) == [RECORD] * 2


def test_odd_separators_within_a_line():
    """Characters at which Python's `splitlines` splits do not end a line."""
    record = replace(RECORD, path="a\u2028b\x85c\x0bd.keras")
    assert read(line(record)) == [record]


@settings(max_examples=50)
@given(st.lists(st.sampled_from([None, *BAD]) | st.binary(max_size=50), max_size=12))
def test_any_mixture_is_read(pieces):
    """Among any other lines, every complete line of ours is found, in order."""
    content, epochs = b"", []
    for number, piece in enumerate(pieces, 1000):
        if piece is None:
            content += b"\n" + line(replace(RECORD, epoch=number))
            epochs.append(number)
        else:
            content += BAD[piece] if isinstance(piece, str) else piece
    assert [r.epoch for r in read(content) if r.epoch >= 1000] == epochs


# Matching


def test_the_newest_line_that_fits_wins():
    """Of several lines for one name, only those that fit the current file count."""
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


def test_a_line_ahead_of_its_file():
    """After a kill between line and rename, the file still has its own line."""
    storage = MemoryStorage()
    for epoch, data in enumerate((b"one", b"two", b"three"), 1):
        with storage.staged("w.keras", ".keras") as staged:
            digest = staged.write([(data, None)])
            sums = {"bytes": digest.bytes, "crc32": digest.crc32}
            storage.append(replace(RECORD, epoch=epoch, **sums).to_line())
            if epoch < 3:
                staged.publish()
    found = log.matching(log.read(storage), "w.keras", digest_of(storage, "w.keras"))
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
    """Every line of both is complete, and the lines of each are in order."""
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
        writer.communicate(timeout=300)
        assert writer.returncode == 0
    lines = (tmp_path / JOURNAL).read_bytes().splitlines()
    found = [json.loads(line) for line in lines if line not in (torn, b"")]
    for name in ("a", "b"):
        assert [f[name] for f in found if name in f] == list(range(100))
    assert all(len(f["x"]) == f.get("a", f.get("b")) * 50 for f in found)


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="counts open files")
def test_a_journal_that_cannot_be_read(tmp_path):
    """It raises an error, instead of being taken for an empty journal."""
    import resource

    (tmp_path / JOURNAL).write_text("{}")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        with pytest.raises(OSError, match="Too many open files"):
            list(log.read(storage_for(str(tmp_path))))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_follower_reads_on():
    """Each line is read once; an incomplete line is left until it is complete."""
    storage = MemoryStorage()
    follower = log.Follower(storage)
    assert list(follower.entries()) == []
    one, other = RECORD, replace(RECORD, epoch=2)
    storage.journal = line(one) + line(other)[:30]
    assert list(follower.entries()) == [one]
    assert list(follower.entries()) == []
    storage.journal = line(one) + line(other)
    assert list(follower.entries()) == [other]
    storage.journal = line(other)  # started again
    assert list(follower.entries()) == [other]


# Several journals


def test_journals_that_were_copied_here_are_read_as_one(tmp_path):
    """They are sorted by time; a line without a time follows the one before it."""
    times = [f"2026-01-0{day}T00:00:00.000+00:00" for day in range(1, 7)]
    records = [replace(RECORD, epoch=n, time=time) for n, time in enumerate(times, 1)]
    first, second = records[::2], records[1::2]
    removal = Removal.of(first[0])
    (tmp_path / "modelcheckpoint.a1.1.jsonl").write_bytes(
        line(first[0]) + line(removal) + line(first[1])
    )
    (tmp_path / "modelcheckpoint.a1.2.jsonl").write_bytes(line(first[2]))
    (tmp_path / JOURNAL).write_bytes(b"".join(map(line, second)))
    (tmp_path / "modelcheckpoint.b.jsonl").mkdir()
    (tmp_path / "other.a1.1.jsonl").write_bytes(line(RECORD))
    storage = storage_for(str(tmp_path))
    expected = [first[0], removal, second[0], first[1], second[1], first[2], second[2]]
    assert list(log.entries(storage)) == expected
    follower = log.Follower(storage)
    assert list(follower.entries()) == expected
    late = replace(RECORD, epoch=9)
    storage.append(late.to_line())
    assert list(follower.entries()) == [late]


def test_a_follower_of_copied_journals_sees_the_first_line_of_its_own(tmp_path):
    """That line is in a journal that did not exist when the follower started."""
    (tmp_path / "modelcheckpoint.a1.1.jsonl").write_bytes(line(RECORD))
    storage = storage_for(str(tmp_path))
    follower = log.Follower(storage)
    assert list(follower.entries()) == [RECORD]
    late = replace(RECORD, epoch=9)
    storage.append(late.to_line())
    assert list(follower.entries()) == [late]


def test_a_removal_has_a_time():
    """By its time it is sorted among the lines of other journals."""
    storage = MemoryStorage()
    log.note_removals(storage, [RECORD])
    (removal,) = log.entries(storage)
    assert removal == Removal.of(RECORD)
    assert RECORD.time < removal.time <= log.now()

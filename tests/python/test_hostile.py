"""A folder that somebody else can write to: nothing in it leads outside."""

from __future__ import annotations

import json
import os
import pathlib
import tracemalloc
from dataclasses import asdict, replace

import pytest
from checkpoint_files import RECORD, abandoned_path
from conftest import in_time, nested
from hypothesis import given, settings
from hypothesis import strategies as st

from modelcheckpoint.journal import log
from modelcheckpoint.journal.sweep import sweep
from modelcheckpoint.records import Record
from modelcheckpoint.storage import beneath, storage_for
from modelcheckpoint.storage.base import NotPlain, digest_of
from modelcheckpoint.storage.journals import JOURNAL
from modelcheckpoint.storage.local import LocalStorage
from modelcheckpoint.storage.names import is_name_below
from modelcheckpoint.storage.staged_file import StagedFile

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name == "nt", reason="makes links, pipes and devices"),
]

OUTSIDE = ["../secret", "a/../../secret", "/etc/passwd", "a//b", "./w", "", ".", "a\0b"]
OUTSIDE += ["\ud800.keras", "a\udfff/w.keras"]  # no file can have such a name


@pytest.fixture
def folder(tmp_path):
    """A checkpoint folder next to a secret that must not be touched."""
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "checkpoints").mkdir()
    yield tmp_path / "checkpoints"
    assert (tmp_path / "secret").read_bytes() == b"secret"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoints", "secret"]


# Names in the journal


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_name_that_leads_out_is_no_record(folder, name):
    """The line is skipped, and the next one is read."""
    lines = [replace(RECORD, path=name).to_line(), RECORD.to_line()]
    (folder / JOURNAL).write_text("\n".join(lines))
    assert [record.path for record in log.read(storage_for(str(folder)))] == ["w.keras"]


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_name_that_leads_out_is_not_opened(folder, name):
    """No caller can open it."""
    with pytest.raises(NotPlain):
        beneath.open_below(str(folder), name)


@given(st.text(max_size=30) | st.from_regex(r"[./a]{1,12}", fullmatch=True))
def test_a_name_stays_below(name):
    """If a text is accepted as a name, its path is inside the folder."""
    if is_name_below(name):
        path = os.path.normpath(os.path.join("/folder", name))
        assert path.startswith("/folder/")
        assert "\0" not in path


def test_a_name_with_a_newline_is_a_name(folder):
    """JSON writes it as one line."""
    record = replace(RECORD, path="a\nb\x1b[31m.keras")
    LocalStorage(str(folder)).append(record.to_line())
    assert list(log.read(storage_for(str(folder)))) == [record]


# Links, pipes and devices


@pytest.mark.parametrize("name", ["w.keras", "below/w.keras"])
def test_a_link_is_not_followed(folder, name):
    """Neither the file nor a folder on its path may be a link."""
    (folder / "w.keras").symlink_to("../secret")
    (folder / "below").symlink_to("..")
    (folder.parent / "w.keras").write_bytes(b"other")
    try:
        with pytest.raises(NotPlain):
            beneath.open_below(str(folder), name)
        assert digest_of(LocalStorage(str(folder)), name) is None
    finally:
        (folder.parent / "w.keras").unlink()


def test_a_link_in_place_of_a_temporary_file(folder):
    """If somebody replaces the file by a link, nothing is written through it."""
    storage = LocalStorage(str(folder))
    for write in (lambda staged: staged.write([(b"x", None)]), StagedFile.seal):
        with storage.staged("w.keras", ".keras") as staged:
            os.unlink(staged.path)
            os.symlink("../secret", staged.path)
            with pytest.raises(OSError, match=r"link"):
                write(staged)
    assert sorted(os.listdir(folder)) == [JOURNAL]


def test_a_pipe_is_not_read(folder):
    """Reading it would wait forever."""
    os.mkfifo(folder / "w.keras")
    assert in_time(lambda: [digest_of(LocalStorage(str(folder)), "w.keras")]) == [None]


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_a_journal_that_is_no_file(folder, make):
    """It is not read, a sweep ignores it, and a check reports it before training."""
    make(folder / JOURNAL)
    storage = LocalStorage(str(folder))
    assert in_time(lambda: [list(log.read(storage_for(str(folder))))]) == [[]]
    assert in_time(lambda: [sweep(storage)]) == [[]]
    with pytest.raises(OSError, match=r"journal .* must be a file"):
        storage.check("w.keras")


def test_a_journal_that_is_a_link(folder):
    """It is not read, and its target is not written to."""
    (folder / JOURNAL).symlink_to("../secret")
    storage = LocalStorage(str(folder))
    with pytest.raises(OSError, match=r"journal .* must be a file, and it is a link"):
        storage.check("w.keras")
    with pytest.raises(OSError, match=r"journal .* must be a file, and it is a link"):
        storage.append(RECORD.to_line())
    assert list(log.read(storage_for(str(folder)))) == []


@pytest.mark.parametrize("up", [1, 2, 999])
def test_a_temporary_name_that_points_up(folder, up):
    """No journal above the folder is opened, let alone locked."""
    path = abandoned_path(folder, up)
    path.write_bytes(b"x")
    assert sweep(LocalStorage(str(folder), 3)) == []
    assert path.exists()


def test_a_temporary_folder_with_folders_in_folders(folder, monkeypatch):
    """If it is nested too deeply to be deleted, it stays, and the sweep continues."""
    with nested(abandoned_path(folder, suffix=".d"), monkeypatch):
        other = abandoned_path(folder, suffix=".h5")
        other.write_bytes(b"x")
        assert sweep(LocalStorage(str(folder))) == [other.name]


def test_a_temporary_folder_with_links_in_it(folder):
    """The links are deleted, and their targets stay."""
    path = abandoned_path(folder, suffix=".d")
    path.mkdir()
    (path / "file").symlink_to("../../secret")
    (path / "folder").symlink_to("../..")
    assert sweep(LocalStorage(str(folder))) == [path.name]
    assert not path.exists()


# Sizes


def test_a_line_without_an_end(folder):
    """It takes no memory, and the next line is read."""
    with open(folder / JOURNAL, "wb") as file:
        file.truncate(200 << 20)
        file.seek(0, os.SEEK_END)
        file.write(b"\n" + RECORD.to_line().encode() + b"\n")
    tracemalloc.start()
    found = list(log.read(storage_for(str(folder))))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found == [RECORD]
    assert peak < 32 << 20


DEEP = b"[" * 100_000, b'{"a":' * 100_000, b"9" * 100_000, b'"' + b"\\u0000" * 9999


@settings(max_examples=200)
@given(st.data())
def test_any_journal_is_read(tmp_path_factory, data):
    """Whatever the lines contain, only records below the folder come out."""
    folder = tmp_path_factory.getbasetemp() / "fuzz"
    folder.mkdir(exist_ok=True)
    json_value = st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=9),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner),
        max_leaves=5,
    )
    fields = st.sampled_from([*asdict(RECORD), "schema", "removed"])
    line = {
        "schema": 1,
        **asdict(RECORD),
        **data.draw(st.dictionaries(fields, json_value)),
    }
    whole = json.dumps(line).encode()
    pieces = st.sampled_from([whole, b"\n", *DEEP]) | st.binary(max_size=40)
    pathlib.Path(folder, JOURNAL).write_bytes(b"".join(data.draw(st.lists(pieces))))
    for entry in log.entries(storage_for(str(folder))):
        name = entry.path if isinstance(entry, Record) else entry.removed
        assert isinstance(name, str)
        assert not isinstance(entry, Record) or is_name_below(name)

"""`storage/exchange.py`: two names in a folder are exchanged."""

from __future__ import annotations

import os
import sys

import pytest
from conftest import posix
from faulty import FaultyOS
from local_trees import NEW, OLD, fill, tree

from modelcheckpoint.storage.exchange import UNSUPPORTED, exchange
from modelcheckpoint.storage.system import System


@pytest.fixture
def able(tmp_path):
    """Skip if this file system cannot exchange two names."""
    for name in ("one", "other"):
        (tmp_path / name).touch()
    try:
        exchange(str(tmp_path / "one"), str(tmp_path / "other"))
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise
        pytest.skip(f"no two names can be exchanged here: {error}")
    for name in ("one", "other"):
        (tmp_path / name).unlink()


@pytest.mark.usefixtures("able")
def test_folders_with_files_in_them(tmp_path):
    """The files of both are kept."""
    fill(tmp_path / "a", OLD)
    fill(tmp_path / "b", NEW)
    exchange(str(tmp_path / "a"), str(tmp_path / "b"))
    assert (tree(tmp_path / "a"), tree(tmp_path / "b")) == (NEW, OLD)


@posix
@pytest.mark.usefixtures("able")
def test_a_folder_and_something_else(tmp_path):
    """A folder with a file, and then with a link, which is not followed."""
    fill(tmp_path / "a", OLD)
    (tmp_path / "file").write_bytes(b"x")
    exchange(str(tmp_path / "a"), str(tmp_path / "file"))
    assert (tmp_path / "a").read_bytes() == b"x"
    (tmp_path / "link").symlink_to("nowhere")
    exchange(str(tmp_path / "file"), str(tmp_path / "link"))
    assert tree(tmp_path / "link") == OLD
    assert os.readlink(tmp_path / "file") == "nowhere"


@pytest.mark.usefixtures("able")
def test_what_is_not_there(tmp_path):
    """The error is not one that calls for another way, and nothing changes."""
    fill(tmp_path / "a", OLD)
    with pytest.raises(FileNotFoundError) as raised:
        exchange(str(tmp_path / "a"), str(tmp_path / "b"))
    assert raised.value.errno not in UNSUPPORTED
    assert raised.value.filename2 == str(tmp_path / "b")
    assert os.listdir(tmp_path) == ["a"]


def test_a_system_that_cannot(tmp_path, monkeypatch):
    """As on Windows: the error says that there is no such call."""
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(OSError, match="no two names") as raised:
        exchange("a", "b")
    assert raised.value.errno in UNSUPPORTED


@pytest.mark.usefixtures("able")
def test_it_goes_through_the_system(tmp_path):
    """So a test can make it fail, and it is retried if a file is in use."""

    class InUse(FaultyOS):
        refused = 0

        def _call(self, name, function, target, *arguments, **named):
            if self.refused < 3:
                self.refused += 1
                raise self.error
            return super()._call(name, function, target, *arguments, **named)

    error = PermissionError(13, "Permission denied")
    error.winerror = 32
    calls = InUse(error=error)
    fill(tmp_path / "a", OLD)
    fill(tmp_path / "b", NEW)
    System(calls).exchange(str(tmp_path / "a"), str(tmp_path / "b"))
    assert tree(tmp_path / "a") == NEW
    assert calls.refused == 3

"""`storage/preflight.py`: a folder that is not writable is reported before training."""

from __future__ import annotations

import errno
import os

import pytest
from conftest import descriptors, posix, tmpfs
from faulty import WithoutUnnamedFiles
from local_saves import OLD, files

from modelcheckpoint.storage.local import LocalStorage


@pytest.fixture
def read_only(tmp_path):
    """A folder that nobody can write to; root may write to a 0555 one."""
    folder = tmp_path / "read_only"
    folder.mkdir()
    with tmpfs(folder, "ro"):
        yield folder


@pytest.mark.parametrize("below", ["", "a", "a/b/c"])
def test_a_check_leaves_no_trace(tmp_path, below):
    """A writable folder is unchanged, or still missing."""
    before = descriptors()
    storage = LocalStorage(str(tmp_path / below) if below else str(tmp_path))
    storage.check()
    storage.check("w.keras")
    assert files(tmp_path) == []
    assert descriptors() == before


@pytest.mark.skipif(not hasattr(os, "O_TMPFILE"), reason="needs Linux")
def test_a_check_where_files_need_a_name(tmp_path):
    """A probe with a name is created and deleted again."""
    system = WithoutUnnamedFiles()
    LocalStorage(str(tmp_path / "a"), system=system).check("w.keras")
    assert [os.path.dirname(path) for path in system.opened] == [str(tmp_path)]
    assert files(tmp_path) == []


def test_a_check_in_a_folder_of_the_root():
    """The root folder is a folder, too."""
    LocalStorage(os.path.abspath(os.sep)).check()


@pytest.mark.parametrize("below", ["", "a/b"])
@pytest.mark.parametrize("system", [os, WithoutUnnamedFiles()], ids=["os", "named"])
def test_a_check_of_a_read_only_folder(read_only, below, system):
    """A folder that cannot be written to is found, even above missing folders."""
    folder = str(read_only / below) if below else str(read_only)
    with pytest.raises(OSError, match="`filepath` must lie in a folder that") as caught:
        LocalStorage(folder, system=system).check("w.keras")
    assert caught.value.errno == errno.EROFS
    assert caught.value.filename == folder
    assert str(read_only) in str(caught.value)


@posix
def test_a_check_of_a_forbidden_folder(tmp_path):
    """A folder that belongs to others keeps its kind of error."""
    if os.geteuid() == 0:
        pytest.skip("root may write into any folder")
    tmp_path.chmod(0o555)
    with pytest.raises(PermissionError, match="`filepath` must lie in a folder"):
        LocalStorage(str(tmp_path)).check()


@pytest.mark.parametrize("below", ["file", "file/a", "file/a/b"])
def test_a_file_in_the_folders_place(tmp_path, below):
    """It is found at any level, and named."""
    (tmp_path / "file").write_bytes(OLD)
    folder = str(tmp_path / below)
    with pytest.raises(NotADirectoryError, match="not in a file") as caught:
        LocalStorage(folder).check()
    assert caught.value.filename == folder
    above = f"({str(tmp_path / 'file')!r} is not a folder)"
    assert (above in str(caught.value)) == (below != "file")


def test_an_error_names_the_folder_as_it_was_given(tmp_path):
    """Not as the nearest existing folder, nor as an absolute path."""
    (tmp_path / "runs" / "w.keras").mkdir(parents=True)
    storage = LocalStorage(str(tmp_path / "runs"))
    with pytest.raises(IsADirectoryError, match="not an existing folder") as caught:
        storage.check("w.keras", "~/runs")
    assert caught.value.filename == os.path.join("~/runs", "w.keras")
    (tmp_path / "file").write_bytes(OLD)
    with pytest.raises(NotADirectoryError) as caught:
        LocalStorage(str(tmp_path / "file")).check(given="file")
    assert str(caught.value).endswith("not in a file: 'file'")


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="there is no /proc")
def test_a_folder_that_cannot_be_made():
    """`/proc` allows no new folder: that is the reason; the path given is named."""
    with pytest.raises(OSError, match="`filepath` must lie in a folder that") as caught:
        LocalStorage("/proc/nowhere/a").check()
    assert caught.value.filename == "/proc/nowhere/a"
    assert "(no folder can be made in '/proc': " in str(caught.value)


@posix
def test_a_broken_link_in_the_folders_place(tmp_path):
    """No folder can be made there."""
    os.symlink(tmp_path / "nowhere", tmp_path / "link")
    with pytest.raises(NotADirectoryError):
        LocalStorage(str(tmp_path / "link" / "a")).check()


def test_a_folder_in_the_files_place(tmp_path):
    """A file cannot have the name of a folder; other names are free."""
    (tmp_path / "taken").mkdir()
    storage = LocalStorage(str(tmp_path))
    with pytest.raises(IsADirectoryError, match="must name a file"):
        storage.check("taken")
    storage.check("free")
    storage.check()

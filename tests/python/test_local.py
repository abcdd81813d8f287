"""`storage/local.py`: files appear complete or not at all, whatever fails."""

from __future__ import annotations

import os
import pathlib
import stat
from zlib import crc32

import pytest
from conftest import descriptors, posix
from local_saves import NEW, OLD, files, parts, save, save_that_raises

from modelcheckpoint.storage.base import Digest, digest_of
from modelcheckpoint.storage.journals import JOURNAL
from modelcheckpoint.storage.local import LocalStorage


@pytest.fixture
def umask():
    """Set the umask for this test only."""
    before = os.umask(0o022)
    yield os.umask
    os.umask(before)


# The temporary file


def test_a_temporary_file_lies_beside_its_name(tmp_path):
    """It is empty, has the suffix of its name, and can be renamed in place."""
    storage = LocalStorage(str(tmp_path))
    with storage.staged("a/b/w.weights.h5", ".weights.h5") as staged:
        assert os.path.dirname(staged.path) == str(tmp_path / "a" / "b")
        assert os.path.getsize(staged.path) == 0
        assert staged.path.endswith(".weights.h5")
        assert os.path.basename(staged.path).startswith(".")


@posix
@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600)])
def test_permissions_are_the_umasks(tmp_path, umask, mask, mode):
    """A published checkpoint has the permissions of any other new file."""
    umask(mask)
    save(LocalStorage(str(tmp_path)))
    for name in ("w.keras", JOURNAL):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == mode


@posix
def test_a_temporary_file_is_a_new_one(tmp_path):
    """A file or link in its place is neither written to nor deleted."""
    storage = LocalStorage(str(tmp_path))
    with storage.staged("w.keras", ".keras") as staged:
        path = staged.path
    victim = tmp_path / "victim"
    victim.write_bytes(OLD)
    os.symlink(victim, path)
    with pytest.raises(FileExistsError), storage.staged("w.keras", ".keras"):
        pass
    assert os.path.islink(path)
    assert victim.read_bytes() == OLD


def test_a_temporary_file_is_gone_once_it_is_published(tmp_path):
    """Only the checkpoint and the journal are left."""
    save(LocalStorage(str(tmp_path)))
    assert files(tmp_path) == [JOURNAL, "w.keras"]
    assert (tmp_path / "w.keras").read_bytes() == NEW


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit, OSError])
def test_a_temporary_file_is_gone_after_an_exception(tmp_path, error):
    """However the model's own save ends, the folder is as before."""
    (tmp_path / "w.keras").write_bytes(OLD)
    storage = LocalStorage(str(tmp_path))
    before = descriptors()
    with pytest.raises(error):
        save_that_raises(storage, error)
    assert files(tmp_path) == [JOURNAL, "w.keras"]
    assert (tmp_path / "w.keras").read_bytes() == OLD
    assert descriptors() == before


def test_a_temporary_file_that_somebody_deleted(tmp_path):
    """If a model's save deletes the file, sealing it raises, and nothing else."""
    storage = LocalStorage(str(tmp_path))
    with storage.staged("w.keras", ".keras") as staged:
        os.unlink(staged.path)
        with pytest.raises(FileNotFoundError):
            staged.seal()


# The seal


@pytest.mark.parametrize("size", [1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3 << 20])
def test_a_seal_measures_the_whole_file(tmp_path, size):
    """Size and checksum cover all bytes, in however many pieces they are read."""
    storage, data = LocalStorage(str(tmp_path)), os.urandom(size)
    expected = Digest(size, f"{crc32(data):08x}")
    with storage.staged("x.keras", ".keras") as staged:
        pathlib.Path(staged.path).write_bytes(data)
        assert staged.seal() == expected
        staged.publish()
    assert digest_of(storage, "x.keras") == expected


def test_an_empty_file_is_not_sealed(tmp_path):
    """If a model's own save writes nothing, no empty checkpoint appears."""
    with pytest.raises(OSError, match="wrote nothing"):
        save(LocalStorage(str(tmp_path)), data=b"")
    assert files(tmp_path) == [JOURNAL]


def test_a_checksum_has_eight_digits(tmp_path):
    """Leading zeros are written."""
    (tmp_path / "x").write_bytes(data := b"\xff\xff\xff\xff")
    assert crc32(data) == 0xFFFFFFFF
    (tmp_path / "zero").write_bytes(b"\x9d\x0a\xd9\x6d")
    storage = LocalStorage(str(tmp_path))
    assert digest_of(storage, "x").crc32 == "ffffffff"
    assert digest_of(storage, "zero").crc32 == "00000000"


def test_there_is_nothing_to_measure(tmp_path):
    """The digest of a missing file, a folder or a name below a file is None."""
    storage = LocalStorage(str(tmp_path))
    (tmp_path / "file").write_bytes(OLD)
    (tmp_path / "folder").mkdir()
    assert digest_of(storage, "missing") is None
    assert digest_of(storage, "missing/w.keras") is None
    assert digest_of(storage, "folder") is None
    assert digest_of(storage, "file/w.keras") is None


# Publishing


@pytest.mark.parametrize("name", ["w.keras", "a/w.keras", "a/b/c/w.keras"])
def test_publishing_into_folders(tmp_path, name):
    """Missing folders are made, and an existing file is replaced."""
    storage = LocalStorage(str(tmp_path / "new"), depth=3)
    save(storage, name, OLD)
    save(storage, name, NEW)
    assert pathlib.Path(storage.path(name)).read_bytes() == NEW
    found = [n for n in files(tmp_path / "new") if (tmp_path / "new" / n).is_file()]
    assert found == sorted([name, JOURNAL])


@posix
def test_publishing_replaces_a_link_and_not_its_target(tmp_path):
    """If the name is a link, it becomes a file; the link's target stays."""
    (tmp_path / "elsewhere").write_bytes(OLD)
    os.symlink(tmp_path / "elsewhere", tmp_path / "w.keras")
    save(LocalStorage(str(tmp_path)))
    assert (tmp_path / "elsewhere").read_bytes() == OLD
    assert not (tmp_path / "w.keras").is_symlink()


def test_a_large_file_is_whole(tmp_path):
    """Beyond the amount flushed at once, nothing is lost; size and checksum match."""
    data = bytes(range(256)) * (1 << 17)  # 32 MiB
    storage = LocalStorage(str(tmp_path))
    with storage.staged("w.keras", ".keras") as staged:
        digest = staged.write(parts(data, 5))
        staged.publish()
    assert (tmp_path / "w.keras").read_bytes() == data
    assert digest == digest_of(storage, "w.keras")

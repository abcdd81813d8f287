"""`storage/local.py`: files appear whole, or not at all, whatever fails."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import pathlib
import shutil
import stat
import subprocess
from dataclasses import replace
from zlib import crc32

import pytest
from checkpoint_files import RECORD
from faulty import FaultyOS, ShortWrites, WithoutLinks, WithoutUnnamedFiles

from modelcheckpoint.journal import log
from modelcheckpoint.save.commit import Commit
from modelcheckpoint.save.replacement import keep_aside
from modelcheckpoint.storage import storage_for
from modelcheckpoint.storage.base import JOURNAL, Digest, NotFlushed, digest_of
from modelcheckpoint.storage.local import LocalStorage

posix = pytest.mark.skipif(os.name == "nt", reason="Windows has other rules")

OLD, NEW = b"old " * 1000, b"new!" * 20_000
OLD_SEALED = Digest(len(OLD), f"{crc32(OLD):08x}")


def parts(data, size):
    """Cut data in two; of the second part the checksum is known already."""
    return [(data[:size], None), (memoryview(data)[size:], crc32(data[size:]))]


def save(storage, name="w.keras", data=NEW, line="{}", by_keras=True):
    """Go the way of a save, as a commit does: Keras writes the file, or we do."""
    with storage.staged(name, ".keras") as staged:
        if by_keras:
            pathlib.Path(staged.path).write_bytes(data)
            digest = staged.seal()
        else:
            digest = staged.write(parts(data, 1000))
        assert digest == Digest(len(data), f"{crc32(data):08x}")
        storage.append(line)
        staged.publish()


def save_that_raises(storage, error):
    """Begin a save and end it by an exception."""
    with storage.staged("w.keras", ".keras") as staged:
        pathlib.Path(staged.path).write_bytes(NEW)
        raise error


def files(folder):
    """Return the names of everything below a folder."""
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*"))


def descriptors():
    """Return how many files this process has open."""
    return len(os.listdir("/proc/self/fd")) if os.path.exists("/proc/self/fd") else 0


@pytest.fixture
def umask():
    """Set the umask, for this test only."""
    before = os.umask(0o022)
    yield os.umask
    os.umask(before)


@pytest.fixture
def read_only(tmp_path):
    """A folder that nobody can write to: root may write into a 0555 one."""
    folder = tmp_path / "read_only"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", str(folder)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("a read-only tmpfs cannot be mounted here: needs root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


# The temporary file


def test_a_temporary_file_lies_beside_its_name(tmp_path):
    """It is empty, ends as its name does, and a rename is enough."""
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
    """What lies at its place is neither written to nor deleted, not even by a link."""
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
    """Nothing is left but the checkpoint and the journal."""
    save(LocalStorage(str(tmp_path)))
    assert files(tmp_path) == [JOURNAL, "w.keras"]
    assert (tmp_path / "w.keras").read_bytes() == NEW


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit, OSError])
def test_a_temporary_file_is_gone_after_an_exception(tmp_path, error):
    """Whatever ends the model's own save, the folder is as it was."""
    (tmp_path / "w.keras").write_bytes(OLD)
    storage = LocalStorage(str(tmp_path))
    before = descriptors()
    with pytest.raises(error):
        save_that_raises(storage, error)
    assert files(tmp_path) == [JOURNAL, "w.keras"]
    assert (tmp_path / "w.keras").read_bytes() == OLD
    assert descriptors() == before


def test_a_temporary_file_that_somebody_deleted(tmp_path):
    """A model's save that removes the file is an error of the seal, and no other."""
    storage = LocalStorage(str(tmp_path))
    with storage.staged("w.keras", ".keras") as staged:
        os.unlink(staged.path)
        with pytest.raises(FileNotFoundError):
            staged.seal()


# The seal


@pytest.mark.parametrize("size", [1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3 << 20])
def test_a_seal_measures_the_whole_file(tmp_path, size):
    """Size and checksum are those of all bytes, read in however many pieces."""
    storage, data = LocalStorage(str(tmp_path)), os.urandom(size)
    expected = Digest(size, f"{crc32(data):08x}")
    with storage.staged("x.keras", ".keras") as staged:
        pathlib.Path(staged.path).write_bytes(data)
        assert staged.seal() == expected
        staged.publish()
    assert digest_of(storage, "x.keras") == expected


def test_an_empty_file_is_not_sealed(tmp_path):
    """A model whose own save writes nothing does not get an empty checkpoint."""
    with pytest.raises(OSError, match="wrote nothing"):
        save(LocalStorage(str(tmp_path)), data=b"")
    assert files(tmp_path) == [JOURNAL]


def test_a_checksum_has_eight_digits(tmp_path):
    """Zeros in front are written."""
    (tmp_path / "x").write_bytes(data := b"\xff\xff\xff\xff")
    assert crc32(data) == 0xFFFFFFFF
    (tmp_path / "zero").write_bytes(b"\x9d\x0a\xd9\x6d")
    storage = LocalStorage(str(tmp_path))
    assert digest_of(storage, "x").crc32 == "ffffffff"
    assert digest_of(storage, "zero").crc32 == "00000000"


def test_there_is_nothing_to_measure(tmp_path):
    """A missing file, a folder and a name below a file are None."""
    storage = LocalStorage(str(tmp_path))
    (tmp_path / "file").write_bytes(OLD)
    (tmp_path / "folder").mkdir()
    assert digest_of(storage, "missing") is None
    assert digest_of(storage, "missing/w.keras") is None
    assert digest_of(storage, "folder") is None
    assert digest_of(storage, "file/w.keras") is None


# Any call may fail

BEFORE = {
    "a new folder": {},
    "an old file": {"w.keras": OLD, JOURNAL: b'{"old": 1}\n'},
    "a torn journal": {"w.keras": OLD, JOURNAL: b'{"old": 1}\n{"torn'},
}
NAMES = ["w.keras", "a/b/w.keras"]
ERRORS = [
    OSError(errno.ENOSPC, "No space left on device"),
    OSError(errno.EIO, "Input/output error"),
    KeyboardInterrupt(),
]


def folders(tmp_path, before, name):
    """Yield folders, each prepared alike, with the number of the call to fail there."""
    for number in itertools.count(1):
        folder = tmp_path / f"at{number}" / "checkpoints"
        for file, data in before.items():
            path = folder / (name if file == "w.keras" else file)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        yield number, folder


@posix
@pytest.mark.parametrize("error", ERRORS, ids=repr)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("before", BEFORE)
@pytest.mark.parametrize("by_keras", [True, False])
def test_any_call_may_fail(tmp_path, by_keras, before, name, error):
    """After each call that fails there is the old file or the new one, and no other."""
    wrong, open_files = [], descriptors()
    for number, folder in folders(tmp_path, BEFORE[before], name):
        system = FaultyOS(number, error)
        try:
            save(LocalStorage(str(folder), system=system), name, by_keras=by_keras)
        except type(error):
            pass
        else:
            if system.failed is None:
                break
        wrong += [
            (number, system.calls[number - 1], what)
            for what in (
                *wrong_files(
                    folder, name, BEFORE[before].get("w.keras"), system.failed
                ),
                *wrong_journal(folder, BEFORE[before].get(JOURNAL)),
            )
        ]
    assert number > 12
    assert wrong == []
    assert descriptors() == open_files


def wrong_files(folder, name, old, failed):
    """Yield what is there and should not be."""
    file = folder / name
    found = file.read_bytes() if file.exists() else None
    if found not in (old, NEW):
        yield "the file is torn"
    left = [path for path in folder.rglob("*.tmp*") if path.is_file()]
    if left and failed != "unlink":
        yield "a temporary file is left"


def wrong_journal(folder, old):
    """Yield what is wrong with a journal after one more line was added to it."""
    folder.mkdir(parents=True, exist_ok=True)
    LocalStorage(str(folder)).append('{"next": 1}')
    lines = (folder / JOURNAL).read_bytes().splitlines()
    if lines[-1] != b'{"next": 1}':
        yield "the next line is torn"
    if old is not None and lines[0] != b'{"old": 1}':
        yield "an old line is torn"


# The order


def commit(storage):
    """Save as the callback does, where Keras writes the file."""

    def write(staged):
        pathlib.Path(staged.path).write_bytes(NEW)
        return staged.seal()

    Commit(storage, RECORD.run, "w.keras", ".keras").save(RECORD, write)


@posix
@pytest.mark.parametrize("new", [True, False])
def test_the_order_of_what_becomes_durable(tmp_path, new):
    """Data, then the journal's line, then the name, then the folder."""
    if not new:
        save(LocalStorage(str(tmp_path)))
    system = FaultyOS()
    commit(LocalStorage(str(tmp_path), system=system))
    order = [
        (name, "temporary" if ".tmp" in path else os.path.basename(path))
        for name, path in system.calls
        if name in ("fsync", "write", "replace") and path.startswith(str(tmp_path))
    ]
    assert order == [
        ("fsync", "temporary"),
        ("fsync", tmp_path.name),
        ("write", JOURNAL),
        ("fsync", JOURNAL),
        *([("fsync", tmp_path.name)] if new else []),
        ("replace", "temporary"),
        ("fsync", tmp_path.name),
    ]


@posix
def test_new_folders_are_durable(tmp_path):
    """The folder above each new one is flushed before anything is written into it."""
    system = FaultyOS()
    save(LocalStorage(str(tmp_path / "a"), system=system), "b/w.keras")
    before = system.calls[: [name for name, _ in system.calls].index("write")]
    made = [p for n, p in before if n == "mkdir"]
    assert made == [str(tmp_path / "a"), str(tmp_path / "a" / "b")]
    flushed = [path for name, path in before if name == "fsync"]
    assert {str(tmp_path), str(tmp_path / "a")} <= set(flushed)
    flushed = [path for name, path in system.calls if name == "fsync"]
    assert flushed[-1] == str(tmp_path / "a" / "b")


@posix
def test_folders_of_a_run_that_was_killed_are_durable(tmp_path):
    """Whoever made a folder, the one above it is flushed, once for all saves."""
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True)
    system = FaultyOS()
    storage = LocalStorage(str(folder), system=system)
    save(storage)
    flushed = [path for name, path in system.calls if name == "fsync"]
    above = [str(tmp_path / "a"), str(tmp_path), str(tmp_path.parent)]
    assert [path for path in flushed if path in above] == above
    system.calls.clear()
    save(storage)
    flushed = [path for name, path in system.calls if name == "fsync"]
    assert not set(flushed) & set(above)


@posix
def test_a_folder_that_became_a_link(tmp_path):
    """The user's own folder may be one; below it none is followed."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "checkpoints").symlink_to("elsewhere")
    storage = LocalStorage(str(tmp_path / "checkpoints"))
    save(storage)
    assert files(tmp_path / "elsewhere") == [JOURNAL, "w.keras"]
    (tmp_path / "checkpoints" / "b").symlink_to(tmp_path)
    with pytest.raises(OSError, match="a folder below `filepath` is a link"):
        save(storage, "b/c/w.keras")
    assert files(tmp_path) == [
        "checkpoints",
        "elsewhere",
        "elsewhere/b",
        f"elsewhere/{JOURNAL}",
        "elsewhere/w.keras",
    ]


@posix
def test_a_folder_that_somebody_deleted_is_made_again(tmp_path):
    """With those above it, and durably."""
    system = FaultyOS()
    storage = LocalStorage(str(tmp_path / "a" / "b"), system=system)
    save(storage)
    shutil.rmtree(tmp_path / "a")
    system.calls.clear()
    save(storage)
    flushed = [path for name, path in system.calls if name == "fsync"]
    assert {str(tmp_path), str(tmp_path / "a"), str(tmp_path / "a" / "b")} <= set(
        flushed
    )
    assert files(tmp_path / "a" / "b") == [JOURNAL, "w.keras"]


class Stubborn(FaultyOS):
    """`os`, on which nothing can be deleted for a while."""

    broken = True

    def unlink(self, path):
        if self.broken:
            raise OSError(errno.EIO, "Input/output error", path)
        os.unlink(path)


def test_a_temporary_file_that_cannot_be_deleted(tmp_path):
    """It is deleted later, by the next save or when asked to."""
    system = Stubborn()
    storage = LocalStorage(str(tmp_path), system=system)
    for tidy in (storage.tidy, lambda: save(storage)):
        system.broken = True
        with pytest.raises(ValueError, match="no"):
            save_that_raises(storage, ValueError("no"))
        assert len([name for name in files(tmp_path) if ".tmp" in name]) == 1
        system.broken = False
        tidy()
        assert [name for name in files(tmp_path) if ".tmp" in name] == []


@posix
def test_a_name_that_is_not_flushed(tmp_path):
    """The file has its name, which is told; the next save flushes the folder."""

    class Flaky(FaultyOS):
        fails = True

        def _call(self, name, function, target, *arguments):
            here = self._paths.get(target) == str(tmp_path)
            published = (tmp_path / "w.keras").exists()
            if name == "fsync" and here and published and self.fails:
                raise OSError(errno.EIO, "Input/output error")
            return super()._call(name, function, target, *arguments)

    system = Flaky()
    storage = LocalStorage(str(tmp_path), system=system)
    with pytest.raises(NotFlushed, match="Input/output error"):
        save(storage)
    assert (tmp_path / "w.keras").read_bytes() == NEW
    assert files(tmp_path) == [JOURNAL, "w.keras"]
    system.fails = False
    system.calls.clear()
    with storage.staged("x.keras", ".keras"):
        flushed = [path for name, path in system.calls if name == "fsync"]
    assert str(tmp_path) in flushed


# The journal


def test_lines_are_appended(tmp_path):
    """Each line ends in a newline, in UTF-8, and none is lost."""
    storage = LocalStorage(str(tmp_path))
    storage.append('{"a": 1}')
    LocalStorage(str(tmp_path)).append('{"ä": "数"}')
    text = (tmp_path / JOURNAL).read_text("utf-8")
    assert text == '{"a": 1}\n{"ä": "数"}\n'


@pytest.mark.parametrize("torn", [b'{"a', b"\xff", b"\0", b"\n{", b'{"a": 1}'])
def test_an_append_starts_anew_after_a_torn_line(tmp_path, torn):
    """A line that was cut short does not spoil the next one."""
    (tmp_path / JOURNAL).write_bytes(torn)
    LocalStorage(str(tmp_path)).append('{"b": 2}')
    assert (tmp_path / JOURNAL).read_bytes() == torn + b'\n{"b": 2}\n'


class Neighbour:
    """`os`, beside which another process ends its line before we look once more."""

    def __init__(self, path):
        self.path = path
        self.looks = 0

    def __getattr__(self, name):
        return getattr(os, name)

    def lseek(self, file, at, whence):
        self.looks += whence == os.SEEK_END
        if self.looks == 2 and whence == os.SEEK_END:
            with open(self.path, "ab") as other:
                other.write(b" 1}\n")
        return os.lseek(file, at, whence)


def test_an_append_lets_another_one_end(tmp_path):
    """A line that somebody is writing is not torn: no empty line comes after it."""
    path = tmp_path / JOURNAL
    path.write_bytes(b'{"a":')
    LocalStorage(str(tmp_path), system=Neighbour(path)).append('{"b": 2}')
    assert path.read_bytes() == b'{"a": 1}\n{"b": 2}\n'


@pytest.mark.parametrize("whole", [b"", b'{"a": 1}\n', b"\n\n"])
def test_an_append_leaves_no_empty_line(tmp_path, whole):
    """After a whole line, or in an empty journal, no newline is added."""
    (tmp_path / JOURNAL).write_bytes(whole)
    LocalStorage(str(tmp_path)).append('{"b": 2}')
    assert (tmp_path / JOURNAL).read_bytes() == whole + b'{"b": 2}\n'


def test_an_append_does_not_lean_on_one_that_was_not_flushed(tmp_path):
    """The newline before it can be read, and may yet be missing on the disk."""
    recorder = FaultyOS()
    LocalStorage(str(tmp_path), system=recorder).append("{}")
    flush = [name for name, _ in recorder.calls].index("fsync") + 1
    (tmp_path / JOURNAL).unlink()
    error = OSError(errno.EIO, "Input/output error")
    storage = LocalStorage(str(tmp_path), system=FaultyOS(flush, error))
    with pytest.raises(OSError, match="Input/output error"):
        storage.append('{"a": 1}')
    storage.append('{"b": 2}')
    storage.append('{"c": 3}')
    lines = (tmp_path / JOURNAL).read_text().split("\n")
    assert lines == ['{"a": 1}', "", '{"b": 2}', '{"c": 3}', ""]


def test_short_writes(tmp_path):
    """A system that writes less than it was given is asked again."""
    LocalStorage(str(tmp_path), system=ShortWrites()).append(
        '{"a": "' + "x" * 100 + '"}'
    )
    assert (tmp_path / JOURNAL).read_bytes() == b'{"a": "' + b"x" * 100 + b'"}\n'


def test_text_that_is_not_unicode(tmp_path):
    """A file name that is no UTF-8 does not stop the journal."""
    record = replace(RECORD, path="\udcff.keras")
    LocalStorage(str(tmp_path)).append(record.to_line())
    assert list(log.read(storage_for(str(tmp_path)))) == [record]


# Publishing


@pytest.mark.parametrize("name", ["w.keras", "a/w.keras", "a/b/c/w.keras"])
def test_publishing_into_folders(tmp_path, name):
    """Folders on the way are made, and a file that is there is replaced."""
    storage = LocalStorage(str(tmp_path / "new"), depth=3)
    save(storage, name, OLD)
    save(storage, name, NEW)
    assert pathlib.Path(storage.path(name)).read_bytes() == NEW
    found = [n for n in files(tmp_path / "new") if (tmp_path / "new" / n).is_file()]
    assert found == sorted([name, JOURNAL])


@posix
def test_publishing_replaces_a_link_and_not_its_target(tmp_path):
    """A checkpoint's name that is a link becomes a file; what it pointed to stays."""
    (tmp_path / "elsewhere").write_bytes(OLD)
    os.symlink(tmp_path / "elsewhere", tmp_path / "w.keras")
    save(LocalStorage(str(tmp_path)))
    assert (tmp_path / "elsewhere").read_bytes() == OLD
    assert not (tmp_path / "w.keras").is_symlink()


# Keeping aside


@pytest.fixture(params=[os, WithoutLinks()], ids=["links", "no links"])
def storage(request, tmp_path):
    """A folder on a file system with hard links, then on one without."""
    (tmp_path / "w.keras").write_bytes(OLD)
    return LocalStorage(str(tmp_path), system=request.param)


def test_a_file_kept_aside_survives_the_next_save(storage, tmp_path):
    """It has both names until the first one is published anew."""
    assert (
        keep_aside(storage, "w.keras", ("w.run-1", ".keras"), OLD_SEALED)
        == "w.run-1.keras"
    )
    assert (tmp_path / "w.keras").read_bytes() == OLD
    save(storage)
    assert (tmp_path / "w.keras").read_bytes() == NEW
    assert (tmp_path / "w.run-1.keras").read_bytes() == OLD


def test_names_that_are_taken_get_a_number(storage, tmp_path):
    """What was kept aside before is never overwritten."""
    for taken in ("w.run-1.keras", "w.run-1-2.keras"):
        (tmp_path / taken).write_bytes(taken.encode())
    name = ("w.run-1", ".keras")
    assert keep_aside(storage, "w.keras", name, OLD_SEALED) == "w.run-1-3.keras"
    assert (tmp_path / "w.run-1.keras").read_bytes() == b"w.run-1.keras"
    assert (tmp_path / "w.run-1-2.keras").read_bytes() == b"w.run-1-2.keras"
    assert (tmp_path / "w.run-1-3.keras").read_bytes() == OLD


def test_what_was_kept_aside_is_kept_once(storage, tmp_path):
    """A run that was killed after it leaves the next one nothing to do."""
    for _ in range(2):
        second = keep_aside(storage, "w.keras", ("x", ".keras"), OLD_SEALED)
        assert second == "x.keras"
    assert [name for name in files(tmp_path) if name != JOURNAL] == [
        "w.keras",
        "x.keras",
    ]


@posix
def test_a_link_that_leads_nowhere_is_a_name_that_is_taken(storage, tmp_path):
    """Nothing is written through it."""
    os.symlink(tmp_path / "nowhere", tmp_path / "x.keras")
    assert keep_aside(storage, "w.keras", ("x", ".keras"), OLD_SEALED) == "x-2.keras"
    assert not (tmp_path / "nowhere").exists()


def test_keeping_aside_in_a_folder(storage, tmp_path):
    """The second name lies beside the first."""
    (tmp_path / "a").mkdir()
    (tmp_path / "w.keras").rename(tmp_path / "a" / "w.keras")
    assert (
        keep_aside(storage, "a/w.keras", ("a/x", ".keras"), OLD_SEALED) == "a/x.keras"
    )
    assert (tmp_path / "a" / "x.keras").read_bytes() == OLD


def test_what_is_not_there_cannot_be_kept_aside(storage, tmp_path):
    """A missing file is an error, and no empty one is left."""
    with pytest.raises(FileNotFoundError):
        keep_aside(storage, "missing.keras", ("x", ".keras"), OLD_SEALED)
    assert [name for name in files(tmp_path) if name != JOURNAL] == ["w.keras"]


@posix
def test_a_copy_is_durable_before_its_name_counts(tmp_path):
    """Where a copy is needed, its data reach the disk, and then the folder."""
    (tmp_path / "w.keras").write_bytes(OLD)
    system = FaultyOS()
    storage = LocalStorage(str(tmp_path), system=WithoutLinks(system))
    keep_aside(storage, "w.keras", ("x", ".keras"), OLD_SEALED)
    done = [(name, path) for name, path in system.calls if name in ("fsync", "replace")]
    assert done[-3][0] == "fsync"
    assert done[-3][1].endswith(".tmp.run")
    assert done[-2] == ("replace", done[-3][1])
    assert done[-1] == ("fsync", str(tmp_path))


@posix
@pytest.mark.parametrize("error", ERRORS, ids=repr)
def test_a_copy_that_fails_is_not_left(tmp_path, error):
    """Where a copy is needed and the disk fills up, no half of it stays."""
    wrong = []
    for number in itertools.count(1):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "w.keras").write_bytes(NEW)
        faulty = FaultyOS(number, error)
        storage = LocalStorage(str(folder), system=WithoutLinks(faulty))
        with contextlib.suppress(type(error)):
            keep_aside(storage, "w.keras", ("x", ".keras"), OLD_SEALED)
        there = [
            name
            for name in files(folder)
            if name != JOURNAL and not (faulty.failed == "unlink" and ".tmp" in name)
        ]
        if {(folder / name).read_bytes() for name in there} != {NEW}:
            wrong.append((number, faulty.failed))
        if faulty.failed is None:
            break
    assert number > 5
    assert wrong == []


def test_a_large_file_is_whole(tmp_path):
    """Beyond what is flushed at once nothing is lost, and the size and checksum fit."""
    data = bytes(range(256)) * (1 << 17)  # 32 MiB
    storage = LocalStorage(str(tmp_path))
    with storage.staged("w.keras", ".keras") as staged:
        digest = staged.write(parts(data, 5))
        staged.publish()
    assert (tmp_path / "w.keras").read_bytes() == data
    assert digest == digest_of(storage, "w.keras")


# The check


@pytest.mark.parametrize("below", ["", "a", "a/b/c"])
def test_a_check_leaves_no_trace(tmp_path, below):
    """A folder that can be written to is left as it was, or missing as it was."""
    before = descriptors()
    storage = LocalStorage(str(tmp_path / below) if below else str(tmp_path))
    storage.check()
    storage.check("w.keras")
    assert files(tmp_path) == []
    assert descriptors() == before


@pytest.mark.skipif(not hasattr(os, "O_TMPFILE"), reason="needs Linux")
def test_a_check_where_files_need_a_name(tmp_path):
    """A probe with a name is made and deleted again."""
    system = WithoutUnnamedFiles()
    LocalStorage(str(tmp_path / "a"), system=system).check("w.keras")
    assert [os.path.dirname(path) for path in system.opened] == [str(tmp_path)]
    assert files(tmp_path) == []


def test_a_check_in_a_folder_of_the_root():
    """The folder above all is a folder, too."""
    LocalStorage(os.path.abspath(os.sep)).check()


@pytest.mark.parametrize("below", ["", "a/b"])
@pytest.mark.parametrize("system", [os, WithoutUnnamedFiles()], ids=["os", "named"])
def test_a_check_of_a_read_only_folder(read_only, below, system):
    """What cannot be written to is found, also above folders that are missing."""
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
    """It is found at any height, and named."""
    (tmp_path / "file").write_bytes(OLD)
    folder = str(tmp_path / below)
    with pytest.raises(NotADirectoryError, match="not in a file") as caught:
        LocalStorage(folder).check()
    assert caught.value.filename == folder
    above = f"({str(tmp_path / 'file')!r} is no folder)"
    assert (above in str(caught.value)) == (below != "file")


def test_an_error_names_the_folder_as_it_was_given(tmp_path):
    """Not by the nearest folder above it, nor by an absolute path."""
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
    """Nobody makes folders in `/proc`: that is the reason, and not what is named."""
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
    """A name that is a folder's cannot be a file's; other names can."""
    (tmp_path / "taken").mkdir()
    storage = LocalStorage(str(tmp_path))
    with pytest.raises(IsADirectoryError, match="must name a file"):
        storage.check("taken")
    storage.check("free")
    storage.check()

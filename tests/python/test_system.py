"""`storage/system.py`: what macOS and Windows need, tested on imitations of them."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
from dataclasses import replace

import pytest
from checkpoint_files import RECORD
from faulty import FaultyOS, FullFlush, Interrupt, InUse
from local_saves import files, parts, save_that_raises

from modelcheckpoint.decide.retention import Keep
from modelcheckpoint.journal.sweep import sweep
from modelcheckpoint.save.retirement import Retirement
from modelcheckpoint.storage import running_process, temporary
from modelcheckpoint.storage.journals import JOURNAL
from modelcheckpoint.storage.local import LocalStorage
from modelcheckpoint.storage.system import PATIENCE, System, as_system


class Clock:
    """A clock that advances only while somebody sleeps."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        assert 0 < seconds <= 0.1  # a short check must not wait long
        self.now += seconds


def windows(calls, clock=None):
    """Return a system that retries these calls, without real waiting."""
    clock = clock or Clock()
    return System(calls, control=None, clock=clock, sleep=clock.sleep)


def save(storage, name="w.keras", data=b"data"):
    """Save as the pipeline does: a file that we write, and one that Keras writes."""
    with storage.staged(name, ".keras") as staged:
        staged.write(parts(data, 1))
        storage.append("{}")
        staged.publish()
    with storage.staged("x.keras", ".keras") as staged:
        with open(staged.path, "wb") as file:
            file.write(data)
        staged.seal()
        staged.publish()


def delete(storage, name):
    assert storage.delete(storage.entry(name))


def leave(folder, number, suffix=".keras"):
    """Make the temporary file of a process that never ran."""
    name = temporary.temporary_name(temporary.Mark(f"{number:012x}", 0), suffix)
    path = folder / name.replace(f"-{os.getpid()}-", "-999999999-")
    path.mkdir() if suffix == ".d" else path.write_bytes(b"x")
    return path


# macOS


@pytest.mark.parametrize(
    "error", [None, errno.ENOTSUP, errno.EINVAL, errno.ENOTTY, errno.ENODEV]
)
def test_every_flush_is_a_full_one(tmp_path, error):
    """For files, folders and the journal; if it is refused, `fsync` is used."""
    plain, calls, control = FaultyOS(), FaultyOS(), FullFlush(error)
    save(LocalStorage(str(tmp_path / "a"), system=System(plain, control=None)))
    save(LocalStorage(str(tmp_path / "b"), system=System(calls, control=control)))
    count = [name for name, _ in plain.calls].count("fsync")
    assert count >= 6
    assert control.flushed == (count if error is None else 0)
    names = [name for name, _ in calls.calls]
    assert names.count("fsync") == (0 if error is None else count)


def test_a_disk_that_fails_is_not_asked_again(tmp_path):
    """What a full flush has lost, `fsync` would not report."""
    calls = FaultyOS()
    with open(tmp_path / "w", "wb") as file, pytest.raises(OSError, match="Input"):
        System(calls, control=FullFlush(errno.EIO)).fsync(file.fileno())
    assert calls.calls == []


# Windows


@pytest.mark.parametrize("winerror", [5, 32])
def test_a_file_in_use_is_renamed_later(tmp_path, winerror):
    """For a moment, a scanner has the new file open, or a reader the old one."""
    calls = InUse(3, winerror)
    storage = LocalStorage(str(tmp_path), system=calls)  # as in a callback
    save(storage, data=b"old")
    save(storage, data=b"new")
    assert files(tmp_path) == [JOURNAL, "w.keras", "x.keras"]
    assert (tmp_path / "w.keras").read_bytes() == b"new"
    assert {name for name, _ in calls.refused} == {"replace"}


def test_two_seconds_and_no_longer(tmp_path):
    """Then the save fails, and the old file is there."""
    (tmp_path / "w.keras").write_bytes(b"old")
    clock = Clock()
    calls = InUse(10_000)
    storage = LocalStorage(str(tmp_path), system=windows(calls, clock))
    with storage.staged("w.keras", ".keras") as staged:
        staged.write(parts(b"new", 1))
        with pytest.raises(PermissionError, match="Permission denied"):
            staged.publish()
        assert clock.now == pytest.approx(100 + PATIENCE)
        assert len(calls.refused) > 20
    assert (tmp_path / "w.keras").read_bytes() == b"old"
    assert clock.now == pytest.approx(100 + 2 * PATIENCE)  # for the temporary file
    calls.times = 0
    storage.tidy()
    assert files(tmp_path) == [JOURNAL, "w.keras"]


def test_what_is_forbidden_is_not_tried_again(tmp_path):
    """On other systems, this error is not about a file that will soon be free."""
    clock, calls = Clock(), InUse(1, winerror=None)
    (tmp_path / "w.keras").write_bytes(b"x")
    with pytest.raises(PermissionError):
        delete(LocalStorage(str(tmp_path), system=windows(calls, clock)), "w.keras")
    assert clock.now == 100


def test_every_delete_is_tried_again(tmp_path):
    """A checkpoint and the folders left empty, a folder, or a file in a sweep."""
    calls = InUse(3)
    storage = LocalStorage(str(tmp_path), depth=2, system=windows(calls))
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "w.keras").write_bytes(b"data")
    delete(storage, "a/b/w.keras")
    assert files(tmp_path) == []
    left = [leave(tmp_path, 1), leave(tmp_path, 2, ".d")]
    (left[1] / "w.keras").write_bytes(b"data")
    assert sorted(sweep(storage)) == sorted(path.name for path in left)
    assert files(tmp_path) == []
    with pytest.raises(ValueError, match="no"):
        save_that_raises(storage, ValueError("no"))
    assert files(tmp_path) == [JOURNAL]


def test_by_descriptors_too(tmp_path):
    """For names looked up below a folder that cannot be exchanged."""

    class Refusing(FaultyOS):
        refused = 0

        def _call(self, name, function, target, *arguments, **named):
            if name == "unlink" and "dir_fd" in named and self.refused < 3:
                self.refused += 1
                raise self.error
            return super()._call(name, function, target, *arguments, **named)

    error = PermissionError(errno.EACCES, "Permission denied")
    error.winerror = 32
    folder = leave(tmp_path, 1, ".d")
    (folder / "w.keras").write_bytes(b"data")
    calls = Refusing(error=error)
    storage = LocalStorage(str(tmp_path), system=windows(calls))
    assert sweep(storage) == [folder.name]
    assert (calls.refused, files(tmp_path)) == (3, [])


def test_many_files_in_use_share_one_wait(tmp_path):
    """Training may be waiting for a sweep, retention or tidying up."""
    clock, calls = Clock(), InUse(10_000)
    storage = LocalStorage(str(tmp_path), system=windows(calls, clock))
    left = [leave(tmp_path, number) for number in range(5)]
    assert sweep(storage) == []
    assert clock.now == pytest.approx(100 + PATIENCE)
    assert {path for _, path in calls.refused} == {str(path) for path in left}

    clock.now = 200
    retirement = Retirement(storage, Keep(latest=1), RECORD.run, RECORD.template)
    for number in range(5):
        (tmp_path / f"{number}.keras").write_bytes(b"data")
        record = replace(RECORD, path=f"{number}.keras", bytes=4, value=None)
        storage.append(record.to_line())
        retirement.add(record)
    assert len(retirement.retire(record).undeleted) == 4
    assert clock.now == pytest.approx(200 + PATIENCE)
    calls.times = 0
    assert len(retirement.retire(record).deleted) == 4
    assert len(sweep(storage)) == 5


def test_an_interrupt_leaves_no_shared_wait(tmp_path):
    """Whenever it comes, later renames and deletes have two seconds each."""
    (tmp_path / "w").write_bytes(b"data")
    storage = LocalStorage(str(tmp_path), system=System(os))
    ended = False
    for at in itertools.count(1):
        with contextlib.suppress(KeyboardInterrupt), Interrupt(at):
            storage.tidy()
            ended = True
        clock = Clock()
        system = windows(InUse(10_000), clock)
        for number in (1, 2):
            with pytest.raises(PermissionError):
                system.unlink(str(tmp_path / "w"))
            assert clock.now == pytest.approx(100 + number * PATIENCE), at
        if ended:
            break
    assert at > 5


class Kernel:
    """kernel32.dll of a Windows on which process 7 is running, and 8 has ended."""

    def __init__(self):
        self.open = set()

    def OpenProcess(self, access, inherit, pid):
        assert (access, inherit) == (0x100000, False)
        if pid not in (7, 8):
            return None
        self.open.add(pid)
        return pid

    def WaitForSingleObject(self, handle, milliseconds):
        assert milliseconds == 0
        return {7: 258, 8: 0}[handle]

    def CloseHandle(self, handle):
        self.open.remove(handle)


@pytest.mark.parametrize(
    ("pid", "error", "running"),
    [(7, 0, True), (8, 0, False), (9, 87, False), (9, 5, True)],
)
def test_a_process_of_windows(pid, error, running):
    """Its temporary files stay while it runs, or if that cannot be determined."""
    kernel = Kernel()
    assert running_process.is_running(pid, kernel, lambda: error) == running
    assert kernel.open == set()


def test_a_system_is_one_once():
    """It is not wrapped twice, and has everything else of `os`."""
    system = as_system(os)
    assert as_system(system) is system
    assert system.sep == os.sep

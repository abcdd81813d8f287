"""Files that killed writers left are deleted; files that live ones write stay."""

from __future__ import annotations

import contextlib
import io
import os
import pathlib
import signal
import subprocess
import sys

import pytest

from modelcheckpoint.journal.sweep import sweep
from modelcheckpoint.storage import temporary
from modelcheckpoint.storage.journals import JOURNAL
from modelcheckpoint.storage.local import LocalStorage

pytestmark = pytest.mark.skipif(os.name == "nt", reason="kills processes, makes links")

WRITER = """
import os, sys
from modelcheckpoint.storage.local import LocalStorage

folder, depth, name = sys.argv[1:]
with LocalStorage(folder, int(depth)).staged(name, ".keras") as staged:
    with open(staged.path, "wb") as file:
        file.write(b"half a model")
    os.chdir("/")
    print(staged.path, flush=True)
    sys.stdin.read()
"""

UNLUCKY = """
import errno, os, sys
from modelcheckpoint.storage.local import LocalStorage

class CannotDelete:
    def __getattr__(self, name):
        return getattr(os, name)
    def unlink(self, path):
        raise OSError(errno.EIO, "Input/output error")

with LocalStorage(sys.argv[1], system=CannotDelete()).staged("w.keras", ".keras"):
    pass
"""

SWEEPER = """
import sys
from modelcheckpoint.storage.local import LocalStorage
from modelcheckpoint.journal.sweep import sweep

print(sweep(LocalStorage(sys.argv[1], int(sys.argv[2]))))
"""


def name_in(folder, path):
    return path.relative_to(folder).as_posix()


@contextlib.contextmanager
def writing(folder, depth=0, name="w.keras"):
    """Give a process in the middle of a save, and the path of its temporary file."""
    arguments = [sys.executable, "-c", WRITER, str(folder), str(depth), name]
    with subprocess.Popen(
        arguments,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process, pathlib.Path(process.stdout.readline().rstrip("\n"))
        finally:
            process.kill()


def killed(folder, depth=0, name="w.keras"):
    """Return the temporary file of a process that was killed during a save."""
    with writing(folder, depth, name) as (process, path):
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert path.read_bytes() == b"half a model"
    return path


# The dead


@pytest.mark.parametrize(("depth", "name"), [(0, "w.keras"), (2, "a/b/w.keras")])
def test_the_file_of_a_killed_process_is_swept(tmp_path, depth, name):
    """The next start deletes what a killed process left, in sub-folders too."""
    path = killed(tmp_path, depth, name)
    assert sweep(LocalStorage(str(tmp_path), depth)) == [name_in(tmp_path, path)]
    assert not path.exists()
    assert (tmp_path / JOURNAL).exists()


def test_many_files_are_swept_at_once(tmp_path):
    """Each crash may have left a file."""
    paths = {killed(tmp_path).name for _ in range(3)}
    assert set(sweep(LocalStorage(str(tmp_path)))) == paths
    assert sweep(LocalStorage(str(tmp_path))) == []


def test_a_file_that_could_not_be_deleted_is_swept(tmp_path):
    """If even the unlink fails, the next start tries again."""
    command = [sys.executable, "-c", UNLUCKY, str(tmp_path)]
    subprocess.run(command, check=True)
    assert len(list(tmp_path.glob(".*.tmp.keras"))) == 1
    assert len(sweep(LocalStorage(str(tmp_path)))) == 1
    assert [path.name for path in tmp_path.iterdir()] == [JOURNAL]


def test_the_dead_beside_the_living(tmp_path):
    """With two writers in one folder, only the dead one's file is deleted."""
    dead = killed(tmp_path)
    with writing(tmp_path) as (_, alive):
        assert sweep(LocalStorage(str(tmp_path))) == [dead.name]
        assert alive.exists()


def test_a_sweep_without_a_journal(tmp_path):
    """The leftovers are deleted even if a user has deleted the journal."""
    path = killed(tmp_path)
    (tmp_path / JOURNAL).unlink()
    assert sweep(LocalStorage(str(tmp_path))) == [path.name]


# The living


def test_the_file_of_a_living_process_stays(tmp_path):
    """A sweep, from here or from a third process, does not touch another's save."""
    with writing(tmp_path) as (process, path):
        assert sweep(LocalStorage(str(tmp_path))) == []
        command = [sys.executable, "-c", SWEEPER, str(tmp_path), "0"]
        said = subprocess.check_output(command, text=True)
        assert said == "[]\n"
        assert path.read_bytes() == b"half a model"
        process.communicate("")
        assert process.returncode == 0
    assert not path.exists()


def test_the_file_of_this_process_stays(tmp_path):
    """Two callbacks in one process recognize each other's files."""
    one, other = LocalStorage(str(tmp_path)), LocalStorage(str(tmp_path))
    with one.staged("w.keras", ".keras") as first:
        assert sweep(other) == []
        assert sweep(one) == []
        with other.staged("w.keras", ".keras") as second:
            assert sweep(LocalStorage(str(tmp_path))) == []
            assert first.path != second.path
        other.append("{}")
        assert sweep(LocalStorage(str(tmp_path))) == []
        assert os.path.exists(first.path)


def test_a_dead_process_that_had_our_number_is_swept(tmp_path, journal):
    """In a restarted container, the first process gets the same number again."""
    name = temporary.temporary_name(temporary.Mark("0" * 12, 0), ".keras")
    (tmp_path / name).write_bytes(b"half a model")
    assert sweep(LocalStorage(str(tmp_path))) == [name]


def test_a_process_of_before_the_machine_was_started_anew_is_dead(
    tmp_path, journal, monkeypatch
):
    """Another process that is alive has the number now."""

    def opened(path, *arguments, **named):
        if str(path).endswith("boot_id"):
            return io.StringIO("another")
        return open(path, *arguments, **named)

    with monkeypatch.context() as patch:
        patch.setattr(temporary, "open", opened, raising=False)
        name = temporary.temporary_name(temporary.Mark("0" * 12, 0), ".keras")
    name = name.replace(f"-{os.getpid()}-", f"-{os.getppid()}-")
    (tmp_path / name).write_bytes(b"half a model")
    assert sweep(LocalStorage(str(tmp_path))) == [name]


@pytest.mark.parametrize(
    ("writer", "sweeper"), [("", "a"), ("a", "")], ids=["from below", "from above"]
)
def test_the_file_of_a_living_process_with_another_folder_stays(
    tmp_path, writer, sweeper
):
    """If one run's folder is inside another's, neither takes the other for dead."""
    for folder in (tmp_path, tmp_path / "a"):
        folder.mkdir(exist_ok=True)
        (folder / JOURNAL).touch()
    depth, name = (0, "w.keras") if writer else (1, "a/w.keras")
    with writing(tmp_path / writer, depth, name) as (_, path):
        assert path.parent == tmp_path / "a"
        assert sweep(LocalStorage(str(tmp_path / sweeper), 1)) == []
        assert path.exists()


def test_the_file_of_a_living_process_whose_journal_was_deleted_stays(tmp_path):
    """A new journal, without the writer's claim, does not make the writer dead."""
    with writing(tmp_path) as (_, path):
        (tmp_path / JOURNAL).unlink()
        LocalStorage(str(tmp_path)).append("{}")
        assert sweep(LocalStorage(str(tmp_path))) == []
        assert path.exists()


# Without locks, as on Windows


@pytest.fixture
def without_locks(monkeypatch):
    """A Python without `fcntl`."""
    monkeypatch.setattr(temporary, "fcntl", None)


def test_without_locks_the_process_id_tells(tmp_path, without_locks):
    """A dead process' file is swept; files of a live one and our own stay."""
    dead = killed(tmp_path)
    with (
        writing(tmp_path) as (_, alive),
        LocalStorage(str(tmp_path)).staged("w.keras", ".keras") as ours,
    ):
        assert sweep(LocalStorage(str(tmp_path))) == [dead.name]
        assert alive.exists()
        assert os.path.exists(ours.path)


def test_without_locks_other_machines_may_live(tmp_path, journal, without_locks):
    """A process id of another machine or container means nothing here."""
    path = killed(tmp_path)
    place = path.name.split("-")[2]
    other = path.with_name(path.name.replace(place, "0" * 8))
    path.rename(other)
    assert sweep(LocalStorage(str(tmp_path))) == []
    assert other.exists()

"""`save/commit.py` and retention, for checkpoints that are trees."""

from __future__ import annotations

import errno

import pytest
from faulty import FaultyOS
from local_trees import digest_of_files, left_behind, split
from run_save import record_of, save

from modelcheckpoint.decide.naming import Template
from modelcheckpoint.decide.retention import Keep
from modelcheckpoint.journal import log
from modelcheckpoint.journal.verify import Verifier
from modelcheckpoint.records import Removal
from modelcheckpoint.results import Receipt
from modelcheckpoint.resume_point import could_resume, resume_point
from modelcheckpoint.save.commit import Commit
from modelcheckpoint.save.replacement import Caution
from modelcheckpoint.storage.base import digest_of
from modelcheckpoint.storage.local import LocalStorage

TEMPLATE = "{epoch}.orbax"


@pytest.fixture
def storage(tree_place):
    return tree_place.storage


def data_of(value):
    return b"%06.3f " % value * 100


def job_of(name, value, run):
    job = {"name": name, "value": value, "run": run, "format": "orbax"}
    return {**job, "template": TEMPLATE}


def committed(storage, values, run="one", **given):
    """Save trees with these values under these names, in one run."""
    commit = Commit(storage, run, TEMPLATE, ".orbax", save_best_only=True, **given)
    receipts = []
    for name, value in values.items():
        receipts.append(save(commit, job_of(name, value, run), data_of(value)))
        assert isinstance(receipts[-1], Receipt), receipts[-1]
    return receipts


def there(storage):
    """Return the value in each tree of a storage."""
    found = {}
    for entry in storage.entries((".orbax",), 1):
        digest = digest_of(storage, entry.name)
        for value in range(10):
            if digest == digest_of_files(split(data_of(value))):
                found[entry.name] = value
    return found


def statuses(storage):
    verifier = Verifier(storage)
    found = map(verifier.verify, verifier.names())
    return {one.path: one.status for one in found if one is not None}


def test_a_better_tree_of_another_run_is_kept_aside(storage):
    """It gets a second name, with its own line; both trees are good."""
    committed(storage, {"1.orbax": 1})
    (receipt,) = committed(storage, {"1.orbax": 2}, "two")
    assert receipt.replaced.kept == "1.run-one.orbax"
    assert there(storage) == {"1.orbax": 2, "1.run-one.orbax": 1}
    assert statuses(storage) == {"1.orbax": "good", "1.run-one.orbax": "good"}


def test_a_worse_tree_is_replaced(storage):
    """Nothing of it is left."""
    committed(storage, {"1.orbax": 2})
    committed(storage, {"1.orbax": 1}, "two")
    assert there(storage) == {"1.orbax": 1}
    assert storage.unpublished("1.orbax") == []


def test_a_tree_that_no_line_describes_is_kept_aside(tree_place, storage):
    """If `caution` requires it."""
    committed(storage, {"1.orbax": 1})
    tree_place.write_journal(b"")
    committed(storage, {"1.orbax": 2}, "two", caution=Caution(unknown=True))
    assert there(storage) == {"1.orbax": 2, "1.run-unknown.orbax": 1}


def test_trees_that_nobody_asked_to_keep(storage):
    """They are deleted completely, each after a line that says so."""
    values = {f"{number}.orbax": number for number in range(1, 6)}
    receipts = committed(storage, values, keep=Keep(latest=2))
    assert [one.retired.deleted for one in receipts[2:]] == [
        (),
        ("2.orbax",),
        ("3.orbax",),
    ]
    assert there(storage) == {"1.orbax": 1, "4.orbax": 4, "5.orbax": 5}
    assert set(statuses(storage).values()) == {"good"}
    removed = [one.removed for one in log.entries(storage) if isinstance(one, Removal)]
    assert removed == ["2.orbax", "3.orbax"]


def test_a_tree_that_a_killed_run_did_not_delete(storage):
    """Its removal was announced: it is deleted when its run continues."""
    committed(storage, {"1.orbax": 1, "2.orbax": 2, "3.orbax": 3})
    doomed = [record for record in log.read(storage) if record.path == "2.orbax"]
    log.note_removals(storage, doomed)
    (receipt,) = committed(storage, {"4.orbax": 4}, keep=Keep(latest=2))
    assert receipt.retired.deleted == ("2.orbax",)


def test_a_tree_that_does_not_get_its_name(tmp_path):
    """The old one is there, and a line says that the new one never came."""
    storage = LocalStorage(str(tmp_path))
    committed(storage, {"1.orbax": 2})
    system = FaultyOS(error=OSError(errno.EIO, "Input/output error"))
    system.fail_always = "exchange"
    broken = LocalStorage(str(tmp_path), system=system)
    commit = Commit(broken, "two", TEMPLATE, ".orbax", save_best_only=True)
    error = save(commit, job_of("1.orbax", 1, "two"), data_of(1))
    assert isinstance(error, OSError)
    assert there(storage) == {"1.orbax": 2}
    assert statuses(storage) == {"1.orbax": "good"}
    *_, noted = log.entries(storage)
    assert noted.never_came
    assert left_behind(tmp_path) == []


def test_from_which_tree_to_go_on(storage):
    """The newest complete one: a damaged one is skipped."""
    committed(storage, {"1.orbax": 1, "2.orbax": 2})
    template = Template(storage.path(TEMPLATE))
    newest = resume_point(storage, template, "orbax")
    assert (newest.record.path, newest.damaged) == ("2.orbax", [])
    assert could_resume(storage, template, "orbax").path == "2.orbax"
    other = record_of(job_of("3.orbax", 3, "one"))
    with storage.staged("3.orbax", ".orbax") as staged:
        with open(f"{staged.path}/a", "wb") as file:
            file.write(b"half")
        staged.seal()
        storage.append(other.to_line())
        staged.publish()
    found = resume_point(storage, template, "orbax")
    assert found.record.path == "2.orbax"
    assert [one.path for one in found.damaged] == ["3.orbax"]

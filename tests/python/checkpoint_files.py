"""Checkpoints as a run leaves them, files and journal lines, written without Keras."""

from __future__ import annotations

import io
import os
import zipfile
from dataclasses import replace
from zlib import crc32

from conftest import checkpoints
from local_trees import joined

from modelcheckpoint import verify_checkpoints
from modelcheckpoint.journal import log
from modelcheckpoint.records import Record
from modelcheckpoint.storage import storage_for, temporary
from modelcheckpoint.storage.base import digest_of
from modelcheckpoint.storage.journals import JOURNAL

RECORD = Record(
    path="w.keras",
    epoch=1,
    batch=None,
    samples=None,
    logs={},
    monitor="val_loss",
    value=0.5,
    mode="min",
    best=True,
    format="keras",
    bytes=6,
    crc32="0badcafe",
    time="2025-01-31T12:00:00.000+00:00",
    run="one",
    template="w.keras",
)


def weights(value=0.0, shape=(4, 3), **attributes):
    """Return an HDF5 file with one array, filled with the value."""
    import h5py
    import numpy as np

    file = io.BytesIO()
    with h5py.File(file, "w") as opened:
        opened["layers/dense/vars/0"] = np.full(shape, value)
        opened.attrs.update(attributes)
    return file.getvalue()


def archive(**changed):
    """Return a small `.keras` archive."""
    members = {"metadata.json": b"{}", "config.json": b"{}"}
    members = {**members, "model.weights.h5": weights(), **changed}
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as opened:
        for name, data in members.items():
            if data is not None:
                opened.writestr(name, data)
    return file.getvalue()


def record(data, path="w.weights.h5", **fields):
    format = "keras" if path.endswith(".keras") else "weights.h5"
    sums = {"bytes": len(data), "crc32": f"{crc32(data):08x}", "format": format}
    return replace(RECORD, path=path, **sums, **fields)


def put(folder, data, path="w.weights.h5", **fields):
    """Save a file as a run does, and return its record."""
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / path).write_bytes(data)
    return add_line(folder, record(data, path, **fields))


def add_line(folder, entry):
    with open(folder / JOURNAL, "a", encoding="utf-8") as file:
        file.write(entry.to_line() + "\n")
    return entry


def published(folder):
    """Return the data of each file or tree that has its final name, by that name."""
    found, trees = {}, {}
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if ".tmp" in name or name == JOURNAL:
            continue
        above, mark, inner = f"{name}/".partition(".orbax/")
        if mark:
            files = trees.setdefault(f"{above}.orbax", {})
            files.update({inner[:-1]: path.read_bytes()} if path.is_file() else {})
        elif path.is_file():
            found[name] = path.read_bytes()
    return {**found, **{name: joined(files) for name, files in trees.items()}}


def whole(folder):
    """Return whether each file under a final name matches a line of the journal."""
    storage = storage_for(str(folder))
    records = list(log.read(storage))
    return all(
        log.matching(records, name, digest_of(storage, name))
        for name in checkpoints(folder)
        if ".tmp" not in name
    )


def statuses(folder):
    return {found.path: found.status for found in verify_checkpoints(folder)}


def put_several(folder, count=6, **fields):
    """Save files whose value is best in epoch 2."""
    return [
        put(folder, weights(n), f"{n}.weights.h5", epoch=n, value=abs(n - 2), **fields)
        for n in range(1, count + 1)
    ]


def put_ten_thousand(folder):
    paths = [f"{number}.keras" for number in range(10_000)]
    for path in paths:
        (folder / path).write_bytes(b"x" * 6)
    write_journal(folder, paths)


def write_journal(folder, paths):
    """Write a journal with a line for each path; the lines differ in nothing else."""
    # Turning 100,000 records into lines takes longer than most tests.
    line = replace(RECORD, path="PATH").to_line() + "\n"
    with open(folder / JOURNAL, "w", encoding="utf-8") as file:
        file.writelines(line.replace("PATH", path) for path in paths)


def abandoned_path(folder, up=0, suffix=".keras", number=0):
    """Return the path of a temporary file whose writer is dead."""
    mark = temporary.Mark(f"{number:012x}", up)
    name = temporary.temporary_name(mark, suffix)
    return folder / name.replace(f"-{os.getpid()}-", "-999999999-")


def initials(folder):
    """Return the first letters of the checkpoints in a folder."""
    return "".join(name[0] for name in checkpoints(folder))

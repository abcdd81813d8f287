"""What a checkpoint file holds, as plain values that can be compared."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import h5py
import numpy as np

__all__ = ["contents", "contents_of"]


def contents(path):
    """Return all that a file holds (an archive or HDF5), except when it was written."""
    return contents_of(Path(path).read_bytes(), Path(path).suffix)


def contents_of(data, suffix):
    """Return what `contents` returns, but for a file's bytes."""
    if suffix != ".keras":
        return tree(io.BytesIO(data))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    for name, member in members.items():
        if name == "metadata.json":
            members[name] = {**json.loads(member), "date_saved": None}
        elif name.endswith(".h5"):
            members[name] = tree(io.BytesIO(member))
    return members


def tree(file):
    """Return every group, dataset and attribute as plain values."""
    found = {}

    def look(name, item):
        found[name] = {key: np.array(v).tolist() for key, v in item.attrs.items()}
        if isinstance(item, h5py.Dataset):
            found[name]["="] = (item.dtype.str, item.shape, item[()].tobytes())

    with h5py.File(file, "r") as opened:
        look("/", opened)
        opened.visititems(look)
    return found

"""What is wrong with the structure of a file? Asked in a process of its own.

A file that somebody made to do harm can have the HDF5 library crash, hang or take all
memory, so `inspection` asks a child about it. Nothing is unpickled, no code that a file
holds is run, and no other file is opened, wherever links in it lead.
"""

from __future__ import annotations

import io
import json
import os
import struct
import sys
import zipfile
from collections.abc import Iterator
from typing import Any, BinaryIO

from modelcheckpoint.storage.beneath import is_name_below, open_below

__all__ = ["main", "what_is_wrong"]

_MEMORY = 4 << 30
_JSON = 256 << 20
"""No model's config is larger."""

_ATTRIBUTES = {"hdf5": "model_config", "hdf5-weights": "layer_names"}


class Wrong(Exception):
    """What is wrong, as a sentence."""


def main() -> None:
    """Answer, line by line, as JSON, for each folder, name and format that comes in."""
    try:
        import resource

        import h5py  # noqa: F401

        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    except (ImportError, ValueError, OSError):
        pass  # no such limits here; or no h5py, which each answer then says
    for line in sys.stdin:
        print(json.dumps(what_is_wrong(*json.loads(line))), flush=True)


def what_is_wrong(folder: str, name: str, format: str) -> str | None:
    """Return what is wrong with the structure of a file, or None.

    Args:
        folder: Path of the folder.
        name: Of the file.
        format: `"keras"`, `"weights.h5"`, `"hdf5"`, `"hdf5-weights"`, or `""`: what
            the name says.
    """
    try:
        with os.fdopen(open_below(folder, name), "rb") as file:
            if (format or name).endswith("keras"):
                _check_archive(file)
            else:
                _check_hdf5(file, _ATTRIBUTES.get(format))
    except Wrong as wrong:
        return str(wrong)
    except MemoryError:
        return "to open it takes more memory than any checkpoint needs"
    except Exception as error:  # whatever libraries make of such a file
        return f"it cannot be opened: {str(error) or repr(error)}"
    return None


def _check_archive(file: BinaryIO) -> None:
    with zipfile.ZipFile(file) as archive:
        for info in archive.infolist():
            if not is_name_below(info.filename.rstrip("/")):
                raise Wrong(f"a member leads out of it: {info.filename!r}")
        members = {info.filename: info for info in archive.infolist()}
        for name in ("metadata.json", "config.json"):
            _check_json(archive, name, members)
        weights = members.get("model.weights.h5")
        if weights is None:
            raise Wrong("it has no member 'model.weights.h5'")
        archive.open(weights).close()  # which checks what stands before it
        if weights.compress_type == zipfile.ZIP_STORED:
            _check_hdf5(_Stored(file, weights), None)


class _Stored(io.RawIOBase):
    """A member that is not compressed, as a file.

    Python's own reads all that lies between two places to go from one to the other (to
    go back, before 3.13, from the beginning), which with many arrays takes minutes.
    """

    def __init__(self, file: BinaryIO, info: zipfile.ZipInfo) -> None:
        super().__init__()
        file.seek(info.header_offset + 26)
        # The lengths of name and extra field (APPNOTE.TXT, 4.3.7).
        self._start = file.tell() + 4 + sum(struct.unpack("<HH", file.read(4)))
        self._file, self._size, self._at = file, info.file_size, 0

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = offset + (0, self._at, self._size)[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        count = max(0, min(len(buffer), self._size - self._at))
        self._file.seek(self._start + self._at)
        data = self._file.read(count)
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True


def _check_json(archive: zipfile.ZipFile, name: str, members: dict[str, Any]) -> None:
    if name not in members:
        raise Wrong(f"it has no member {name!r}")
    if members[name].file_size > _JSON:
        raise Wrong(f"its member {name!r} is too large")
    json.loads(archive.read(name))


def _check_hdf5(file: Any, attribute: str | None) -> None:
    import h5py

    size = file.seek(0, os.SEEK_END)
    with h5py.File(file, "r") as opened:
        if attribute is not None and attribute not in opened.attrs:
            raise Wrong(f"it has no attribute {attribute!r}")
        for item in _items(h5py, opened):
            if isinstance(item, h5py.Dataset):
                _check_dataset(item, size)


def _items(h5py: Any, file: Any) -> Iterator[Any]:
    groups, seen = [file], set()
    while groups:
        group = groups.pop()
        for name in group:
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise Wrong(f"{name!r} in it leads elsewhere")
            item = group[name]
            place = h5py.h5o.get_info(item.id).addr
            if place not in seen:  # a group may be inside itself
                seen.add(place)
                if isinstance(item, h5py.Group):
                    groups.append(item)
                yield item


def _check_dataset(dataset: Any, size: int) -> None:
    if dataset.external or dataset.is_virtual:
        raise Wrong(f"{dataset.name!r} in it has its data elsewhere")
    start = dataset.id.get_offset()
    if start is not None and start + dataset.id.get_storage_size() > size:
        raise Wrong(f"{dataset.name!r} in it goes on behind its end")


if __name__ == "__main__":
    main()

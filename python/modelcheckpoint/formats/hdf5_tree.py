"""List the arrays in an HDF5 file without reading them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

__all__ = ["attribute", "shapes"]


def shapes(file: Any) -> dict[str, tuple[int, ...]]:
    """Return the shape of each array, by its path.

    Raises:
        ValueError: If a part of the file lies in another file. That is not opened.
    """
    return {name: tuple(array.shape) for name, array in _arrays(file)}


def _arrays(file: Any) -> Iterator[tuple[str, Any]]:
    import h5py

    groups, seen = [("", file)], set()
    while groups:
        above, group = groups.pop()
        for name in group:
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise ValueError(f"{name!r} in it leads elsewhere")
            item = group[name]
            place = h5py.h5o.get_info(item.id).addr
            if place in seen:  # a group may be inside itself
                continue
            seen.add(place)
            if isinstance(item, h5py.Group):
                groups.append((f"{above}{name}/", item))
            elif isinstance(item, h5py.Dataset):
                if item.external or item.is_virtual:
                    raise ValueError(f"{name!r} in it has its data elsewhere")
                yield f"{above}{name}", item


def attribute(group: Any, name: str) -> list[str]:
    """Return a list of names from an attribute, which Keras splits if it is long."""
    if name in group.attrs:
        return [_text(value) for value in group.attrs[name]]
    found: list[str] = []
    for number in range(len(group.attrs)):
        found += map(_text, group.attrs.get(f"{name}{number}", ()))
    return found


def _text(value: Any) -> str:
    return value.decode("utf8") if isinstance(value, bytes) else str(value)

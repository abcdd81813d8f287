"""An HDF5 file in which no two arrays have one name, as Keras 3 may ask of it.

Keras names arrays after variables and groups after layers. Two of them may have one
name, or the name of one be a folder of the other; then HDF5 refuses, and so fails the
whole save. Here the later one gets a number, and the list of names beside them, by
which Keras finds them in their order, tells it. All others keep their names.
"""

from __future__ import annotations

import functools
from functools import partial
from typing import Any

from modelcheckpoint.formats.hdf5_arrays import new_dataset

__all__ = ["distinct_file"]

# Keras looks for the model's own arrays here; a layer may not have this name.
_RESERVED = "top_level_model_weights"


def distinct_file(file: Any, **options: Any) -> Any:
    """Return a new `h5py.File` that Keras' functions for HDF5 can write to.

    Args:
        file: A path, or an object that is like a file.
        options: What `h5py.File` is told beside.
    """
    made = _classes()[0](file, "w", **options)
    made.path, made.made = "", {}
    return made


@functools.lru_cache
def _classes() -> tuple[Any, Any]:
    """Return the classes of the file and of the groups in it."""
    import h5py

    class DistinctFile(_Distinct, h5py.File):  # type: ignore[misc]
        pass

    class DistinctGroup(_Distinct, h5py.Group):  # type: ignore[misc]
        pass

    return DistinctFile, DistinctGroup


class _Distinct:
    """What a file and a group have in common: they are asked for arrays and groups.

    Attributes:
        path: Of this group, `""` for the file.
        made: Every dataset that was made in the file, by its path.
    """

    path: str
    made: dict[str, Any]

    def create_group(self: Any, name: str | bytes, *args: Any, **kwargs: Any) -> Any:
        name = _text(name)
        if name == _RESERVED and name in _listed(self, "layer_names"):
            name = _rename(self, name, "layer_names")
        name, made = self._create(
            super().create_group,  # type: ignore[misc]
            name,
            "layer_names",
            *args,
            **kwargs,
        )
        group = _classes()[1](made.id)
        group.path, group.made = self._path_of(name), self.made
        return group

    def create_dataset(
        self: Any, name: str | bytes, shape: Any = None, dtype: Any = None, **more: Any
    ) -> Any:
        simple = not more and shape is not None and dtype is not None
        create = partial(new_dataset, self) if simple else super().create_dataset  # type: ignore[misc]
        name, made = self._create(
            create, _text(name), "weight_names", shape, dtype, **more
        )
        self.made[self._path_of(name)] = made
        return made

    def _create(
        self, create: Any, name: str, listing: str, *args: Any, **kwargs: Any
    ) -> tuple[str, Any]:
        try:
            return name, create(name, *args, **kwargs)
        except ValueError:
            if not _is_taken(self, name):
                raise
        name = _rename(self, name, listing)
        return name, create(name, *args, **kwargs)

    def _path_of(self, name: str) -> str:
        return f"{self.path}/{name}" if self.path else name


def _text(name: str | bytes) -> str:
    return name.decode("utf8") if isinstance(name, bytes) else name


def _is_taken(group: Any, name: str) -> bool:
    import h5py

    parts = name.split("/")
    folders = ("/".join(parts[:end]) for end in range(1, len(parts)))
    return name in group or any(
        isinstance(group.get(folder), h5py.Dataset) for folder in folders
    )


def _rename(group: Any, name: str, listing: str) -> str:
    """Return another name, and put it into the list in place of this one."""
    names = _listed(group, listing)
    first, slash, rest = name.partition("/")
    number = 1
    while _is_taken(group, new := f"{first}_{number}{slash}{rest}") or new in names:
        number += 1
    import h5py

    kind = h5py.Dataset if listing == "weight_names" else h5py.Group
    places = [place for place, listed in enumerate(names) if listed == name]
    # The one that got this name is the first of them in the list, too.
    places = places[1:] if isinstance(group.get(name), kind) else places
    if places:
        names[places[0]] = new
        _list(group, listing, names)
    return new


def _listed(group: Any, listing: str) -> list[str]:
    from keras.src.legacy.saving import legacy_h5_format

    return list(legacy_h5_format.load_attributes_from_hdf5_group(group, listing))


def _list(group: Any, listing: str, names: list[str]) -> None:
    from keras.src.legacy.saving import legacy_h5_format

    # A long list is kept in several attributes, numbered from 0.
    for key in [listing, *(f"{listing}{i}" for i in range(len(names)))]:
        if key in group.attrs:
            del group.attrs[key]
    encoded = [name.encode("utf8") for name in names]
    legacy_h5_format.save_attributes_to_hdf5_group(group, listing, encoded)

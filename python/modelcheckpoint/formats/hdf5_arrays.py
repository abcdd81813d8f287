"""Datasets that are made and written as h5py makes and writes its own, but quicker.

h5py looks at each for what only chunked, compressed or partly written ones need. Of a
file with thousands of small arrays that is a third of the time.
"""

from __future__ import annotations

import functools
from typing import Any

__all__ = ["new_dataset", "write_array"]


def write_array(group: Any, name: str, array: Any) -> Any:
    """Return a new dataset that holds an array, as `create_dataset` does."""
    if array.dtype.kind not in "fiub":
        return group.create_dataset(name, data=array)
    dataset = new_dataset(group, name, array.shape, array.dtype)
    dataset[()] = array
    return dataset


def new_dataset(group: Any, name: str, shape: tuple[int, ...], dtype: Any) -> Any:
    """Return a new dataset, which lies in the file in one piece.

    Args:
        group: The open `h5py.Group` or `h5py.File`.
        name: Its path in the group; folders are made.
        shape: Of what is going to be written.
        dtype: The type of its numbers.

    Raises:
        ValueError: If the name is taken.
    """
    from h5py import h5d, h5s, h5t

    cls, properties, links = _tools()
    kind = h5t.py_create(dtype, logical=True)
    space = h5s.create_simple(shape) if shape else h5s.create(h5s.SCALAR)
    made = h5d.create(
        group.id, name.encode(), kind, space, properties, lcpl=links[name.isascii()]
    )
    return cls(made)


@functools.cache
def _tools() -> tuple[Any, Any, dict[bool, Any]]:
    """Return the class of the datasets, and what HDF5 is told of each and its name."""
    import h5py
    from h5py import h5p, h5s, h5t

    class Whole(h5py.Dataset):  # type: ignore[misc]
        """A dataset that is written to all at once.

        Attributes:
            written: The `id` of the array that it was written from, which is not kept
                alive; None where h5py's own way was taken.
        """

        written: int | None = None

        def __setitem__(self, where: Any, value: Any) -> None:
            import numpy as np

            array = np.asarray(value, order="C")
            everything = where == () or where in (slice(None), Ellipsis)
            if (
                everything
                and array.shape == self.id.shape
                and array.dtype.kind in "fiub"
            ):
                self.id.write(h5s.ALL, h5s.ALL, array)
                self.written = id(array)
            else:
                self.written = None
                super().__setitem__(where, value)

    properties = h5p.create(h5p.DATASET_CREATE)
    properties.set_obj_track_times(False)
    links = {}
    for ascii in (False, True):
        links[ascii] = h5p.create(h5p.LINK_CREATE)
        links[ascii].set_create_intermediate_group(True)
        links[ascii].set_char_encoding(h5t.CSET_ASCII if ascii else h5t.CSET_UTF8)
    return Whole, properties, links

"""Create and write datasets as h5py does, but faster.

h5py checks each dataset for options that only chunked, compressed or partly written
ones need. For a file with thousands of small arrays this takes a third of the time.
"""

from __future__ import annotations

import functools
from typing import Any

__all__ = ["write_array"]


def write_array(group: Any, name: str, array: Any) -> Any:
    """Return a new dataset that holds an array, in one piece, as `create_dataset` does.

    Args:
        group: The open `h5py.Group` or `h5py.File`.
        name: Its path in the group; missing groups are created.
        array: Of any type.

    Raises:
        ValueError: If the name is taken.
    """
    if array.dtype.kind not in "fiub":
        return group.create_dataset(name, data=array)
    import h5py
    import numpy as np
    from h5py import h5d, h5s, h5t

    properties, links = _properties()
    kind = h5t.py_create(array.dtype, logical=True)
    space = h5s.create_simple(array.shape) if array.shape else h5s.create(h5s.SCALAR)
    dataset = h5d.create(
        group.id, name.encode(), kind, space, properties, lcpl=links[name.isascii()]
    )
    dataset.write(h5s.ALL, h5s.ALL, np.asarray(array, order="C"))
    return h5py.Dataset(dataset)


@functools.cache
def _properties() -> tuple[Any, dict[bool, Any]]:
    """Return the properties of datasets, and of links by whether a name is ASCII."""
    from h5py import h5p, h5t

    properties = h5p.create(h5p.DATASET_CREATE)
    properties.set_obj_track_times(False)
    links = {}
    for ascii in (False, True):
        links[ascii] = h5p.create(h5p.LINK_CREATE)
        links[ascii].set_create_intermediate_group(True)
        links[ascii].set_char_encoding(h5t.CSET_ASCII if ascii else h5t.CSET_UTF8)
    return properties, links

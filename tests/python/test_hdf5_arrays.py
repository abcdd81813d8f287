"""`formats/hdf5_arrays.py`: datasets equal the ones that h5py makes."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from modelcheckpoint.formats.hdf5_arrays import write_array

ARRAYS = {
    "scalar": np.float32(1.5),
    "folder/matrix": np.arange(6.0).reshape(2, 3),
    "folder/deeper/größe": np.arange(4, dtype="int64"),
    "transposed": np.arange(6, dtype="float16").reshape(2, 3).T,
    "empty": np.zeros((0, 3), "float32"),
    "bool": np.array([True, False]),
    "bytes": np.array([b"a", b"bc"]),
    "opaque": np.arange(3, dtype="uint16").view("V2"),
}


def described(file, name):
    dataset = file[name]
    plist = dataset.id.get_create_plist()
    return (
        dataset.dtype,
        dataset.shape,
        repr(dataset[()]),
        dict(dataset.attrs),
        plist.get_layout(),
        plist.get_obj_track_times(),
    )


@pytest.mark.parametrize("name", ARRAYS)
def test_equal_to_h5pys_own(tmp_path, name):
    """Type, shape, contents and layout, in folders that are made as needed."""
    array = np.asarray(ARRAYS[name])
    whole = () if array.shape == () else slice(None)
    with h5py.File(tmp_path / "ours.h5", "w") as ours:
        write_array(ours, name, array)
        with h5py.File(tmp_path / "theirs.h5", "w") as theirs:
            theirs.create_dataset(name, array.shape, dtype=array.dtype)[whole] = array
            assert described(ours, name) == described(theirs, name)


@pytest.mark.parametrize(
    "array", [*map(np.asarray, ARRAYS.values()), np.array("x", "O")]
)
def test_whole_arrays_equal_h5pys_own(tmp_path, array):
    """Arrays of any type, even texts."""
    with h5py.File(tmp_path / "ours.h5", "w") as ours:
        write_array(ours, "a/größe", array)
        with h5py.File(tmp_path / "theirs.h5", "w") as theirs:
            theirs.create_dataset("a/größe", data=array)
            assert described(ours, "a/größe") == described(theirs, "a/größe")


def test_a_name_that_is_taken(tmp_path):
    """It raises a ValueError, as h5py does."""
    with h5py.File(tmp_path / "x.h5", "w") as file:
        write_array(file, "x", np.zeros(1, "float32"))
        with pytest.raises(ValueError, match="exists"):
            write_array(file, "x", np.zeros(1, "float32"))

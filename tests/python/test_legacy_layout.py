"""`formats/legacy_layout.py`: each array has its own place in the file."""

from __future__ import annotations

import types

import h5py
import numpy as np
import pytest

from modelcheckpoint.formats.legacy_layout import Variables, layout_of

OWN = "top_level_model_weights"


def variables(*paths):
    return [types.SimpleNamespace(path=path, name=path[-1]) for path in paths]


def names_of(*paths):
    layout = layout_of(Variables([("layer", variables(*paths))], [], []), "")
    return layout.groups[0].names


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        ([], []),
        (["a/kernel", "a/bias"], ["a/kernel", "a/bias"]),
        (["a", "a", "a"], ["a", "a_1", "a_2"]),
        (["a/w", "a_1/w", "a/w", "a/w"], ["a/w", "a_1/w", "a_2/w", "a_3/w"]),
        (["a", "a", "a_1"], ["a", "a_2", "a_1"]),
        (["a", "a/b"], ["a", "a_1/b"]),
        (["a/b/c", "a/b", "a"], ["a/b/c", "a_1/b", "a_2"]),
    ],
)
def test_arrays_that_clash(paths, names):
    """If names are equal, or one is inside the other, the later one gets a number."""
    assert names_of(*paths) == names
    # HDF5 accepts them all.
    with h5py.File("x.h5", "w", driver="core", backing_store=False) as file:
        for name in names:
            file.create_dataset(name, data=1)


def test_layers_that_clash():
    """Groups are written by name, and listed in the order of the layers."""
    layers = [("b", variables("x")), (OWN, []), ("a", []), ("b", variables("y"))]
    own, slots = variables("own"), variables("adam/m", "adam/v")
    layout = layout_of(Variables(layers, own, slots), "model_weights")
    assert layout.layer_names == ["b", f"{OWN}_1", "a", "b_1"]
    paths = ["a", "b", "b_1", f"{OWN}_1", OWN]
    assert [group.path for group in layout.groups] == [
        *(f"model_weights/{path}" for path in paths),
        "optimizer_weights",
    ]
    assert [one.path for one in layout.variables] == [
        "x",
        "y",
        "own",
        "adam/m",
        "adam/v",
    ]


def test_keras_before_3_3_has_names_and_no_paths():
    """Arrays can be named by `name` instead."""
    layout = layout_of(Variables([("a", variables("a/k"))], [], []), "", by="name")
    assert layout.groups[0].names == ["k"]


def test_the_same_variables():
    """Equal values are not enough: each must be the same object."""
    own = variables("x")
    one = Variables([("a", own)], [], [])
    assert one.are(Variables([("a", list(own))], [], []))
    assert not one.are(Variables([("b", own)], [], []))
    assert not one.are(Variables([("a", variables("x"))], [], []))
    assert not one.are(Variables([("a", [])], own, []))


@pytest.mark.parametrize("count", [1, 1000, 3000])
def test_long_lists_of_names_are_split_as_keras_does(count, tmp_path):
    """An attribute holds at most 64 KiB, so Keras numbers the parts."""
    keras_own = pytest.importorskip("keras.src.legacy.saving.legacy_h5_format")
    from modelcheckpoint.formats.legacy_writer import write_names

    names = [f"a_layer_of_a_rather_long_name/größe_{i}" for i in range(count)]
    with h5py.File(tmp_path / "x.h5", "w") as file:
        ours, theirs = file.create_group("ours"), file.create_group("theirs")
        write_names(ours, "weight_names", names)
        encoded = [name.encode() for name in names]
        keras_own.save_attributes_to_hdf5_group(theirs, "weight_names", encoded)
        assert list(ours.attrs) == list(theirs.attrs)
        for name in ours.attrs:
            assert ours.attrs[name].dtype == theirs.attrs[name].dtype
            assert np.array_equal(ours.attrs[name], theirs.attrs[name])

"""Snapshots: the same file as Keras' own, with the state of one moment.

`test_models.py` compares each model of the table with Keras' own file.
"""

from __future__ import annotations

import gc
import threading
import weakref

import numpy as np
import pytest
from contents import contents_of
from models import SUFFIXES, needs, trained
from snapshots import check, fit, format_for, keras_own, small, written

from modelcheckpoint.formats import legacy_writer, values
from modelcheckpoint.formats.snapshot import NeedsKeras

keras = pytest.importorskip("keras", minversion="3.4")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::UserWarning"),  # Keras advises against HDF5
]


@pytest.fixture(params=SUFFIXES)
def suffix(request):
    return request.param


@pytest.fixture
def snapshotter(suffix):
    return format_for(suffix).snapshotter()


def test_training_goes_on(snapshotter, suffix, tmp_path):
    """Later training is not in the snapshot, but in the next one."""
    model = small()
    fit(model)
    own = contents_of(keras_own(model, suffix, tmp_path), suffix)
    snapshot = snapshotter.take(model)
    fit(model)
    for variable in model.variables:
        variable.assign(variable * 0 + 1)
    assert contents_of(written(snapshot), suffix) == own
    check(snapshotter, model, suffix, tmp_path)


def test_it_says_what_it_holds(snapshotter, suffix):
    """A caller tells small states from large ones by bytes and arrays."""
    model = small()
    fit(model)
    snapshot = snapshotter.take(model)
    optimizer = len(model.optimizer.variables) if suffix != ".hdf5" else 0
    assert snapshot.arrays == 2 + optimizer
    assert 0 <= len(written(snapshot)) - snapshot.nbytes < 1000


def test_parts_come_on_another_thread(snapshotter, suffix):
    """Any number of times."""
    model = small()
    fit(model)
    snapshot, found = snapshotter.take(model), []
    thread = threading.Thread(target=lambda: found.append(written(snapshot)))
    thread.start()
    thread.join()
    assert found == [written(snapshot)]


def test_memory_is_kept(snapshotter, suffix):
    """The second snapshot reuses the memory of the first, whose pages are warm."""
    model = small(keras.layers.Dense(1000))
    fit(model)
    places = []
    for _ in range(2):
        largest = max((data for data, _ in snapshotter.take(model).parts()), key=len)
        places.append(np.frombuffer(largest, np.uint8).ctypes.data)
        fit(model)
    assert places[0] == places[1]


# Models that Keras' public API must save


class OwnSave(keras.Sequential):
    def save(self, *arguments, **more):
        super().save(*arguments, **more)

    def save_weights(self, *arguments, **more):
        super().save_weights(*arguments, **more)


def own_save():
    return trained(OwnSave([keras.Input((3,)), keras.layers.Dense(1)]))


def not_built():
    return trained(keras.Sequential([keras.layers.Dense(1)]))


def tf_keras_model():
    tf_keras = pytest.importorskip("tf_keras")
    return tf_keras.Sequential([tf_keras.Input((3,)), tf_keras.layers.Dense(1)])


def mirrored():
    tf = needs("tensorflow", "a strategy of TensorFlow")
    with tf.distribute.MirroredStrategy(["CPU:0"]).scope():
        return small()


@pytest.mark.parametrize("make", [own_save, not_built, tf_keras_model, mirrored])
def test_what_keras_must_save_itself(make, snapshotter):
    """These cases are expected, and not failures of the fast path."""
    with pytest.raises(NeedsKeras) as caught:
        snapshotter.take(make())
    assert caught.value.expected


# Legacy HDF5


@pytest.fixture(params=[".h5", ".hdf5"])
def hdf5(request):
    return request.param


def test_hdf5_is_written_from_views(hdf5, tmp_path, monkeypatch):
    """Variables are not copied."""
    model = small()
    fit(model)
    copied = []
    monkeypatch.setattr(keras.src.backend, "convert_to_numpy", copied.append)
    ours = written(format_for(hdf5).snapshotter().take(model))
    assert copied == []
    monkeypatch.undo()
    assert contents_of(ours, hdf5) == contents_of(
        keras_own(model, hdf5, tmp_path), hdf5
    )


def test_no_array_is_held(hdf5, monkeypatch):
    """Not even until garbage is collected: each would keep memory of the training."""
    arrays = []

    def reader_of(model):
        read = values.reader_of(model)

        def copies(variables):
            for value in read(variables):
                copy = np.array(value.array)
                arrays.append(weakref.ref(copy))
                yield values.Value(copy)

        return copies

    monkeypatch.setattr(legacy_writer, "reader_of", reader_of)
    model, snapshotter = small(), format_for(hdf5).snapshotter()
    fit(model)
    gc.collect()
    gc.disable()
    try:
        snapshotter.take(model)
        assert arrays
        assert [held for held in arrays if held() is not None] == []
    finally:
        gc.enable()

"""Snapshots: the same file as Keras' own, of one moment, whatever happens later.

`test_models.py` compares each model of the table with Keras' own file.
"""

from __future__ import annotations

import gc
import io
import os
import threading
import warnings
import weakref
import zipfile

import numpy as np
import pytest
from contents import tree
from models import CASES, SUFFIXES, feature, needs, trained
from test_models import save_by_keras

keras = pytest.importorskip("keras", minversion="3.4")

from modelcheckpoint.formats import format_of, internals, legacy_writer  # noqa: E402
from modelcheckpoint.formats.snapshot import NeedsKeras  # noqa: E402

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _no_advice():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        yield


def format_for(suffix):
    return format_of(f"m{suffix}", suffix, suffix in (".weights.h5", ".hdf5"))


def written(snapshot):
    return b"".join(bytes(data) for data, _ in snapshot.parts())


def contents(data, suffix):
    """Return all that a file holds, but when it was written."""
    if suffix != ".keras":
        return tree(io.BytesIO(data))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        members = {info.filename: archive.read(info) for info in archive.infolist()}
        assert {info.compress_type for info in archive.infolist()} == {0}
    members["metadata.json"] = members["metadata.json"][:25]
    return {
        name: tree(io.BytesIO(member)) if name.endswith(".h5") else member
        for name, member in members.items()
    }


def keras_own(model, suffix, folder):
    path = folder / f"keras{suffix}"
    save_by_keras(keras, model, str(path), suffix)
    return path.read_bytes()


# What changes between two snapshots


def small(*layers, **compiled):
    layers = layers or (keras.layers.Dense(2),)
    return trained(keras.Sequential([keras.Input((3,)), *layers]), **compiled)


def fit(model):
    x = np.random.default_rng(1).normal(size=(8, 3)).astype("float32")
    model.fit(x, x[:, :1], batch_size=4, verbose=0)


def check(snapshotter, model, suffix, folder):
    ours = written(snapshotter.take(model))
    own = keras_own(model, suffix, folder)
    assert contents(ours, suffix) == contents(own, suffix)


@pytest.fixture(params=SUFFIXES)
def suffix(request):
    return request.param


@pytest.fixture
def snapshotter(suffix):
    return format_for(suffix).snapshotter()


def test_training_goes_on(snapshotter, suffix, tmp_path):
    """What training does after the snapshot is not in it, and is in the next one."""
    model = small()
    fit(model)
    own = contents(keras_own(model, suffix, tmp_path), suffix)
    snapshot = snapshotter.take(model)
    fit(model)
    for variable in model.variables:
        variable.assign(variable * 0 + 1)
    assert contents(written(snapshot), suffix) == own
    check(snapshotter, model, suffix, tmp_path)


def test_it_says_what_it_holds(snapshotter, suffix):
    """Bytes and arrays, by which a caller tells small states from large ones."""
    model = small()
    fit(model)
    snapshot = snapshotter.take(model)
    optimizer = len(model.optimizer.variables) if suffix != ".hdf5" else 0
    assert snapshot.arrays == 2 + optimizer
    assert 0 <= len(written(snapshot)) - snapshot.nbytes < 1000


def test_parts_come_on_another_thread(snapshotter, suffix):
    """And as often as they are asked for."""
    model = small()
    fit(model)
    snapshot, found = snapshotter.take(model), []
    thread = threading.Thread(target=lambda: found.append(written(snapshot)))
    thread.start()
    thread.join()
    assert found == [written(snapshot)]


def test_memory_is_kept(snapshotter, suffix):
    """The second snapshot lies where the first one lay: its pages are warm."""
    model = small(keras.layers.Dense(1000))
    fit(model)
    places = []
    for _ in range(2):
        largest = max((data for data, _ in snapshotter.take(model).parts()), key=len)
        places.append(np.frombuffer(largest, np.uint8).ctypes.data)
        fit(model)
    assert places[0] == places[1]


def grown(model):
    model.add(keras.layers.Dense(2))
    trained(model)


def compiled_anew(model):
    trained(model, optimizer=keras.optimizers.SGD(0.1, momentum=0.9))


def with_lora(model):
    feature(model.layers[0], "enable_lora")(1)
    trained(model)


def another_layer(model):
    model.pop()
    model.add(keras.layers.Dense(4, name="another"))
    trained(model)


def another_part(model):
    model.extra = {"a": [keras.layers.Dense(3)]}
    model.extra["a"][0].build((None, 2))


def frozen(model):
    model.layers[0].trainable = False


def slower(model):
    model.optimizer.learning_rate = 0.125


def drops_more(model):
    for layer in model.layers:
        if isinstance(layer, keras.layers.Dropout):
            layer.rate = 0.75


@pytest.mark.parametrize(
    "change",
    [
        grown,
        compiled_anew,
        with_lora,
        another_layer,
        another_part,
        frozen,
        slower,
        drops_more,
    ],
)
def test_the_model_changes(change, tmp_path):
    """Other layers, variables, settings: each is in the next snapshot, and after."""
    snapshotters = {suffix: format_for(suffix).snapshotter() for suffix in SUFFIXES}

    def check_all():
        for suffix, snapshotter in snapshotters.items():
            check(snapshotter, model, suffix, tmp_path)

    model = small(keras.layers.Dense(2), keras.layers.Dropout(0.5))
    fit(model)
    check_all()
    change(model)
    check_all()
    if change is frozen and keras.backend.backend() == "jax":
        return  # Keras on JAX does not train it on without compiling it anew
    fit(model)
    check_all()


class Own(keras.layers.Layer):
    """Hands out what it likes, and keeps a file."""

    state = 1.0

    def call(self, inputs):
        return inputs

    def save_own_variables(self, store):
        store["state"] = np.array(self.state)

    def save_assets(self, folder):
        with open(os.path.join(folder, "state.txt"), "w") as file:
            file.write(str(self.state))


@pytest.mark.parametrize("state", [2.0, [1.0, 2.0], np.zeros((0, 3)), True])
@pytest.mark.parametrize("suffix", [".keras", ".weights.h5"])
def test_a_state_of_its_own_changes(state, suffix, tmp_path):
    """Its value, shape or type."""
    layer, snapshotter = Own(), format_for(suffix).snapshotter()
    model = small(layer, keras.layers.Dense(1))
    fit(model)
    check(snapshotter, model, suffix, tmp_path)
    layer.state = state
    check(snapshotter, model, suffix, tmp_path)
    check(snapshotter, model, suffix, tmp_path)


def test_a_vocabulary_changes(tmp_path):
    """Keras' own lookup layers are asked again only when their table is another."""
    case = CASES["string_lookup"]
    model, snapshotter = case.make(keras), format_for(".keras").snapshotter()
    check(snapshotter, model, ".keras", tmp_path)
    check(snapshotter, model, ".keras", tmp_path)
    model.layers[0].set_vocabulary(["x", "y"])
    check(snapshotter, model, ".keras", tmp_path)


# What Keras' public API must do


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
    """These are known, and are no fast path's failure."""
    with pytest.raises(NeedsKeras) as caught:
        snapshotter.take(make())
    assert caught.value.expected


@pytest.mark.parametrize("suffix", [".keras", ".weights.h5"])
def test_what_fails_is_for_keras(suffix, tmp_path):
    """A state that cannot be laid out leaves no trace in the snapshots after it."""
    layer, snapshotter = Own(), format_for(suffix).snapshotter()
    model = small(layer, keras.layers.Dense(1))
    fit(model)
    for state in (1.0, "no number", 2.0, object(), 3.0):
        layer.state = state
        if isinstance(state, float):
            check(snapshotter, model, suffix, tmp_path)
        else:
            with pytest.raises(NeedsKeras) as caught:
                snapshotter.take(model)
            assert not caught.value.expected


# Legacy HDF5


@pytest.fixture(params=[".h5", ".hdf5"])
def hdf5(request):
    return request.param


def test_hdf5_is_written_from_views(hdf5, tmp_path, monkeypatch):
    """No copy of a variable is made."""
    model = small()
    fit(model)
    copied = []
    monkeypatch.setattr(keras.src.backend, "convert_to_numpy", copied.append)
    ours = written(format_for(hdf5).snapshotter().take(model))
    assert copied == []
    monkeypatch.undo()
    assert contents(ours, hdf5) == contents(keras_own(model, hdf5, tmp_path), hdf5)


def test_no_array_is_held(hdf5, monkeypatch):
    """Not even until garbage is collected: each would hold memory of training's."""
    arrays = []

    def reader_of(model):
        read = internals.reader_of(model)

        def copies(variables):
            for array in read(variables):
                copy = np.array(array)
                arrays.append(weakref.ref(copy))
                yield copy

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

"""Models that change between two snapshots: the second snapshot has the change."""

from __future__ import annotations

import os

import numpy as np
import pytest
from models import CASES, SUFFIXES, feature, trained
from snapshots import check, fit, format_for, small

from modelcheckpoint.formats.snapshot import NeedsKeras

keras = pytest.importorskip("keras", minversion="3.4")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::UserWarning"),  # Keras advises against HDF5
]


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
    """Other layers, variables, settings: each is in the next snapshot, and later."""
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
        return  # on JAX, Keras must compile it again before training it
    fit(model)
    check_all()


class Own(keras.layers.Layer):
    """Saves a state of any kind, and keeps a file."""

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
    """Its value, shape or type changes."""
    layer, snapshotter = Own(), format_for(suffix).snapshotter()
    model = small(layer, keras.layers.Dense(1))
    fit(model)
    check(snapshotter, model, suffix, tmp_path)
    layer.state = state
    check(snapshotter, model, suffix, tmp_path)
    check(snapshotter, model, suffix, tmp_path)


def test_a_vocabulary_changes(tmp_path):
    """Keras' own lookup layers are read again only when their table has changed."""
    case = CASES["string_lookup"]
    model, snapshotter = case.make(keras), format_for(".keras").snapshotter()
    check(snapshotter, model, ".keras", tmp_path)
    check(snapshotter, model, ".keras", tmp_path)
    model.layers[0].set_vocabulary(["x", "y"])
    check(snapshotter, model, ".keras", tmp_path)


@pytest.mark.parametrize("suffix", [".keras", ".weights.h5"])
def test_what_fails_is_for_keras(suffix, tmp_path):
    """A state that cannot be laid out leaves no trace in later snapshots."""
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

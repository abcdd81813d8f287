"""Which epoch does the name of a file tell?"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelcheckpoint.decide.epochs import epochs_of


@pytest.mark.parametrize(
    ("name", "epoch"),
    [
        ("epoch5.keras", 5),
        ("model-epoch_05.weights.h5", 5),
        ("runs/3/epoch=12-val_loss=0.32.keras", 12),
        ("Epoch 7.h5", 7),
        ("weights.05-0.32.hdf5", 5),
        ("05-0.32.keras", 5),
        ("vgg16_ckpt-02-1.50.keras", 2),
        ("w.keras", None),
        ("w.5.keras", None),
        ("best-2024.keras", None),
        ("resnet50.keras", None),
        ("epoch1-to-epoch2.keras", None),
        ("my_depoch5.keras", None),
        ("epoch0.5.keras", None),
        ("epoch0.keras", None),
        ("epoch1234567890123.keras", None),
        ("epoch\u0665.keras", None),
        ("5/w.keras", None),
    ],
)
def test_one_name(name, epoch):
    """It tells its epoch by the word or by Keras' own example, or not at all."""
    assert epochs_of([name]).get(name) == epoch


def test_names_that_count():
    """One number that stands alone, 1, 2, 3 and so on, in names that are alike."""
    names = ["w.1.keras", "w.2.keras", "w.3.keras"]
    assert epochs_of(names) == dict(zip(names, (1, 2, 3)))
    assert epochs_of(["w.1.keras", "w.3.keras"]) == {}
    assert epochs_of(["w.0.keras", "w.1.keras"]) == {}
    assert epochs_of(["a.1.keras", "b.2.keras"]) == {}
    assert epochs_of(["w.1.keras", "w.2.h5"]) == {}
    assert epochs_of(["a/w.1.keras", "b/w.2.keras"]) == {}
    assert epochs_of(["v1-w.1.keras", "v1-w.2.keras"]) == {}
    assert epochs_of(["w1.keras", "w2.keras"]) == {}
    assert epochs_of(["01.keras", "02.keras"]) == {"01.keras": 1, "02.keras": 2}


@given(st.lists(st.text(alphabet="epoch0123456789.-_/w\n\u0665", max_size=20)))
def test_any_names(names):
    """What comes out is a whole number of a name that came in."""
    found = epochs_of([f"{name}.keras" for name in names])
    assert set(found) <= {f"{name}.keras" for name in names}
    assert all(type(epoch) is int and epoch >= 1 for epoch in found.values())

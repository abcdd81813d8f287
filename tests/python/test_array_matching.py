"""`decide/array_matching.py`, `observe/optimizer.py`: matching arrays to variables."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelcheckpoint.decide.array_matching import match
from modelcheckpoint.observe.optimizer import difference, identity

BN = [f"s/bn/{n}" for n in ("gamma", "beta")] + [
    f"s/bn_1/{n}" for n in ("gamma", "beta")
]
MEANS = ["s/bn/mean", "s/bn/var", "s/bn_1/mean", "s/bn_1/var"]
THAWED = BN + MEANS
FROZEN = [*BN[:2], *MEANS[:2], *BN[2:], *MEANS[2:]]


def numbered(names, by):
    """Return the names that a second model of the same process would have."""
    found = []
    for name in names:
        model, layer, leaf = name.split("/")
        kind, _, number = layer.partition("_")
        found.append(f"{model}_{by}/{kind}_{int(number or 0) + by}/{leaf}")
    return found


@pytest.mark.parametrize("by", [1, 9, 99])
def test_another_order_is_found(by):
    """Names identify arrays, even if Keras has numbered them differently."""
    wanted = [THAWED.index(name) for name in FROZEN]
    assert match(THAWED, FROZEN) == wanted
    assert match(THAWED, numbered(FROZEN, by)) == wanted
    assert match(numbered(THAWED, by), FROZEN) == wanted
    assert match(THAWED, numbered(THAWED, by)) == list(range(8))


def test_layers_of_one_shape_that_changed_places():
    """Two Dense, and now the other one is frozen: the kinds alone could not decide."""
    there = ["s/dense/kernel", "s/dense/bias", "s/dense_1/kernel", "s/dense_1/bias"]
    here = ["s/dense_4/kernel", "s/dense_4/bias", "s/dense_3/kernel", "s/dense_3/bias"]
    assert match(there, here) == [2, 3, 0, 1]


def test_a_model_inside_another_one():
    """The model's number is compared before the numbers of its layers."""
    there = ["s_1/dense_2/w", "s/dense/w", "s/dense_1/w"]
    here = [
        "sequential_2/dense_4/w",
        "sequential_2/dense_5/w",
        "sequential_3/dense_6/w",
    ]
    assert match(there, here) == [1, 2, 0]


def test_names_of_keras_2():
    """Its names end in an output number."""
    assert match(["dense/kernel:0", "dense/bias:0"], ["d/dense/kernel", "d/dense/bias"])


def test_renamed_layers_count_by_their_order():
    """As Keras loads them: each array goes to one of the same kind."""
    assert match(["a/kernel", "a/bias"], ["b/kernel", "b/bias"]) == [0, 1]
    assert match(["a/kernel", "a/bias"], ["b/bias", "b/kernel"]) is None
    there = ["a/gamma", "b/gamma", "a/mean", "b/mean"]
    assert match(there, ["x/gamma", "x/mean", "y/gamma", "y/mean"]) is None
    there, here = ["a/kernel", "b/kernel"], ["d/kernel", "c/kernel"]
    assert match(there, here) == [0, 1]
    assert match(there, here, by_order=False) is None
    assert match(["a/w", "a/b"], ["c/w", "c/b"], by_order=False) == [0, 1]


@given(
    st.integers(1, 12), st.integers(0, 20), st.randoms(), st.sampled_from(["s", "a/b"])
)
def test_any_order_is_undone(layers, by, random, model):
    """In any order on either side, each variable gets the array with its name."""
    names = [
        f"{model}/dense{f'_{n}' if n else ''}/{leaf}"
        for n in range(layers)
        for leaf in ("kernel", "bias")
    ]
    there = random.sample(names, len(names))
    here = random.sample(names, len(names))
    assert [there[place] for place in match(there, here)] == here
    renumbered = {
        name: f"{model}/dense_{i // 2 + by + 1}/{name.rpartition('/')[2]}"
        for i, name in enumerate(names)
    }
    places = match(there, [renumbered[name] for name in here])
    assert [there[place] for place in places] == here


def test_the_identity_of_an_optimizer():
    """The class and the options that add variables count, not the learning rate."""
    one = identity("Adam", {"learning_rate": 1.0, "amsgrad": False})
    assert one == identity("Custom>Adam", {"learning_rate": 0.1, "use_ema": False})
    other = identity("Adam", {"amsgrad": True})
    text = difference(one, other)
    assert "(Adam in the file, Adam with amsgrad here)" in text
    wrapped = {"class_name": "Adam", "config": {"amsgrad": True}}
    outer = identity("LossScaleOptimizer", {"inner_optimizer": wrapped})
    assert outer == other
    assert difference(one, identity("pkg>Adam", {})) is not None
    assert difference(one, one) is None


def test_other_variables_are_trained():
    """A checksum shows it, if both sides have one."""
    one = identity("Adam", {})
    assert difference({**one, "trains": "1"}, {**one, "trains": "2"})
    assert difference({**one, "trains": None}, {**one, "trains": "2"}) is None

"""A model's variables as a tree by their paths, and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelcheckpoint.formats.state_tree import Clash, flat, places, tree

names = st.text("ab_1", min_size=1, max_size=3)
paths = st.lists(names, min_size=1, max_size=4).map("/".join)


@given(st.dictionaries(paths, st.integers(), max_size=8))
def test_a_tree_has_all_or_says_which_path_clashes(values):
    begins = {f"{path}/" for path in values}
    clashes = any(
        other.startswith(begin) for begin in begins for other in values if other
    )
    if clashes:
        with pytest.raises(Clash):
            tree(values.items())
    else:
        assert flat(tree(values.items())) == values


def test_a_path_that_comes_twice_clashes():
    with pytest.raises(Clash, match=r"^a/b$"):
        tree([("a/b", 1), ("a/b", 2)])


SAVED = {("trainable_variables", "a/kernel"): (3, 2), ("non", "b/seed"): (2,)}


def test_variables_are_found_by_their_paths():
    here = [("b/seed", (2,)), ("a/kernel", (3, 2))]
    found = places(here, SAVED, ["a/kernel", "b/seed"])
    assert found == [("non", "b/seed"), ("trainable_variables", "a/kernel")]


def test_variables_with_other_paths_are_found_by_their_order():
    here = [("a_1/kernel", (3, 2)), ("b_1/seed", (2,))]
    found = places(here, SAVED, ["a/kernel", "b/seed"])
    assert found == [("trainable_variables", "a/kernel"), ("non", "b/seed")]


@pytest.mark.parametrize(
    ("here", "order", "what"),
    [
        ([("a_1/kernel", (3, 2)), ("b/seed", (2,))], None, "it has no a_1/kernel"),
        ([("a/kernel", (3, 2))], None, "the model has no b/seed"),
        (
            [("x", (3, 2))],
            ["a/kernel", "b/seed"],
            "it has 2 variables, and the model 1",
        ),
        (
            [("a/kernel", (3, 3)), ("b/seed", (2,))],
            None,
            "a/kernel has the shape (3, 2), and a/kernel of the model (3, 3)",
        ),
        (
            [("x", (2,)), ("y", (3, 2))],
            ["a/kernel", "b/seed"],
            "a/kernel has the shape (3, 2), and x of the model (2,)",
        ),
    ],
)
def test_what_does_not_fit_is_told(here, order, what):
    assert places(here, SAVED, order) == what

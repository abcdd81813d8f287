"""How often one can save, computed from the ends of epochs with and without saves."""

from __future__ import annotations

import importlib.util
import pathlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

FILE = pathlib.Path(__file__).parents[2] / "benchmarks" / "interval_limit.py"

pytestmark = pytest.mark.skipif(
    not FILE.is_file(), reason="the benchmarks are in a checkout only"
)


@pytest.fixture(scope="module")
def limit():
    spec = importlib.util.spec_from_file_location("interval_limit", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@given(
    costs=st.lists(st.floats(0, 2), min_size=3, max_size=3),
    pace=st.floats(0.5, 3),
    saves=st.integers(3, 6),
    first=st.floats(0, 9),
    hiccup=st.floats(0, 9),
)
def test_what_a_save_adds(limit, costs, pace, saves, first, hiccup):
    """Batches after a save take longer; the first save and hiccups do not count."""
    laps = [[pace] * 3 for _ in range(2 * saves + 4)]
    for epoch in range(4, len(laps), 2):
        laps[epoch] = [pace + cost for cost in costs]
    laps[2] = [pace + first] * 3
    laps[4][1] += hiccup
    laps[5][2] += hiccup
    assert limit.added_by_saves(laps) == pytest.approx(sum(costs), abs=1e-9)


def test_the_shortest_interval(limit):
    """It keeps to the limit, and no save waits for the previous one."""
    assert limit.shortest_interval([0.035, 0.07, 0.07], [0.5]) == pytest.approx(2.0)
    assert limit.shortest_interval([0.001], [0.5, 0.6, 0.4]) == 0.5

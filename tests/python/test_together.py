"""Processes that save together do so at the same steps; here each one is a thread."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from memory_store import MemoryStore

from modelcheckpoint import CheckpointError
from modelcheckpoint.decide.decision_text import decision_from, text_of
from modelcheckpoint.decide.naming import Template
from modelcheckpoint.decide.plan import Moment, Order, Plan, Skip
from modelcheckpoint.decide.triggers import Every, Seconds, steps_until
from modelcheckpoint.observe.peers import Peers
from modelcheckpoint.observe.store_gather import Rounds, StoreGather
from modelcheckpoint.training.agreement import Agreement
from modelcheckpoint.training.together import Together

LONG = 30.0
TEMPLATE = Template("w.{epoch}.keras")
ORDER = Order(
    Moment(2, None, 48, {"score": 3.0}),
    "w.2.keras",
    ("lr",),
    3.0,
    "max",
    True,
    float("-inf"),
    4,
)
SKIP = Skip(ORDER.moment, 2, 3.0)


def processes(count=2, seconds=LONG, interval=None):
    """Return the plan of each process, and the object that makes them save together."""
    store = MemoryStore()
    group = []
    for rank in range(count):
        timer = None if interval is None else Seconds(interval)
        plan = Plan(TEMPLATE, Every(10**6), "score", True, None, timer)
        plan.start(time.monotonic())
        gather = StoreGather(store, rank, count, "fit", Rounds())
        agreement = Agreement(Peers(rank, count, gather), seconds)
        group.append((plan, Together(agreement, plan)))
    return group


def at_once(function, *arguments):
    """Call a function in a thread for each process; return each one's result."""
    with ThreadPoolExecutor(len(arguments[0])) as pool:
        return list(pool.map(function, *arguments))


@pytest.mark.parametrize("decision", [ORDER, SKIP, None])
def test_a_decision_as_a_text(decision):
    """All of it is sent, except the moment, which each process knows."""
    moment = replace(ORDER.moment, logs={"score": 1.0})
    again = decision_from(text_of(decision), moment)
    assert again == (decision and replace(decision, moment=moment))


@pytest.mark.parametrize(
    "text", ['{"path": "w"}', '{"value": 1}', '{"path": 1, "x": 2}']
)
def test_a_decision_of_another_version(text):
    """It raises a `ValueError`."""
    with pytest.raises(ValueError, match="of another form"):
        decision_from(text, ORDER.moment)


@pytest.mark.parametrize("common", [ORDER, SKIP, None])
def test_all_do_what_the_chief_decides(common):
    """The chief's best may differ from the others', for example after a failed save."""
    group = processes(3)
    group[1][0].best = group[2][0].best = 5.0
    own = [SKIP if isinstance(common, Order) else ORDER] * 3
    done = at_once(
        lambda process, decision: process[1].decided(decision, lambda: common),
        group,
        own,
    )
    assert done == [common] * 3
    if common is not None:
        assert [plan.best for plan, _ in group] == [common.best] * 3


def test_who_is_alone_decides():
    """It waits for nobody."""
    plan = Plan(TEMPLATE, Every(3), "score", False, None)
    together = Together(Agreement(Peers(), 0.0), plan)
    assert together.alone
    assert together.decided(ORDER, lambda: SKIP) is SKIP
    assert [together.is_due(1) for _ in range(3)] == [False, False, True]


def test_who_does_not_come_is_named():
    """Nobody waits forever."""
    (_, first), _ = processes(seconds=0.2)
    with pytest.raises(CheckpointError, match="Process 1 of 2 did not arrive"):
        first.decided(ORDER, lambda: ORDER)


def test_by_one_clock():
    """All save at the same step, though by its own clock one would never save."""
    group = processes(interval=0.1)
    group[1][0].seconds.since += 1e6

    def trained(process):
        return [process[1].is_due(1) for _ in range(100) if not time.sleep(0.01)]

    first, second = at_once(trained, group)
    assert first == second
    assert sum(first) >= 2


@pytest.mark.parametrize(
    ("left", "steps", "passed", "wanted"),
    [
        (100.0, 10, 1.0, 10),  # a second, at most
        (1.0, 10, 1.0, 5),  # half of the time that is left
        (100.0, 10, 0.1, 20),  # no more than twice as many as before
        (0.0, 10, 1.0, 1),
        (100.0, 1, 30.0, 1),  # slow steps
        (100.0, 4, 0.0, 8),  # a clock that did not move
    ],
)
def test_when_to_look_again(left, steps, passed, wanted):
    """A check is cheap compared with the steps, and none comes much too late."""
    assert steps_until(left, steps, passed) == wanted

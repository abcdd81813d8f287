"""All processes leave at the end of the same step, whenever each one gets a signal."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from modelcheckpoint.decide.exit_step import ExitStep


def test_nobody_waits_without_a_signal():
    """A step costs no more than counting it."""
    step = ExitStep()
    for _ in range(3):
        step.end()
        assert not step.waits
        assert not step.is_now


def test_one_waits_for_the_others():
    """It finishes the step in flight, and starts no other."""
    step = ExitStep()
    step.end()
    assert step.promise() == 2
    assert not step.waits
    step.end()
    assert step.waits
    assert step.promise() == 2
    step.choose([2, 4])
    assert not step.waits
    assert not step.is_now
    step.end()
    step.end()
    assert step.is_now


def test_one_that_gives_up_goes_on():
    """It no longer leaves at the end of any step."""
    step = ExitStep()
    step.promise()
    step.end()
    step.give_up()
    assert not step.waits
    assert not step.is_now


class Processes:
    """Processes whose next events can happen in any order.

    Args:
        count: How many there are.
        in_step: Whether no process ends a step before all have begun it, as in a
            collective of their framework.
    """

    def __init__(self, count, in_step):
        self.steps = [ExitStep() for _ in range(count)]
        self.in_step = in_step
        self.came = False  # whether a signal has come to any process
        self.left = set()

    def events(self):
        """Return what can happen now, each as a function that makes it happen."""
        ranks = range(len(self.steps))
        events = [] if self.came else [self.signal]
        events += [lambda r=r: self.train(r) for r in ranks if self.can_train(r)]
        for rank, step in enumerate(self.steps) if self.came else ():
            if step.promised is None:
                events.append(step.promise)
            elif step.chosen is None and None not in self.promises():
                events.append(lambda r=rank: self.choose(r))
        return events

    def signal(self):
        self.came = True

    def promises(self):
        return [step.promised for step in self.steps]

    def can_train(self, rank):
        step = self.steps[rank]
        if step.waits or rank in self.left:
            return False
        others = [r for r in range(len(self.steps)) if r != rank]
        return not self.in_step or all(self.begun(r) > step.ended for r in others)

    def begun(self, rank):
        """Return how many steps it has begun; while it waits, or has left, no more."""
        step = self.steps[rank]
        return step.ended + (not step.waits and rank not in self.left)

    def train(self, rank):
        self.steps[rank].end()
        self.leave_if_now(rank)

    def choose(self, rank):
        waited = self.steps[rank].waits
        self.steps[rank].choose(self.promises())
        if waited:  # at the end of a step
            self.leave_if_now(rank)

    def leave_if_now(self, rank):
        if self.steps[rank].is_now:
            self.left.add(rank)


@settings(max_examples=300)
@given(st.integers(1, 5), st.booleans(), st.integers(0, 60), st.integers())
def test_all_leave_at_the_same_step(count, in_step, before, seed):
    """In any order of events: nobody goes beyond that step, and nobody hangs."""
    group, order = Processes(count, in_step), random.Random(seed)
    for number in range(5_000):
        if number == before:
            group.came = True
        events = group.events()
        if not events:
            break
        order.choice(events)()
    (chosen,) = {step.chosen for step in group.steps}
    assert chosen is not None
    assert [step.ended for step in group.steps] == [chosen] * count
    assert group.left == set(range(count))

"""`decide/plan.py`: one moment of training -> an order to save, or none."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelcheckpoint.decide.monitor import improves
from modelcheckpoint.decide.naming import Template
from modelcheckpoint.decide.plan import Moment, Order, Plan, Skip
from modelcheckpoint.decide.triggers import Every


def make_plan(text="w.keras", every=1, best_only=False, best=None):
    return Plan(Template(text), Every(every), "val_loss", best_only, best)


def at(epoch, batch=None, samples=None, **logs):
    return Moment(epoch, batch, samples, logs)


def run(plan, losses, mode="min"):
    """Run epochs with these losses, where every save succeeds; return the decisions."""
    decisions = []
    for epoch, loss in enumerate(losses, 1):
        logs = {} if loss is None else {"val_loss": loss}
        moment = at(epoch, **logs)
        decision = plan.at_epoch_end(moment, mode, plan.due(1))
        if isinstance(decision, Order):
            plan.saved(decision)
        decisions.append(decision)
    return decisions


def saved_epochs(decisions):
    return [d.moment.epoch for d in decisions if isinstance(d, Order)]


def test_every_epoch_is_saved():
    """By default, each epoch's end gives an order, whether it is better or not."""
    decisions = run(make_plan(), [0.5, 0.7, None, math.nan])
    assert saved_epochs(decisions) == [1, 2, 3, 4]
    assert [d.improved for d in decisions] == [True, False, False, False]


def test_only_the_best_is_saved():
    """With save_best_only, an epoch that is not better gives a Skip with the reason."""
    plan = make_plan(best_only=True)
    decisions = run(plan, [0.5, 0.7, None, math.nan, 0.4, 0.4])
    assert saved_epochs(decisions) == [1, 5]
    assert decisions[1] == Skip(at(2, val_loss=0.7), 0.7, 0.5)
    assert decisions[2] == Skip(at(3), None, 0.5)
    assert decisions[4].best == 0.5
    assert plan.best == 0.4


def test_the_mode_max():
    """In this mode, more is better."""
    decisions = run(make_plan(best_only=True), [0.5, 0.7, 0.6, 0.8], "max")
    assert saved_epochs(decisions) == [1, 2, 4]


def test_nan_first_is_not_the_best_for_ever():
    """A NaN in the first epoch is skipped, and the next number is the best."""
    decisions = run(make_plan(best_only=True), [math.nan, math.inf, 3.0, 2.0])
    assert saved_epochs(decisions) == [3, 4]


def test_a_threshold_is_to_be_beaten():
    """The first value must beat the given best; an equal one is not enough."""
    plan = make_plan(best_only=True, best=0.5)
    assert saved_epochs(run(plan, [0.6, 0.5, 0.4])) == [3]


def test_a_period_counts_epochs():
    """A save falls due every third epoch; the epochs between return None."""
    decisions = run(make_plan(every=3), [0.1] * 7)
    assert saved_epochs(decisions) == [3, 6]
    assert decisions[0] is None


def test_a_period_goes_on_after_a_skip():
    """A due save that was skipped is not made up for one epoch later."""
    decisions = run(make_plan(every=2, best_only=True), [9, 5, 1, 7, 2, 3])
    assert saved_epochs(decisions) == [2, 6]
    assert isinstance(decisions[3], Skip)


def test_the_best_is_unchanged_until_it_is_saved():
    """After a failed save, a value worse than the failed one is saved."""
    plan = make_plan(best_only=True, best=0.9)
    failed = plan.at_epoch_end(at(1, val_loss=0.1), "min", due=True)
    assert isinstance(failed, Order)
    assert plan.best == 0.9
    second = plan.at_epoch_end(at(2, val_loss=0.5), "min", due=True)
    assert (second.improved, second.best) == (True, 0.9)
    plan.saved(second)
    assert plan.best == 0.5


def test_a_worse_save_leaves_the_best():
    """If every epoch is saved, the best is still the best value."""
    plan = make_plan()
    run(plan, [0.5, 0.7, None, math.nan])
    assert plan.best == 0.5
    assert type(plan.best) is float


def test_the_name_is_filled_for_a_save():
    """The order lists the fields without a value."""
    plan = make_plan("{epoch:02d}-{val_loss:.2f}-{val_f1:.2f}.keras")
    order = plan.at_epoch_end(at(3, val_loss=0.456), "min", due=True)
    assert (order.path, order.missing) == ("03-0.46-nan.keras", ("val_f1",))
    assert (order.value, order.improved, order.best) == (0.456, True, None)


def test_a_missing_monitor_saves_where_all_are_saved():
    """Without save_best_only, the monitor only decides which one is best."""
    (order,) = run(make_plan(), [None])
    assert (order.value, order.improved, order.missing) == (None, False, ())


def test_a_save_in_the_middle_of_an_epoch():
    """Batch and samples can be fields, and no monitor is needed."""
    plan = make_plan("{epoch}-{batch:03d}-{samples}.keras", every=10)
    assert [plan.due(4) for _ in range(3)] == [False, False, True]
    order = plan.in_epoch(at(2, batch=3, samples=12, loss=1.0), "min")
    assert (order.path, order.missing) == ("2-003-12.keras", ())
    assert plan.at_epoch_end(at(2, val_loss=0.5), "min", due=False) is None


def test_the_best_in_the_middle_of_an_epoch():
    """If the monitor exists at a batch's end, the save is decided there."""
    plan = make_plan(best_only=True, best=0.5)
    assert isinstance(plan.in_epoch(at(1, 3, 12, val_loss=0.7), "min"), Skip)
    assert isinstance(plan.in_epoch(at(1, 6, 24, val_loss=0.4), "min"), Order)


@pytest.mark.parametrize(
    ("text", "best_only"), [("w.keras", True), ("{val_loss:.2f}.keras", False)]
)
def test_what_is_known_later_waits_for_the_end_of_the_epoch(text, best_only):
    """However often a save fell due, the epoch's end gives one order."""
    plan = make_plan(text, best_only=best_only)
    for batch in (1, 2, 3):
        assert plan.in_epoch(at(1, batch, 4 * batch, loss=1.0), "min") is None
    order = plan.at_epoch_end(at(1, 7, 28, val_loss=0.5), "min", due=False)
    assert isinstance(order, Order)
    assert order.moment.samples == 28
    assert plan.at_epoch_end(at(2, val_loss=0.4), "min", due=False) is None


def test_waiting_and_due_give_one_order():
    """A waiting save and one that falls due at the end become one."""
    plan = make_plan(best_only=True)
    plan.waits = True
    plan.waits = True
    assert isinstance(plan.at_epoch_end(at(1, val_loss=0.5), "min", due=True), Order)
    assert plan.at_epoch_end(at(2, val_loss=0.4), "min", due=False) is None


def test_a_value_that_never_comes_waits_in_vain_once():
    """With a wrong name in the template, the epoch's end still saves."""
    plan = make_plan("{val_acc}.keras")
    assert plan.in_epoch(at(1, 1, 4, loss=1.0), "min") is None
    order = plan.at_epoch_end(at(1, 7, 28, loss=1.0), "min")
    assert (order.path, order.missing) == ("nan.keras", ("val_acc",))


def test_a_missing_monitor_at_the_end_is_a_skip():
    """Without a value, a best-only save is skipped, and does not wait forever."""
    plan = make_plan(best_only=True)
    plan.waits = True
    assert plan.at_epoch_end(at(1, loss=1.0), "min") == Skip(
        at(1, loss=1.0), None, None
    )
    assert plan.at_epoch_end(at(2, val_loss=1.0), "min") is None


def test_keys_of_logs_that_are_named_like_counters():
    """In a name, the counters are always the callback's own, from 1."""
    plan = make_plan("{epoch}-{batch}-{samples}.keras")
    moment = at(2, batch=3, samples=12, logs_epoch=0)
    moment.logs.update(epoch=99, batch=7, samples=100)
    assert plan.in_epoch(moment, "min").path == "2-3-12.keras"


def test_a_counter_that_nobody_counts_is_not_taken_from_logs():
    """A metric called `samples` is not a count of samples."""
    plan = make_plan("{samples}.keras")
    moment = at(1, batch=2, samples=None)
    moment.logs.update(samples=100)
    order = plan.in_epoch(moment, "min")
    assert (order.path, order.missing) == ("nan.keras", ("samples",))


def test_nobody_counts_samples():
    """A count that is None is a missing value, not the word None."""
    plan = make_plan("{samples}.keras")
    assert plan.in_epoch(at(1, batch=2, samples=None), "min").path == "nan.keras"


losses = st.lists(st.none() | st.floats() | st.integers(-5, 5), max_size=15)


@settings(max_examples=200)
@given(
    losses, st.integers(1, 4), st.booleans(), st.sampled_from(["min", "max"]), st.data()
)
def test_the_best_is_the_best_that_was_saved(values, every, best_only, mode, data):
    """Whichever saves fail, the best is the best of the successful ones."""
    plan, best = make_plan(every=every, best_only=best_only), None
    for epoch, value in enumerate(values, 1):
        logs = {} if value is None else {"val_loss": value}
        decision = plan.at_epoch_end(at(epoch, **logs), mode, plan.due(1))
        assert (decision is None) == (epoch % every != 0)
        better = improves(value, best, mode)
        assert isinstance(decision, Order) == (
            epoch % every == 0 and (better or not best_only)
        )
        if isinstance(decision, Order) and data.draw(st.booleans()):
            plan.saved(decision)
            best = value if better else best
        assert plan.best == best

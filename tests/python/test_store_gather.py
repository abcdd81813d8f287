"""Processes gather texts over a store; here each process is a thread."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from memory_store import MemoryStore

from modelcheckpoint import CheckpointError
from modelcheckpoint.observe.collectives import Collective
from modelcheckpoint.observe.peers import Peers
from modelcheckpoint.observe.store_gather import Rounds, StoreGather, not_here
from modelcheckpoint.timeouts import peer_timeout

LONG = 30.0


class Process:
    """What each process has of its own: its rank, and its count of rounds."""

    def __init__(self, store, rank, count):
        self.rounds = Rounds()
        self.store, self.rank, self.count = store, rank, count

    def gather(self, text, seconds=LONG, topic="fit"):
        return self._peers(topic).gather(text, seconds)

    def part(self, topic="fit"):
        self._peers(topic).part()

    def _peers(self, topic):
        gather = StoreGather(self.store, self.rank, self.count, topic, self.rounds)
        return Peers(self.rank, self.count, gather)


def processes(count):
    store = MemoryStore()
    return [Process(store, rank, count) for rank in range(count)]


def together(calls):
    """Call functions at the same time; return each one's result or error."""

    def outcome(call):
        try:
            return call()
        except CheckpointError as error:
            return str(error)

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(outcome, calls))


def gathered(group, texts, seconds=LONG):
    pairs = zip(group, texts)
    return together([lambda p=p, t=t: p.gather(t, seconds) for p, t in pairs])


@settings(max_examples=30)
@given(
    st.integers(2, 5).flatmap(
        lambda n: st.lists(st.lists(st.text(), min_size=n, max_size=n), min_size=1)
    )
)
def test_all_get_all_texts_in_the_order_of_ranks(rounds):
    """Whatever the texts and however many rounds; the store does not fill up."""
    group = processes(len(rounds[0]))
    for texts in rounds:
        assert gathered(group, texts) == [texts] * len(group)
    assert len(group[0].store.texts) <= 2 * (len(group) + 1)


def test_an_error_names_who_is_missing():
    """All get the same error, even the process that arrives too late."""
    group = processes(4)
    present = [group[0], group[2]]
    errors = gathered(present, ["a", "c"], seconds=0.5)
    assert errors == [not_here([1, 3], 4, 0.5)] * 2
    began = time.monotonic()
    assert gathered(group[1:2], ["b"]) == [not_here([1, 3], 4, LONG)]
    assert time.monotonic() - began < LONG / 2


def test_process_0_is_missing():
    """Each of the others finds out by itself who is there."""
    group = processes(3)
    errors = gathered(group[1:], ["b", "c"], seconds=0.5)
    assert errors == [not_here([0], 3, 0.5)] * 2


def test_a_round_after_one_that_failed():
    """Rounds have numbers, so late texts are not taken for the next round."""
    group = processes(2)
    gathered(group[:1], ["old"], seconds=0.1)
    gathered(group[1:], ["old too"])
    assert gathered(group, ["new", "new too"]) == [["new", "new too"]] * 2
    assert not any(text.startswith('"old') for text in group[0].store.texts.values())


def test_process_0_comes_when_another_has_given_up():
    """It does not continue alone, though all texts of the other one are there."""
    group = processes(2)
    assert gathered(group[1:], ["b"], seconds=0.1) == [not_here([0], 2, 0.1)]
    assert gathered(group[:1], ["a"]) == [not_here([0], 2, LONG)]
    assert gathered(group, ["c", "d"]) == [["c", "d"]] * 2


def test_topics_do_not_mix():
    """Background threads may gather at the same time as others, in any order."""
    first, second = processes(2)
    calls = [
        lambda: first.gather("a", topic="save"),
        lambda: first.gather("b"),
        lambda: second.gather("c"),
        lambda: second.gather("d", topic="save"),
    ]
    assert together(calls) == [["a", "d"], ["b", "c"], ["b", "c"], ["a", "d"]]


@pytest.mark.parametrize("failed", [False, True])
def test_process_0_parts_when_all_have_read(failed):
    """It may hold the store, so it waits for all readers, but for nobody else."""
    group = processes(3)
    store, told, parted = group[0].store, threading.Event(), threading.Event()

    def slow_get(key, seconds, get=store.get):
        if key.endswith("/all"):
            assert told.wait(LONG)
        return get(key, seconds)

    store.get = slow_get
    come = group[:2] if failed else group
    with ThreadPoolExecutor(3) as pool:

        def zero():
            if failed:
                with pytest.raises(CheckpointError):
                    group[0].gather("a", 0.1)
            else:
                group[0].gather("a", LONG)
                group[0].part()
            parted.set()

        pool.submit(zero)
        others = [pool.submit(one.gather, "b", LONG) for one in come[1:]]
        assert not parted.wait(0.3)
        told.set()
        assert parted.wait(2.0)
        for other in others:
            assert (other.exception() is not None) == failed


@pytest.mark.parametrize("error", [CheckpointError, RuntimeError])
def test_a_store_that_is_gone_when_process_0_parts(error):
    """Everything is gathered by then: not being able to wait is not a failure."""
    group = processes(2)
    store = group[0].store

    def get(key, seconds, get=store.get):
        if "/read/" in key:
            raise error("Connection was likely closed.")
        return get(key, seconds)

    store.get = get
    assert gathered(group, ["a", "b"]) == [["a", "b"]] * 2
    group[0].part()
    group[0].count = group[1].count = 3
    missing = gathered(group[:2], ["c", "d"], seconds=0.5)
    assert missing == [not_here([2], 3, 0.5)] * 2


def test_nobody_waits_before_a_first_round():
    """If nothing was gathered, there is nothing to read."""
    first, second = processes(2)
    first.part()
    second.part()


def test_alone():
    """A process on its own waits for nobody."""
    assert Peers().gather("text", 0) == ["text"]


@pytest.mark.parametrize(
    ("missing", "beginning"),
    [
        ([1], "Process 1 of 2 did not arrive within 5 seconds."),
        ([0, 3], "Processes 0, 3 of 2 did not arrive within 5 seconds."),
        (range(12), "Processes 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more of 2 did not"),
    ],
)
def test_the_sentence(missing, beginning):
    """It names them, but not a thousand, and the way out."""
    sentence = not_here(missing, 2, 5.0)
    assert sentence.startswith(beginning)
    assert "MODELCHECKPOINT_PEER_TIMEOUT" in sentence


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "soon"])
def test_a_limit_that_is_no_time(monkeypatch, text):
    """The error names the variable and its value."""
    monkeypatch.setenv("MODELCHECKPOINT_PEER_TIMEOUT", text)
    with pytest.raises(ValueError, match=f"MODELCHECKPOINT_PEER_TIMEOUT.*'{text}'"):
        peer_timeout()


def test_the_limit(monkeypatch):
    """It is ten minutes, or what the environment says."""
    monkeypatch.delenv("MODELCHECKPOINT_PEER_TIMEOUT", raising=False)
    assert peer_timeout() == 600
    monkeypatch.setenv("MODELCHECKPOINT_PEER_TIMEOUT", "1.5")
    assert peer_timeout() == 1.5


def test_a_collective_that_hangs():
    """It raises an error in time, and so does each later one while it hangs."""
    ready = threading.Event()

    def all_gather(text):
        assert ready.wait(LONG)
        return [text, "other"]

    gather = Collective(all_gather, 2)
    for _ in range(2):
        with pytest.raises(CheckpointError, match="Not all 2 processes"):
            gather("text", 0.1)
    ready.set()
    deadline = time.monotonic() + LONG
    while time.monotonic() < deadline:
        try:
            assert gather("text", LONG) == ["text", "other"]
            break
        except CheckpointError:  # the previous thread is about to end
            time.sleep(0.01)
    else:
        pytest.fail("it never recovered")


def test_a_collective_that_fails():
    """The error is one about checkpoints, with the reason."""

    def all_gather(text):
        raise RuntimeError("no route to host")

    with pytest.raises(CheckpointError, match="no route to host"):
        Collective(all_gather, 2)("text", LONG)

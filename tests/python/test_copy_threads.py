"""Several threads copy the same as one, and the quickest number of them is used."""

from __future__ import annotations

import threading
from collections import deque

import numpy as np
import pytest

from modelcheckpoint.formats import copy_threads
from modelcheckpoint.formats.copy_threads import in_pieces, make_copies, quickest


@pytest.fixture(autouse=True)
def little(monkeypatch):
    """Let small arrays count as large ones, and measure again."""
    monkeypatch.setattr(copy_threads, "LARGE", 1000)
    monkeypatch.setattr(copy_threads, "PIECE", 64)
    monkeypatch.setattr(copy_threads, "_measured", [])


def pairs(count=20, size=100):
    arrays = [np.random.default_rng(i).random(size) for i in range(count)]
    return [(np.zeros(size), array) for array in arrays]


@pytest.mark.parametrize("threads", [1, 2, 4, 8])
def test_all_is_copied(monkeypatch, threads):
    """Each value is copied to its place, on any thread."""
    monkeypatch.setattr(copy_threads, "_measured", [threads])
    wanted = pairs()
    left = deque(piece for pair in wanted for piece in in_pieces(*pair))
    make_copies(left)
    assert not left
    assert all((place == array).all() for place, array in wanted)


def test_threads_are_used_and_end(monkeypatch):
    """Each of them copies: here they wait for each other."""
    monkeypatch.setattr(copy_threads, "_measured", [3])
    together, seen = threading.Barrier(3, timeout=30), set()

    def copy(place, array):
        if threading.get_ident() not in seen:
            seen.add(threading.get_ident())
            together.wait()
        np.copyto(place, array)

    monkeypatch.setattr(copy_threads, "_copy", copy)
    before = threading.active_count()
    make_copies(deque(pairs()))
    assert len(seen) == 3
    assert threading.active_count() == before


def test_without_threads(monkeypatch):
    """If none can be started, this thread does all the copying."""
    monkeypatch.setattr(copy_threads, "_measured", [4])

    def refuse(thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    wanted = pairs()
    make_copies(deque(wanted))
    assert all((place == array).all() for place, array in wanted)


def test_a_copy_that_fails(monkeypatch):
    """Its error is raised, on any thread, and what is left can be copied again."""
    monkeypatch.setattr(copy_threads, "_measured", [4])
    wanted = pairs()
    wanted[7][0].flags.writeable = False
    left = deque(wanted)
    with pytest.raises(ValueError, match="read-only"):
        make_copies(left)
    assert any(place is wanted[7][0] for place, _ in left)
    wanted[7][0].flags.writeable = True
    make_copies(left)
    assert all((place == array).all() for place, array in wanted)


def test_few_bytes_start_no_thread(monkeypatch):
    """They are not measured, either."""
    monkeypatch.setattr(threading.Thread, "start", None)
    wanted = pairs(1, 10)
    make_copies(deque(wanted))
    assert copy_threads._measured == []
    assert (wanted[0][0] == wanted[0][1]).all()


def test_it_is_measured_once():
    """By the first large copy, which still copies the right values."""
    for _ in range(2):
        wanted = pairs()
        make_copies(deque(wanted))
        assert all((place == array).all() for place, array in wanted)
        assert len(copy_threads._measured) == 1


@pytest.mark.parametrize(
    ("processors", "seconds", "threads"),
    [
        (1, {1: 9.0}, 1),
        (2, {1: 9.0, 2: 5.0}, 2),
        (2, {1: 9.0, 2: 8.5}, 1),
        (16, {1: 8.0, 2: 4.0, 4: 2.0, 8: 1.9}, 4),
        (16, {1: 8.0, 2: 4.0, 4: 2.0, 8: 1.0}, 8),
        (6, {1: 8.0, 2: 4.0, 4: 2.0}, 4),
    ],
)
def test_the_quickest(monkeypatch, processors, seconds, threads):
    """An extra thread must pay off, and no more are tried than there are cores."""
    monkeypatch.setattr(copy_threads, "_processors", lambda: processors)
    assert quickest(seconds.__getitem__) == threads


@pytest.mark.parametrize("array", [np.arange(99.0), np.arange(60.0).reshape(3, 4, 5)])
def test_pieces(array):
    """Joined, they are the array; none exceeds what a thread copies at once."""
    place = np.zeros_like(array)
    pieces = list(in_pieces(place, array))
    assert len(pieces) > 1
    assert all(piece.nbytes <= 64 for _, piece in pieces)
    make_copies(deque(pieces))
    assert (place == array).all()


def test_what_lies_in_another_order_stays_whole():
    """Flattening it would need a copy, so it is not split."""
    array = np.arange(60.0).reshape(6, 10).T
    place = np.zeros((10, 6))
    pieces = list(in_pieces(place, array))
    assert len(pieces) == 1
    make_copies(deque(pieces))
    assert (place == array).all()

"""Copy arrays with as many threads as are quickest on this machine."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

__all__ = ["LARGE", "PIECE", "Pair", "in_pieces", "make_copies", "quickest"]

Pair = tuple[Any, Any]
"""A place, and the array to copy there."""

LARGE = 64 << 20
"""Bytes from which on it pays to start threads: one thread then takes milliseconds."""

PIECE = 16 << 20
"""Bytes that a thread copies at a time."""

_MOST_THREADS = 8

_PAYS = 0.9
"""More threads must take at most this fraction of the time of fewer."""

_measured: list[int] = []
"""The number of threads for this process, once it was measured."""


def make_copies(left: deque[Pair]) -> None:
    """Make the copies, and remove each pair as soon as its copy is made.

    At the first large copy this measures how many threads are quickest. That depends
    on the machine's memory more than on its processors.

    Args:
        left: What to copy. If a copy fails, its pair remains, so that it can be made.
    """
    if sum(array.nbytes for _, array in left) < LARGE:
        _work(left)
        return
    if not _measured:
        sample = _sample(left)
        _measured.append(quickest(lambda threads: _seconds(threads, sample)))
    _with_threads(_measured[0], left)


def in_pieces(place: Any, array: Any) -> Iterator[Pair]:
    """Yield the pieces of a copy that threads can share."""
    size = place.size
    count = -(-array.nbytes // PIECE)
    here = hasattr(array, "flags")  # else it is on another device
    flat = here and array.flags.c_contiguous and place.flags.c_contiguous
    if count < 2 or not flat:
        yield place, array
        return
    place, array, step = place.reshape(-1), array.reshape(-1), -(-size // count)
    for at in range(0, size, step):
        yield place[at : at + step], array[at : at + step]


def quickest(seconds: Callable[[int], float]) -> int:
    """Return how many threads are quickest: 1, 2, 4 or 8.

    Args:
        seconds: Makes the same copies with some number of threads, and returns how
            long that took.
    """
    seconds(1)  # so that the system has provided the memory
    best, least = 1, min(seconds(1) for _ in range(3))
    threads = 2
    while threads <= min(_processors(), _MOST_THREADS):
        took = min(seconds(threads) for _ in range(3))
        if took > _PAYS * least:
            break
        best, least, threads = threads, took, 2 * threads
    return best


def _processors() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS, nor on Windows
        return os.cpu_count() or 1


def _sample(left: deque[Pair]) -> list[Pair]:
    sample, nbytes = [], 0
    for place, array in left:
        sample.append((place, array))
        nbytes += array.nbytes
        if nbytes >= LARGE:
            break
    return sample


def _seconds(threads: int, sample: list[Pair]) -> float:
    began = time.perf_counter()
    _with_threads(threads, deque(sample))
    return time.perf_counter() - began


def _with_threads(count: int, left: deque[Pair]) -> None:
    errors: list[BaseException] = []

    def help_out() -> None:
        try:
            _work(left)
        except BaseException as error:
            errors.append(error)

    helpers = [threading.Thread(target=help_out, daemon=True) for _ in range(count - 1)]
    started = []
    try:
        # Where there are too many threads, or Python ends, this one does it all.
        with contextlib.suppress(RuntimeError, MemoryError):
            for helper in helpers:
                helper.start()
                started.append(helper)
        _work(left)
    finally:
        for helper in started:
            helper.join()
    if errors:
        raise errors[0]


def _work(left: deque[Pair]) -> None:
    while left:
        try:
            pair = left.popleft()
        except IndexError:  # another thread has taken it
            return
        try:
            _copy(*pair)
        except BaseException:
            left.appendleft(pair)  # so that it remains to be made
            raise


def _copy(place: Any, array: Any) -> None:
    """Copy an array without blocking other threads.

    NumPy would block them for types not its own (bfloat16, say): their bits are copied.
    """
    import numpy as np

    array = np.asarray(array)
    if array.dtype.isbuiltin != 2:
        np.copyto(place, array)
        return
    bits = array.view(f"u{array.itemsize}")
    if array.dtype == place.dtype:
        np.copyto(place.view(bits.dtype), bits)
    else:  # float32 begins with the bits of bfloat16
        np.copyto(place.view("u4"), bits)
        np.left_shift(place.view("u4"), 16, out=place.view("u4"))

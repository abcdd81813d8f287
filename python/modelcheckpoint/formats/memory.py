"""Find out how much memory this process can still allocate."""

from __future__ import annotations

import os
from collections.abc import Iterator

__all__ = ["available_memory"]

_NO_LIMIT = 2**60
"""Without a limit, cgroups of version 1 report about 2^63."""


def available_memory(root: str = "/") -> int | None:
    """Return the bytes that can be allocated without swapping, or None if unknown.

    This is the minimum of the machine's available memory (`MemAvailable` in
    `/proc/meminfo`) and what each cgroup above this process, of version 1 or 2, leaves.
    Memory that holds cached files counts as free, as it does for the kernel.

    Args:
        root: The folder of `proc` and `sys`; a test has its own.
    """
    bounds = [_of_the_machine(root), *_of_cgroups(root)]
    return min((bound for bound in bounds if bound is not None), default=None)


def _of_the_machine(root: str) -> int | None:
    for line in _lines(os.path.join(root, "proc/meminfo")):
        name, _, value = line.partition(":")
        if name == "MemAvailable":
            return int(value.split()[0]) * 1024
    return None


def _of_cgroups(root: str) -> Iterator[int | None]:
    for line in _lines(os.path.join(root, "proc/self/cgroup")):
        _, controllers, path = line.split(":", 2)
        if not controllers:
            base, names = "sys/fs/cgroup", ("memory.max", "memory.current")
        elif "memory" in controllers.split(","):
            base = "sys/fs/cgroup/memory"
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes")
        else:
            continue
        # A container may show its own cgroup as the root. Then the path, which is valid
        # only outside, does not exist, and the root's limit counts.
        while True:
            yield _left(os.path.join(root, base, path.strip("/")), *names)
            if path.strip("/") == "":
                break
            path = os.path.dirname(path.rstrip("/"))


def _left(folder: str, limit: str, usage: str) -> int | None:
    bound, used = (_number(os.path.join(folder, name)) for name in (limit, usage))
    if bound is None or used is None or bound > _NO_LIMIT:
        return None
    return max(bound - used + _cached(folder), 0)


def _cached(folder: str) -> int:
    found = 0
    for line in _lines(os.path.join(folder, "memory.stat")):
        name, _, value = line.partition(" ")
        if name in ("inactive_file", "active_file"):
            found += int(value)
    return found


def _number(path: str) -> int | None:
    first = next(iter(_lines(path)), "")
    return int(first) if first.isdigit() else None


def _lines(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read().splitlines()
    except OSError:
        return []

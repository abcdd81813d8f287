"""How much memory is left on the machine and in its cgroups, according to Linux."""

from __future__ import annotations

import os
import sys

import pytest

from modelcheckpoint.formats.memory import available_memory

MB = 2**20


def put(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return str(root)


def machine(free):
    said = f"MemTotal:  {64 * MB} kB\nMemFree: 12 kB\nMemAvailable: {free // 1024} kB\n"
    return {"proc/meminfo": said}


def test_the_machine_alone(tmp_path):
    """Without cgroups, it is the machine's available memory."""
    assert available_memory(put(tmp_path, machine(8 * MB))) == 8 * MB


def test_nothing_tells(tmp_path):
    """On systems other than Linux, it is unknown."""
    assert available_memory(str(tmp_path)) is None


@pytest.mark.parametrize("limit", [str(5 * MB), "max"])
def test_cgroup_v2(limit, tmp_path):
    """The tightest limit on the way up counts; cached files count as free."""
    groups = {
        "proc/self/cgroup": "0::/a/b\n",
        "sys/fs/cgroup/a/b/memory.max": f"{limit}\n",
        "sys/fs/cgroup/a/b/memory.current": f"{4 * MB}\n",
        "sys/fs/cgroup/a/b/memory.stat": f"anon 1\ninactive_file {MB}\nactive_file 7\n",
        "sys/fs/cgroup/a/memory.max": f"{20 * MB}\n",
        "sys/fs/cgroup/a/memory.current": f"{15 * MB}\n",
    }
    wanted = 5 * MB if limit == "max" else 2 * MB + 7
    assert available_memory(put(tmp_path, {**machine(9 * MB), **groups})) == wanted


def test_cgroup_v1(tmp_path):
    """Version 1 has other names, and an enormous number for no limit."""
    groups = {
        "proc/self/cgroup": "5:cpu,memory:/docker/x\n4:freezer:/y\n",
        "sys/fs/cgroup/memory/docker/x/memory.limit_in_bytes": f"{6 * MB}\n",
        "sys/fs/cgroup/memory/docker/x/memory.usage_in_bytes": f"{4 * MB}\n",
        "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
        "sys/fs/cgroup/memory/memory.usage_in_bytes": f"{40 * MB}\n",
    }
    assert available_memory(put(tmp_path, {**machine(9 * MB), **groups})) == 2 * MB


def test_a_container_that_shows_its_own_cgroup_as_the_root(tmp_path):
    """The path is valid only outside; the limit is at the root."""
    groups = {
        "proc/self/cgroup": "0::/kubepods/pod1/c\n",
        "sys/fs/cgroup/memory.max": f"{3 * MB}\n",
        "sys/fs/cgroup/memory.current": f"{4 * MB}\n",
    }
    assert available_memory(put(tmp_path, {**machine(9 * MB), **groups})) == 0


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")
def test_on_this_machine():
    """There is some here, too, and no more than the machine has."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert 0 < available_memory() <= total

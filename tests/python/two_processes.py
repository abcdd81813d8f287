"""Two real processes that train one model, on this machine."""

from __future__ import annotations

import contextlib
import os
import socket

from keras_process import KerasProcess

__all__ = ["free_ports", "run_two", "two"]

SECONDS = 400


def run_two(script, folder, *arguments, keras="keras"):
    """Run a script as both processes, to their end; return the exit status of each."""
    with two(script, folder, *arguments, keras=keras) as processes:
        for process in processes:
            print(process.communicate(SECONDS)[1][-5000:])  # shown where a test fails
    return [process.returncode for process in processes]


@contextlib.contextmanager
def two(script, folder, *arguments, keras="keras"):
    """Start a script as both processes; neither outlives the block."""
    near = {name: "" for name in os.environ if name.lower().endswith("_proxy")}
    ports = free_ports()
    with contextlib.ExitStack() as stack:
        processes = []
        for index in (0, 1):
            all_of_them = (script, index, ports, folder, *arguments)
            environment = {**near, "PEER_KERAS": keras}
            processes.append(KerasProcess(*all_of_them, environment=environment))
            stack.callback(processes[-1].kill)
        yield processes


def free_ports():
    """Return two free ports, with a comma between them."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(2)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return ",".join(str(one.getsockname()[1]) for one in sockets)

"""Fixtures: object servers, and an empty storage of each kind."""

from __future__ import annotations

import contextlib
import functools
import itertools

import pytest
from object_server import object_server
from other_servers import other_server

_NUMBERS = itertools.count()
STORES = ["objects", "moto", "google", "azurite"]


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    """Servers by their kind, each started when it is first asked for."""
    with contextlib.ExitStack() as stack:

        @functools.cache
        def server_of(kind):
            folder = tmp_path_factory.mktemp(kind)
            if kind == "objects":
                return stack.enter_context(object_server(folder))
            return stack.enter_context(other_server(kind, folder))

        yield server_of


@pytest.fixture(params=["local", "memory"])
def tree_place(request, tmp_path):
    """An empty storage of each kind that holds trees."""
    from storage_places import InMemory, Local

    places = {"local": Local, "memory": InMemory}
    return places[request.param](tmp_path / "checkpoints")


@pytest.fixture(
    params=[
        "local",
        "memory",
        *(pytest.param(kind, marks=pytest.mark.remote) for kind in STORES),
    ]
)
def place(request, tmp_path, monkeypatch):
    """An empty storage of each kind."""
    # Both import conftest, which has this fixture.
    from storage_places import InMemory, Local, Objects

    if request.param == "local":
        return Local(tmp_path / "checkpoints")
    if request.param == "memory":
        return InMemory(tmp_path / "checkpoints")
    server = request.getfixturevalue("servers")(request.param)
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    return Objects(server, f"bucket{next(_NUMBERS)}")

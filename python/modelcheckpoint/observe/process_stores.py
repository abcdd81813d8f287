"""The key-value stores through which the processes of a backend found each other.

None of them has a public name. If the private name is gone, there is no store.
"""

from __future__ import annotations

import contextlib
import inspect
import sys
import time
from collections.abc import Iterable, Iterator
from typing import Any

from modelcheckpoint.errors import CheckpointError
from modelcheckpoint.observe.store_gather import Store

__all__ = ["store_of"]

_SLICE = 2.0
"""Seconds of one request; while it waits, Ctrl-C has no effect."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.005, 0.25


def store_of(backend: str) -> Store | None:
    """Return the store of a backend with several processes, or None."""
    of = {"jax": _jax_store, "tensorflow": _tensorflow_store}
    return of.get(backend, _torch_store)()


def _jax_store() -> Store | None:
    state = getattr(sys.modules.get("jax._src.distributed"), "global_state", None)
    client = getattr(state, "client", None)
    needed = ("key_value_set", "blocking_key_value_get", "key_value_delete")
    return _Coordinated(client) if all(hasattr(client, n) for n in needed) else None


def _tensorflow_store() -> Store | None:
    module = sys.modules.get("tensorflow.python.eager.context")
    context = getattr(module, "context", lambda: None)()
    get = getattr(context, "get_config_key_value", None)
    needed = ("set_config_key_value", "delete_config_key_value")
    if get is None or not all(hasattr(context, name) for name in needed):
        return None
    # Older versions wait for a key without a limit.
    if "timeout_in_ms" not in inspect.signature(get).parameters:
        return None
    if getattr(context, "coordination_service", None) is None:
        return None
    return _Coordinated(_TensorFlowClient(context))


def _torch_store() -> Store | None:
    module = sys.modules.get("torch.distributed.distributed_c10d")
    default = getattr(module, "_get_default_store", None)
    store = default() if default is not None else None
    needed = ("compare_set", "get", "check", "delete_key")
    return _TorchStore(store) if all(hasattr(store, n) for n in needed) else None


class _Coordinated:
    """The store of JAX' or TensorFlow's coordination service, which process 0 runs.

    Args:
        client: JAX' client, or one with the same names and errors.
    """

    def __init__(self, client: Any) -> None:
        self._client = client

    def put(self, key: str, text: str) -> str:
        """Set a key, unless somebody has set it; return the text that it has now."""
        with _reached():
            try:
                self._client.key_value_set(key, text)
            except RuntimeError as error:
                if "ALREADY_EXISTS" not in str(error):
                    raise
                return self._get(key, _SLICE) or text
        return text

    def get(self, key: str, seconds: float) -> str | None:
        """Return the text of a key once it is set, or None."""
        ends = time.monotonic() + seconds
        while True:
            left = max(ends - time.monotonic(), 0.0)
            text = self._get(key, max(min(left, _SLICE), 0.1))
            if text is not None or left <= _SLICE:
                return text

    def delete(self, folder: str, names: Iterable[str]) -> None:
        """Delete a folder and everything in it, in one request."""
        with contextlib.suppress(RuntimeError):
            self._client.key_value_delete(f"{folder}/")

    def _get(self, key: str, seconds: float) -> str | None:
        with _reached():
            try:
                milliseconds = int(seconds * 1000)
                text = self._client.blocking_key_value_get(key, milliseconds)
            except RuntimeError as error:
                if "DEADLINE_EXCEEDED" in str(error):
                    return None
                raise
            return str(text)


class _TensorFlowClient:
    """TensorFlow's client of the same service, with the names and errors of JAX'."""

    def __init__(self, context: Any) -> None:
        self._context = context
        self._errors = sys.modules["tensorflow"].errors

    def key_value_set(self, key: str, text: str) -> None:
        with self._as_jax():
            self._context.set_config_key_value(key, text)

    def blocking_key_value_get(self, key: str, milliseconds: int) -> str:
        with self._as_jax():
            return str(self._context.get_config_key_value(key, milliseconds))

    def key_value_delete(self, key: str) -> None:
        with self._as_jax():
            self._context.delete_config_key_value(key)

    @contextlib.contextmanager
    def _as_jax(self) -> Iterator[None]:
        """Turn TensorFlow's errors into JAX', with the name of the error code."""
        names = {
            self._errors.ALREADY_EXISTS: "ALREADY_EXISTS",
            self._errors.DEADLINE_EXCEEDED: "DEADLINE_EXCEEDED",
        }
        try:
            yield
        except self._errors.OpError as error:
            name = names.get(error.error_code, type(error).__name__)
            raise RuntimeError(f"{name}: {error}") from error


class _TorchStore:
    """The store through which the processes of `torch.distributed` found each other.

    While one thread waits in it, no other thread can use it, including Torch's own.
    Therefore `get` polls.
    """

    def __init__(self, store: Any) -> None:
        self._store = store

    def put(self, key: str, text: str) -> str:
        """Set a key, unless somebody has set it; return the text that it has now."""
        with _reached():
            return str(self._store.compare_set(key, "", text).decode())

    def get(self, key: str, seconds: float) -> str | None:
        """Return the text of a key once it is set, or None."""
        ends, pause = time.monotonic() + seconds, _FIRST_PAUSE
        with _reached():
            while not self._store.check([key]):
                left = ends - time.monotonic()
                if left <= 0:
                    return None
                time.sleep(min(pause, left))
                pause = min(2 * pause, _LONGEST_PAUSE)
            return str(self._store.get(key).decode())

    def delete(self, folder: str, names: Iterable[str]) -> None:
        """Delete keys, except from a store in a file, which cannot."""
        with contextlib.suppress(RuntimeError):
            for name in names:
                self._store.delete_key(f"{folder}/{name}")


@contextlib.contextmanager
def _reached() -> Iterator[None]:
    """Raise a store's errors as `CheckpointError`."""
    try:
        yield
    except RuntimeError as error:
        raise CheckpointError(
            f"The processes that train this model cannot reach each other: {error}"
        ) from error

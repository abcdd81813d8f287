"""Copy values on the device that holds them, and fetch the copies in the background.

A GPU copies within its own memory, while a copy to the host has to pass the bus.
Training waits for the first only. Whoever needs the numbers calls `numpy.asarray`, on
any thread.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

__all__ = ["TorchCopy", "as_numpy", "jax_copies", "torch_copies"]


def jax_copies(arrays: Sequence[Any]) -> list[Any] | None:
    """Return copies on the devices of JAX arrays, or None to copy to the host at once.

    None if they are on the host, or if a device does not have, or does not report, that
    much memory. What counts is the memory that was free at the fullest moment so far,
    so that no later step of the same training runs out of it.
    """
    need: Counter[Any] = Counter()
    for array in arrays:
        for shard in array.addressable_shards:
            need[_Jax.of(shard.device)] += shard.data.nbytes
    if not (need and all(device and _fits(device, n) for device, n in need.items())):
        return None
    import jax

    return [jax.numpy.copy(array) for array in arrays]


def torch_copies(tensors: Sequence[Any]) -> list[TorchCopy] | None:
    """Return copies on the device of Torch tensors, or None to copy them at once.

    None if they are not on one CUDA device, or if it does not have that much memory;
    see `jax_copies`.
    """
    devices = {tensor.device for tensor in tensors}
    if len(devices) != 1:
        return None
    device = _Cuda.of(devices.pop())
    if device is None or not _fits(device, sum(tensor.nbytes for tensor in tensors)):
        return None
    copies = [tensor.clone() for tensor in tensors]
    ready = device.event()
    return [TorchCopy(copy, lambda one: device.fetched(one, ready)) for copy in copies]


class TorchCopy:
    """A copy of a tensor on its device, that looks like an array to NumPy.

    Args:
        tensor: The copy. Nobody changes it.
        fetched: Returns it on the host.

    Attributes:
        shape: Its shape.
        dtype: Its type, as NumPy calls it.
        nbytes: Its size.
    """

    def __init__(self, tensor: Any, fetched: Callable[[Any], Any]) -> None:
        self.shape = tuple(tensor.shape)
        self.dtype = _dtype_of(tensor)
        self.nbytes: int = tensor.nbytes
        self._tensor, self._fetched = tensor, fetched

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        """Fetch its numbers."""
        return as_numpy(self._fetched(self._tensor))


def as_numpy(tensor: Any) -> Any:
    """Return a tensor on the host as an array that shares its memory."""
    import ml_dtypes
    import torch

    if tensor.dtype is torch.bfloat16:  # NumPy lacks this type, so Torch refuses it
        return tensor.view(torch.int16).numpy().view(ml_dtypes.bfloat16)
    return tensor.numpy()


def _dtype_of(tensor: Any) -> Any:
    import torch

    return as_numpy(torch.empty(0, dtype=tensor.dtype, device="cpu")).dtype


class _Device(Protocol):
    def left(self) -> int:
        """Return the bytes that were free at the fullest moment so far."""


def _fits(device: _Device, nbytes: int) -> bool:
    """Return whether a device has room for copies, as far as anybody knows.

    What has fitted once fits again: the fullest moment may be the one with copies.
    """
    fits = (device, nbytes) in _fitted or nbytes <= device.left()
    if fits:
        _fitted.add((device, nbytes))
    return fits


_fitted: set[tuple[_Device, int]] = set()


@dataclass(frozen=True)
class _Jax:
    """A device of JAX that is not the host."""

    device: Any

    @classmethod
    def of(cls, device: Any) -> _Jax | None:
        return None if device.platform == "cpu" else cls(device)

    def left(self) -> int:
        stats = self.device.memory_stats() or {}
        left: int = stats.get("bytes_limit", 0) - stats.get("peak_bytes_in_use", 0)
        return left


@dataclass(frozen=True)
class _Cuda:
    """A CUDA device of Torch, and how to fetch from it beside a training."""

    device: Any

    @classmethod
    def of(cls, device: Any) -> _Cuda | None:
        return cls(device) if device.type == "cuda" else None

    def left(self) -> int:
        from torch import cuda

        free, _ = cuda.mem_get_info(self.device)
        kept: int = cuda.memory_reserved(self.device)
        used: int = cuda.max_memory_allocated(self.device)
        return int(free) + kept - used

    def event(self) -> Any:
        """Return what happens once all that was started is done."""
        from torch import cuda

        with cuda.device(self.device):
            event = cuda.Event()
            event.record()
        return event

    def fetched(self, tensor: Any, ready: Any) -> Any:
        """Return the tensor on the host, through page-locked memory.

        This uses a stream of its own, so training does not wait for it.
        """
        import torch

        stream = torch.cuda.Stream(self.device)
        with torch.cuda.stream(stream):
            stream.wait_event(ready)
            host = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
            host.copy_(tensor, non_blocking=True)
        stream.synchronize()
        return host

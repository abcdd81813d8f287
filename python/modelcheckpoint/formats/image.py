"""A file as a buffer in memory: written once by h5py, afterwards only filled."""

from __future__ import annotations

import contextlib
import io
import math
import mmap
import threading
from collections.abc import Callable, Iterable, Iterator
from operator import itemgetter
from typing import Any

from modelcheckpoint.formats.internals import NeedsKeras, NoMemory
from modelcheckpoint.formats.memory import available_memory

__all__ = ["Block", "Image", "Misfit"]


# Arrays that begin at multiples of 8 are copied as fast as any.
_ALIGNED = {"alignment_threshold": 1, "alignment_interval": 8}


_PAGE = 4096  # no system has smaller ones
_PLENTY = 8  # times what is taken ahead of time


class Misfit(Exception):
    """An array has another shape or type than its place in the image."""


class Block(io.RawIOBase):
    """A file in one piece of memory, which does not move while it is large enough.

    Attributes:
        memory: The bytes, of which the first `size` are the file.
        size: The file's size in bytes.
    """

    def __init__(self, room: int) -> None:
        super().__init__()
        self.memory = _memory(room)
        self.size = 0
        self._at = 0
        self._coming: _Coming | None = None

    def expect(self, room: int) -> None:
        """Have memory for a file of that size taken on another thread, if it is cheap.

        Where memory is not plentiful it is taken when it is needed, and not before:
        what training itself takes has then been taken.
        """
        left = available_memory()
        if left is not None and len(self.memory) < room < left // _PLENTY:
            self._coming = _Coming(room)

    def with_room(self, room: int) -> Block:
        """Return this block, or a larger one, for a new file."""
        coming, self._coming = self._coming, None
        if len(self.memory) >= room:
            return self
        block = None if coming is None else coming.block()
        enough = block is not None and len(block.memory) >= room
        return block if block is not None and enough else Block(room)

    @property
    def data(self) -> memoryview:
        """The file's bytes, without a copy."""
        return memoryview(self.memory)[: self.size]

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move to a place, as in any file."""
        self._at = offset + (0, self._at, self.size)[whence]
        return self._at

    def tell(self) -> int:
        """Return the place."""
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Read what fits into `buffer`."""
        count = max(0, min(len(buffer), self.size - self._at))
        buffer[:count] = self.data[self._at : self._at + count]
        self._at += count
        return count

    def write(self, data: Any) -> int:
        """Write all of `data`."""
        end = self._at + len(data)
        if end > self.size:
            self._extend(end, zeros_up_to=self._at)
        memoryview(self.memory)[self._at : end] = data
        self._at = end
        return len(data)

    def truncate(self, size: int | None = None) -> int:
        """Cut the file, or make it longer by zeros."""
        size = self._at if size is None else size
        if size > self.size:
            self._extend(size, zeros_up_to=size)
        self.size = size
        return size

    def readable(self) -> bool:
        """It is."""
        return True

    def writable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def _extend(self, size: int, zeros_up_to: int) -> None:
        if size > len(self.memory):
            memory = _memory(size + size // 4)
            memory[: self.size] = self.memory[: self.size]
            self.memory = memory
        self.memory[self.size : zeros_up_to] = 0  # of an earlier file, perhaps
        self.size = size


class _Coming:
    """A block whose memory is being taken: to touch a page first is what is slow."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._block: Block | None = None
        # A daemon: nothing is lost where the process ends before it.
        self._thread = threading.Thread(
            target=self._take, name="modelcheckpoint memory", daemon=True
        )
        self._thread.start()

    def block(self) -> Block | None:
        """Return the block, or None where there was no memory for it."""
        self._thread.join()
        return self._block

    def _take(self) -> None:
        with contextlib.suppress(NoMemory, MemoryError):  # told where it is needed
            self._block = Block(self._room)


def _memory(room: int) -> Any:
    """Return fresh memory, all of it in place.

    In huge pages where Linux has them: they are there in a seventh of the time.
    """
    import numpy as np

    left = available_memory()
    if left is not None and room > left:
        raise NoMemory(
            f"a copy of it takes {room >> 20} MiB of memory, of which {left >> 20} MiB "
            "are available"
        )
    try:
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
        mapped = mmap.mmap(-1, max(room, 1), flags=flags)
    except (AttributeError, TypeError):  # Windows has no such flags
        return np.zeros(room, np.uint8)
    except OSError as error:
        raise NoMemory(f"a copy of it takes {room >> 20} MiB: {error}") from error
    # Without MADV_DONTFORK each page would be copied once more after a fork, as a
    # loader of data does it at each epoch. A child that saves must begin anew.
    for advice in ("MADV_DONTFORK", "MADV_HUGEPAGE"):
        with contextlib.suppress(AttributeError, OSError):  # not on every system
            mapped.madvise(getattr(mmap, advice))
    memory = np.frombuffer(mapped, np.uint8)
    memory[::_PAGE] = 0
    return memory


class Image:
    """An HDF5 file in memory, and where in it each array lies.

    Attributes:
        block: The file.
        places: A writable array for each dataset, which is that part of the file.
    """

    def __init__(
        self,
        block: Block,
        write: Callable[[Any], Iterable[Any]],
    ) -> None:
        """Write the file for the first time.

        Args:
            block: Where to; what it held before is gone.
            write: Writes all into an open `h5py.File` and gives the datasets: the
                `h5py.h5d.DatasetID` of each, its shape and the type of its numbers.

        Raises:
            NeedsKeras: If a dataset does not lie in the file in one piece.
        """
        import h5py

        block.truncate(0)
        block.seek(0)
        with h5py.File(block, "w", **_ALIGNED) as file:
            found = [_place(*dataset) for dataset in write(file)]
        self.block = block
        self._found = found
        self._frame: list[tuple[int, bytes]] = []
        self.places = self._views()

    def change(self, change: Callable[[Any], None]) -> None:
        """Change the file around its arrays, always from how it was first written.

        Args:
            change: Changes the open `h5py.File`: its attributes, not its arrays. What
                earlier calls changed is gone.
        """
        import h5py

        if not self._frame:
            self._frame = list(self._around_arrays())
        for offset, data in self._frame:
            self.block.seek(offset)
            self.block.write(data)
        self.block.truncate(self.block.tell())
        with h5py.File(self.block, "r+", **_ALIGNED) as file:
            change(file)
        self.places = self._views()

    def _views(self) -> list[Any]:
        return [_view(self.block.memory, *place) for place in self._found]

    def _around_arrays(self) -> Iterator[tuple[int, bytes]]:
        at = 0
        for offset, shape, dtype in sorted(self._found, key=itemgetter(0)):
            size = math.prod(shape) * dtype.itemsize
            if size:
                yield at, bytes(self.block.data[at:offset])
                at = offset + size
        yield at, bytes(self.block.data[at:])

    def fill(self, arrays: Iterable[Any]) -> None:
        """Copy the arrays, in the order of the places, into the file.

        Raises:
            Misfit: If one has another shape or type than the first time.
        """
        _copy(arrays, self.places)


def _copy(arrays: Iterable[Any], places: list[Any]) -> None:
    from numpy import copyto

    for place, array in zip(places, arrays):
        # Unchecked, one number would be spread over a whole array.
        if array.shape != place.shape or array.dtype != place.dtype:
            raise Misfit
        copyto(place, array)


def _place(
    dataset: Any, shape: tuple[int, ...], dtype: Any
) -> tuple[int, tuple[int, ...], Any]:
    offset, size = dataset.get_offset(), math.prod(shape) * dtype.itemsize
    if dtype.hasobject or dataset.get_storage_size() != size:
        raise NeedsKeras("the file does not hold an array in one piece")
    if offset is None and size:
        raise NeedsKeras("the file does not say where it holds an array")
    return offset or 0, shape, dtype


def _view(memory: Any, offset: int, shape: tuple[int, ...], dtype: Any) -> Any:
    import numpy as np

    return np.ndarray(shape, dtype, memory, offset)

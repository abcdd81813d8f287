"""A file as a buffer in memory: h5py writes it once, later saves only fill it."""

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
from modelcheckpoint.formats.value_copies import Copies, copied
from modelcheckpoint.formats.values import Value

__all__ = ["Block", "Image"]


# Copies are fastest if arrays begin at multiples of 8.
_ALIGNED = {"alignment_threshold": 1, "alignment_interval": 8}


_PAGE = 4096  # no system has smaller ones
_PLENTY = 8  # memory is taken early only if this many times as much is available


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
        """Allocate memory for a file of that size on a thread, if memory is plentiful.

        Otherwise it is allocated when it is needed, and not before: by then training
        has taken its own.
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
        """Move to a position, as in any file."""
        self._at = offset + (0, self._at, self.size)[whence]
        return self._at

    def tell(self) -> int:
        """Return the position."""
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
        """Cut the file, or extend it with zeros."""
        size = self._at if size is None else size
        if size > self.size:
            self._extend(size, zeros_up_to=size)
        self.size = size
        return size

    def readable(self) -> bool:
        """Return True."""
        return True

    def writable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def _extend(self, size: int, zeros_up_to: int) -> None:
        if size > len(self.memory):
            memory = _memory(size + size // 4)
            memory[: self.size] = self.memory[: self.size]
            self.memory = memory
        self.memory[self.size : zeros_up_to] = 0  # an earlier file may have been there
        self.size = size


class _Coming:
    """A block that a thread allocates, because touching its pages first is slow."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._block: Block | None = None
        # A daemon: nothing is lost if the process ends before the thread does.
        self._thread = threading.Thread(
            target=self._take, name="modelcheckpoint memory", daemon=True
        )
        self._thread.start()

    def block(self) -> Block | None:
        """Return the block, or None if there was no memory for it."""
        self._thread.join()
        return self._block

    def _take(self) -> None:
        with contextlib.suppress(NoMemory, MemoryError):  # `with_room` tries again
            self._block = Block(self._room)


def _memory(room: int) -> Any:
    """Return fresh memory, with every page already touched.

    Uses huge pages where Linux has them, which takes a seventh of the time.
    """
    import numpy as np

    left = available_memory()
    if left is not None and room > left:
        raise NoMemory(
            f"a copy of it takes {room >> 20} MiB of memory, but only {left >> 20} MiB "
            "are available"
        )
    try:
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
        mapped = mmap.mmap(-1, max(room, 1), flags=flags)
    except (AttributeError, TypeError):  # Windows has no such flags
        return np.zeros(room, np.uint8)
    except OSError as error:
        raise NoMemory(f"a copy of it takes {room >> 20} MiB: {error}") from error
    # Without MADV_DONTFORK each page would be copied again after a fork, and data
    # loaders fork at each epoch. A child that saves must start with a new image.
    for advice in ("MADV_DONTFORK", "MADV_HUGEPAGE"):
        with contextlib.suppress(AttributeError, OSError):  # not on every system
            mapped.madvise(getattr(mmap, advice))
    memory = np.frombuffer(mapped, np.uint8)
    memory[::_PAGE] = 0
    return memory


class Image:
    """An HDF5 file in memory, and the place of each array in it.

    Attributes:
        block: The file.
        places: For each dataset a writable array, a view of that part of the file.
    """

    def __init__(
        self,
        block: Block,
        write: Callable[[Any], Iterable[Any]],
    ) -> None:
        """Write the file for the first time.

        Args:
            block: The file's memory; its previous contents are lost.
            write: Writes everything into an open `h5py.File` and yields, for each
                dataset, its `h5py.h5d.DatasetID`, shape and dtype.

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
        self._size = sum(place.nbytes for place in self.places)

    def change(self, change: Callable[[Any], None]) -> None:
        """Change the file around its arrays, starting from its first version.

        Args:
            change: Changes attributes of the open `h5py.File`, not its arrays. Changes
                by earlier calls are undone. `places` is replaced.
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

    def fill(self, values: Iterable[Value], as_float32: bool = False) -> Copies:
        """Copy values, in the order of the places, into the file.

        Args:
            values: The variables' current values.
            as_float32: See `copied`.

        Returns:
            The copies still to be made; until then the file mixes old and new values.

        Raises:
            Misfit: If a value has a different shape or type than the first time.
        """
        return copied(self.places, values, self._size, as_float32)


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

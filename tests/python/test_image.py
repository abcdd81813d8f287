"""A file in memory: written once, filled many times, even if larger than 4 GiB."""

from __future__ import annotations

import mmap
import threading
import zipfile

import h5py
import numpy as np
import pytest

from modelcheckpoint.formats.image import Block, Image
from modelcheckpoint.formats.internals import NeedsKeras
from modelcheckpoint.formats.memory import available_memory
from modelcheckpoint.formats.values import Value
from modelcheckpoint.formats.zip_archive import member, pack


def image_of(block, **arrays):
    def write(file):
        for name, array in arrays.items():
            dataset = file.create_dataset(name, data=array)
            yield dataset.id, array.shape, array.dtype

    return Image(block, write)


def read(block):
    with h5py.File(block, "r") as file:
        return {name: file[name][()].tolist() for name in file}, dict(file.attrs)


def test_written_and_filled():
    """A reader finds the values that it was last filled with."""
    arrays = {"a": np.ones((2, 3)), "b": np.array(7), "c": np.zeros((0, 2), "float32")}
    image = image_of(Block(1 << 16), **arrays)
    assert read(image.block)[0] == {k: v.tolist() for k, v in arrays.items()}
    image.fill(Value(array * 2) for array in arrays.values())
    assert read(image.block)[0] == {k: (v * 2).tolist() for k, v in arrays.items()}


def test_a_block_that_is_too_small_grows():
    """However small it was at first."""
    image = image_of(Block(0), a=np.arange(1000))
    image.fill([Value(np.arange(1000) + 1)])
    assert read(image.block)[0]["a"] == list(range(1, 1001))


def test_a_block_is_a_file():
    """Gaps between writes are zero, whatever was there before."""
    block = Block(10)
    block.write(b"0123456789")
    block.truncate(0)
    block.seek(4)
    block.write(b"xx")
    assert bytes(block.data) == b"\0\0\0\0xx"
    block.truncate(8)
    assert bytes(block.data) == b"\0\0\0\0xx\0\0"
    block.truncate(100)
    buffer = bytearray(200)
    block.seek(-97, 2)
    assert block.readinto(buffer) == 97
    assert buffer[:4] == b"\0xx\0"


def test_what_is_held_comes_later():
    """The file is complete once the copies that were put off are made."""
    image = image_of(Block(1 << 16), a=np.zeros(3), b=np.zeros(2))
    copies = image.fill([Value(np.ones(3), still=True), Value(np.ones(2))])
    assert read(image.block)[0] == {"a": [0, 0, 0], "b": [1, 1]}
    copies.make()
    assert read(image.block)[0] == {"a": [1, 1, 1], "b": [1, 1]}


def test_attributes_change_around_the_arrays():
    """Any number of times, without the file growing."""
    image = image_of(Block(0), a=np.zeros(3), b=np.zeros(1000))
    sizes = set()
    for i in range(10):
        text = "x" * 10_000 + str(i)
        image.change(lambda file, text=text: file.attrs.update(text=text))
        image.fill([Value(np.full(3, float(i))), Value(np.full(1000, float(i)))])
        arrays, attributes = read(image.block)
        assert attributes == {"text": text}
        assert arrays["a"] == [i] * 3
        sizes.add(image.block.size)
    assert len(sizes) == 1


def test_what_is_not_in_one_piece():
    """The chunks of a dataset are not in one place."""

    def write(file):
        dataset = file.create_dataset("a", data=np.ones(100), chunks=(10,))
        yield dataset.id, dataset.shape, dataset.dtype

    with pytest.raises(NeedsKeras):
        Image(Block(0), write)


def test_an_archive_of_more_than_4_gib(tmp_path):
    """Its headers have 64-bit sizes, and Python's zipfile reads them."""
    size = 2**32 + 100
    zeros = memoryview(mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANON))
    members = [member("a", b"1"), member("b", zeros), member("c", b"3")]
    path = tmp_path / "large.zip"
    with open(path, "wb") as file:
        for data, _ in pack(members):
            if len(data) == size:
                file.seek(size, 1)  # a hole instead of zeros
            else:
                file.write(data)
    with zipfile.ZipFile(path) as archive:
        sizes = [info.file_size for info in archive.infolist()]
        assert sizes == [1, size, 1]
        assert archive.read("c") == b"3"
        with archive.open("b") as opened:
            assert opened.read(100) == bytes(100)


def test_an_archive_of_little():
    """An empty member, and two equal archives from the same members."""
    members = [member("a", b""), member("größe/b", b"2")]
    both = [b"".join(data for data, _ in pack(members)) for _ in range(2)]
    assert both[0] == both[1]


def test_memory_is_taken_ahead_where_there_is_plenty():
    """The file uses this memory; a file that needs more allocates its own."""
    block = Block(0)
    block.expect(10 << 20)
    taken = block.with_room(9 << 20)
    assert len(taken.memory) == 10 << 20
    assert taken.with_room(1) is taken
    taken.expect(5 << 20)
    assert taken.with_room(5 << 20) is taken
    block.expect(1 << 20)
    assert len(block.with_room(2 << 20).memory) == 2 << 20
    assert len(Block(0).with_room(3 << 20).memory) == 3 << 20


def test_no_memory_is_taken_ahead_where_it_is_scarce():
    """Training comes first: by the first save, it has allocated what it needs."""
    block = Block(0)
    block.expect(available_memory() // 2)
    assert "modelcheckpoint memory" not in [t.name for t in threading.enumerate()]

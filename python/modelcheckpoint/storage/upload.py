"""Send an object to a store."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from modelcheckpoint.storage.base import Digest

__all__ = ["CRC32", "upload"]

CRC32 = "crc32"
"""Name of the metadata with an object's checksum, so that nobody has to read it."""

_PART = 8 << 20
"""Bytes of a part; parts are larger if there would be too many."""

_MOST_PARTS = 10_000
"""How many parts an object may have on S3."""

_AT_ONCE = 4
"""How many parts are sent at once; they are copies, besides the file's image."""


def upload(
    store: Any,
    name: str,
    pieces: Iterable[Any],
    digest: Digest,
    go_on: Callable[[], None],
) -> None:
    """Send an object, in parts if it is large, and return once it is confirmed.

    Args:
        store: The library's store.
        name: Of the object.
        pieces: Returns its contents, one piece after the other.
        digest: Of all pieces.
        go_on: Is called before each part, and may raise.

    Raises:
        OSError: If the store does not accept it. Then nobody sees any of it.
    """
    import obstore

    attributes: Any = {CRC32: digest.crc32}
    if digest.bytes <= _PART:
        data = b"".join(pieces)
        obstore.put(store, name, data, attributes=attributes, use_multipart=False)
        return
    size = max(_PART, -(-digest.bytes // _MOST_PARTS))
    obstore.put(
        store,
        name,
        _parts(pieces, size, go_on),
        attributes=attributes,
        chunk_size=size,
        max_concurrency=_AT_ONCE,
    )


def _parts(
    pieces: Iterable[Any], size: int, go_on: Callable[[], None]
) -> Iterator[memoryview]:
    for piece in pieces:
        data = memoryview(piece).cast("B")
        for start in range(0, len(data), size):
            go_on()
            yield data[start : start + size]

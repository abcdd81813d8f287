"""Checkpoints in an object store: S3 and its like, Google Cloud Storage, Azure."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from typing import Any, BinaryIO, TypeVar

from modelcheckpoint.storage.base import Digest, Entry, digest_of
from modelcheckpoint.storage.journals import NOTHING, Line, lines_of
from modelcheckpoint.storage.local_copy import LocalCopy
from modelcheckpoint.storage.object_file import ObjectFile
from modelcheckpoint.storage.object_listing import JOURNALS, entry_of, journals_in
from modelcheckpoint.storage.object_store import (
    CHECK,
    LARGE,
    NO_BUCKET,
    SMALL,
    as_system_errors,
    as_upload_errors,
    store_at,
)
from modelcheckpoint.storage.patience import Patience, upload_timeout
from modelcheckpoint.storage.staged_object import StagedObject
from modelcheckpoint.storage.temporary import new_token
from modelcheckpoint.storage.upload import CRC32, upload

__all__ = ["ObjectStorage"]

Answer = TypeVar("Answer")
Request = Callable[[Any, Any], Any]

_PROBE = ".modelcheckpoint-probe"
_LARGEST_JOURNAL = 256 << 10
"""A journal that would get larger is closed: each save sends the last one anew."""

_AT_ONCE = 8
"""So many journals are read at a time."""

_QUIET = 30.0
"""Seconds after which a store that takes nothing more counts as stuck."""

_SAME_TIME = 10**9
"""Nanoseconds: a listing tells fractions of a second, an object itself none."""

_PATIENCE = 60.0
"""Seconds for which a request is made anew while the store does not serve it."""


class ObjectStorage:
    """The objects below an address in a store; see `base.Storage`.

    A PUT is atomic by the store's promise, and durable once it is confirmed. A large
    object goes up in parts, and appears when it is complete; what is left of an upload
    that broke off nobody sees, and a rule of the bucket deletes it. Nothing can be
    added to an object, so that each writer has journals of its own, and sends the last
    one anew with each line.

    Args:
        root: Address, as `s3://bucket/run`; it need not hold anything yet.
        depth: How many `/` a name may have.
    """

    def __init__(self, root: str, depth: int = 0) -> None:
        self.root = root.rstrip("/")
        self.depth = depth
        self.is_near = False
        self._patience = Patience()
        self._small = store_at(self.root, SMALL)
        self._large = store_at(self.root, LARGE)
        self._copy: LocalCopy | None = None
        self._process = os.getpid()
        # Journals are named by their writer: two machines can go on with one run.
        self._token, self._number, self._journal = new_token(), 1, b""

    def check(self, name: str | None = None, given: str | None = None) -> None:
        """Raise, within ten seconds, if nothing can be written or listed here.

        Args:
            name: Name of the file, where it is known.
            given: The root as the user gave it, which errors name.

        Raises:
            OSError: With a sentence that names the address and the way out.
            ValueError: If `MODELCHECKPOINT_UPLOAD_TIMEOUT` is no time.
        """
        import obstore

        upload_timeout()
        store = store_at(self.root, CHECK)
        with as_system_errors(given or self.root, missing=NO_BUCKET):
            obstore.put(store, _PROBE, b"checkpoints can be written here\n")
            below = [] if name is None else next(iter(obstore.list(store, name)), [])
        with contextlib.suppress(Exception):  # who may not delete can still save
            obstore.delete(store, _PROBE)
        if below:
            reason = "`filepath` must name a file, and there are objects below it"
            raise IsADirectoryError(errno.EISDIR, reason, self.path(name or ""))

    def path(self, name: str) -> str:
        """Return the address of a name."""
        return f"{self.root}/{name}"

    def entries(self, suffixes: tuple[str, ...], depth: int) -> Iterator[Entry]:
        """Yield the objects whose names end so; a request tells of a thousand."""
        import obstore

        with as_system_errors(self.root):
            if depth:
                pages: Iterable[Any] = obstore.list(self._small, chunk_size=1000)
            else:  # what lies deeper can be much more
                pages = [obstore.list_with_delimiter(self._small)["objects"]]
            for page in pages:
                for found in page:
                    name = found["path"]
                    if name.endswith(suffixes) and name.count("/") <= depth:
                        yield entry_of(found)

    def entry(self, name: str) -> Entry | None:
        """Return the object of a name, or None where there is none."""
        try:
            return entry_of(
                self._ask(name, lambda library, store: library.head(store, name))
            )
        except FileNotFoundError:
            return None

    def open(self, name: str) -> BinaryIO:
        """Open an object for reading, as it is now: a new one is another object."""
        source = ObjectFile.opened(self._large, name, self.path(name))
        if self._copy is None:
            return source
        with source:
            return open(self._copy.of(source), "rb")

    def digest(self, name: str) -> Digest | None:
        """Return the digest that an object was sent with; else it is read."""
        options = {"head": True}
        try:
            answer = self._ask(
                name, lambda lib, store: lib.get(store, name, options=options)
            )
        except FileNotFoundError:
            return None
        crc32 = answer.attributes.get(CRC32)
        if crc32 is None:  # put there by somebody else, or the store keeps none
            return digest_of(self, name)
        return Digest(answer.meta["size"], crc32)

    @contextlib.contextmanager
    def kept_copies(self) -> Iterator[None]:
        """Fetch an object once in this block, however often it is opened."""
        with LocalCopy() as self._copy:
            try:
                yield
            finally:
                self._copy = None

    @contextlib.contextmanager
    def local_copy(self, name: str) -> Iterator[str]:
        """Give the path of a local file that holds the same, and delete it at the end.

        Raises:
            OSError: If there is no such object, or it cannot be read or written here.
        """
        source = ObjectFile.opened(self._large, name, self.path(name))
        with source, contextlib.ExitStack() as stack:
            copy = self._copy or stack.enter_context(LocalCopy())
            yield copy.of(source)

    @contextlib.contextmanager
    def staged(self, name: str, suffix: str) -> Iterator[StagedObject]:
        """Begin an object; nothing of it is in the store before it is published."""
        staged = StagedObject(self._put, name, suffix)
        try:
            with self._patience.for_a_while(_PATIENCE):
                yield staged
        finally:
            staged.discard()

    def copy(self, name: str, second: str) -> None:
        """Give what an object holds a second name, within the store."""
        if self.entry(second) is not None:
            raise FileExistsError(errno.EEXIST, "it is taken", self.path(second))
        copy: Request = lambda library, store: library.copy(store, name, second)  # noqa: E731
        self._ask(name, copy, self._large)

    def delete(self, entry: Entry) -> bool:
        """Delete an object if it still has this version, and return whether it had."""
        name, now = entry.name, self.entry(entry.name)
        if now != entry or abs(now.modified - entry.modified) > _SAME_TIME:
            return False
        self._ask(name, lambda library, store: library.delete(store, name))
        return True

    def lines(self, after: Mapping[str, int] = NOTHING) -> Iterator[Line]:
        """Yield the lines of all journals; those without anything new are not read."""
        journals = self._journals()
        if not journals:
            address = self.path(JOURNALS + "*")
            raise FileNotFoundError(errno.ENOENT, "there is no journal", address)
        names = [one.name for one in journals if one.bytes != after.get(one.name)]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            contents = dict(zip(names, pool.map(self._content, names)))
        if contents:
            files = {name: BytesIO(data) for name, data in contents.items()}
            yield from lines_of(files, after)

    def append(self, *lines: str) -> None:
        """Add lines to the journal of this writer, and send it."""
        if self._process != os.getpid():  # a forked child is a writer of its own
            self._process = os.getpid()
            self._token, self._number, self._journal = new_token(), 1, b""
        added = "".join(f"{line}\n" for line in lines).encode()
        if self._journal and len(self._journal) + len(added) > _LARGEST_JOURNAL:
            self._number, self._journal = self._number + 1, b""
        name = f"{JOURNALS}{self._token}.{self._number:04}.jsonl"
        journal = self._journal + added
        self._ask(
            name,
            lambda library, store: library.put(
                store, name, journal, use_multipart=False
            ),
        )
        self._journal = journal

    def journal_version(self) -> object:
        """Return what changes when a journal does; None where there is none."""
        return tuple(one.version for one in self._journals()) or None

    def unpublished(self, name: str) -> list[Entry]:
        """Return nothing: parts of an upload are no objects."""
        return []

    def abandoned(self) -> list[Entry]:
        """Return nothing: what a dead writer had sent in part are no objects."""
        return []

    def hurry(self) -> None:
        """Make no request anew that the store does not serve."""
        self._patience.hurry()

    def is_stuck(self) -> bool:
        """Return whether the store has neither taken nor answered anything for long."""
        return self._patience.quiet() > _QUIET

    def end_in_time(self) -> float:
        """Send no more parts once `MODELCHECKPOINT_UPLOAD_TIMEOUT` is over."""
        seconds = upload_timeout()
        self._patience.end_in(seconds)
        return seconds

    def tidy(self) -> None:
        """Do nothing: nothing is left to be done."""

    def _journals(self) -> list[Entry]:
        return self._ask("", journals_in)

    def _content(self, name: str) -> bytes:
        def get(library: Any, store: Any) -> bytes:
            return bytes(library.get(store, name).bytes())

        # Some servers break off where the writer sends the journal anew meanwhile.
        return Patience().tried_within(2.0, lambda: self._ask(name, get))

    def _put(
        self, name: str, pieces: Callable[[], Iterable[Any]], digest: Digest
    ) -> None:
        """Send an object, as often as it takes."""

        def put(library: Any, store: Any) -> None:
            with as_upload_errors(self.path(name)):
                upload(store, name, pieces(), digest, self._patience.check)

        self._ask(name, put, self._large)

    def _ask(
        self, name: str, request: Callable[[Any, Any], Answer], store: Any = None
    ) -> Answer:
        """Return the answer to a request, which is made anew while a save can wait.

        Args:
            name: Of what is asked for; errors name it.
            request: Makes the request, given the library and a store.
            store: With the limits for it; None: those of small ones.
        """
        import obstore

        def ask() -> Answer:
            with as_system_errors(self.path(name)):
                return request(obstore, self._small if store is None else store)

        return self._patience.tried(ask)

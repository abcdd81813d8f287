"""Checkpoints in an object store: S3 and compatible stores, Google Cloud, Azure."""

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
from modelcheckpoint.storage.object_listing import (
    JOURNALS,
    entries_in,
    entry_of,
    journals_in,
    members_in,
)
from modelcheckpoint.storage.object_store import (
    CHECK,
    LARGE,
    NO_BUCKET,
    SMALL,
    as_system_errors,
    as_upload_errors,
    store_at,
)
from modelcheckpoint.storage.patience import Patience
from modelcheckpoint.storage.staged_object import StagedObject
from modelcheckpoint.storage.temporary import new_token
from modelcheckpoint.storage.upload import CRC32, upload
from modelcheckpoint.timeouts import upload_timeout

__all__ = ["ObjectStorage"]

Answer = TypeVar("Answer")

_PROBE = ".modelcheckpoint-probe"
_LARGEST_JOURNAL = 256 << 10
"""A journal that would become larger is closed: each save sends the last one again."""

_AT_ONCE = 8
"""How many journals are read at a time."""

_QUIET = 30.0
"""Seconds after which a store that accepts nothing more counts as stuck."""

_SAME_TIME = 10**9
"""Nanoseconds: a listing has fractions of a second, an object itself has none."""

_PATIENCE = 60.0
"""Seconds for which a request is repeated while the store does not serve it."""


class ObjectStorage:
    """The objects below an address in a store; see `base.Storage`.

    A PUT is atomic by the store's promise, and durable once it is confirmed. A large
    object is uploaded in parts, and appears when it is complete. Nobody sees the parts
    of an interrupted upload; a lifecycle rule of the bucket deletes them. Nothing can
    be appended to an object. So each writer has journals of its own, and sends the last
    one again with each line.

    Args:
        root: Address, such as `s3://bucket/run`; nothing has to exist there yet.
        depth: How many `/` a name may have at most.
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
        # Journals are named by their writer: two machines can continue the same run.
        self._token, self._number, self._journal = new_token(), 1, b""

    def check(self, name: str | None = None, given: str | None = None) -> None:
        """Raise, within ten seconds, if nothing can be written or listed here.

        Args:
            name: Name of the file, if it is known.
            given: The root as the user gave it, for errors.

        Raises:
            OSError: With a sentence that names the address and the way out.
            ValueError: If `MODELCHECKPOINT_UPLOAD_TIMEOUT` is not a time.
        """
        import obstore

        upload_timeout()
        store = store_at(self.root, CHECK)
        with as_system_errors(given or self.root, missing=NO_BUCKET):
            obstore.put(store, _PROBE, b"checkpoints can be written here\n")
            below = [] if name is None else next(iter(obstore.list(store, name)), [])
        with contextlib.suppress(Exception):  # a user who may not delete can still save
            obstore.delete(store, _PROBE)
        if below:
            reason = "`filepath` must name a file, and there are objects below it"
            raise IsADirectoryError(errno.EISDIR, reason, self.path(name or ""))

    def path(self, name: str) -> str:
        """Return the address of a name."""
        return f"{self.root}/{name}"

    def entries(self, suffixes: tuple[str, ...], depth: int) -> Iterator[Entry]:
        """Yield the objects with these suffixes, a thousand per request."""
        import obstore

        with as_system_errors(self.root):
            for entry in entries_in(obstore, self._small, depth):
                if entry.name.endswith(suffixes):
                    yield entry

    def entry(self, name: str) -> Entry | None:
        """Return the object with a name, or None if there is none."""
        try:
            return entry_of(self._ask(name, lambda lib, at: lib.head(at, name)))
        except FileNotFoundError:
            return None

    def members(self, name: str) -> Iterator[Entry]:
        """Yield the objects below a name."""
        yield from self._ask(name, lambda lib, at: members_in(lib, at, name))

    def open(self, name: str) -> BinaryIO:
        """Open an object for reading, in the version that it has now."""
        source = ObjectFile.opened(self._large, name, self.path(name))
        if self._copy is None:
            return source
        with source:
            return open(self._copy.of(source), "rb")

    def digest(self, name: str) -> Digest | None:
        """Return the digest that an object was sent with, or else read the object."""
        head = {"head": True}
        try:
            answer = self._ask(name, lambda lib, at: lib.get(at, name, options=head))
        except FileNotFoundError:
            return None
        crc32 = answer.attributes.get(CRC32)
        if crc32 is None:  # written by somebody else, or the store keeps no metadata
            return digest_of(self, name)
        return Digest(answer.meta["size"], crc32)

    @contextlib.contextmanager
    def kept_copies(self) -> Iterator[None]:
        """Fetch an object or a journal once in this block, however often it is read."""
        with LocalCopy() as self._copy:
            try:
                yield
            finally:
                self._copy = None

    @contextlib.contextmanager
    def local_copy(self, name: str) -> Iterator[str]:
        """Give the path of a local copy, and delete it at the end.

        Raises:
            OSError: If there is no such object, or it cannot be read or written here.
        """
        source = ObjectFile.opened(self._large, name, self.path(name))
        with source, contextlib.ExitStack() as stack:
            copy = self._copy or stack.enter_context(LocalCopy())
            yield copy.of(source)

    @contextlib.contextmanager
    def staged(self, name: str, suffix: str) -> Iterator[StagedObject]:
        """Begin an object; nothing of it is sent before it is published."""
        staged = StagedObject(self._put, name, suffix)
        try:
            with self._patience.for_a_while(_PATIENCE):
                yield staged
        finally:
            staged.discard()

    def copy(self, name: str, second: str) -> None:
        """Give the contents of an object a second name, within the store."""
        if self.entry(second) is not None:
            raise FileExistsError(errno.EEXIST, "it is taken", self.path(second))
        self._ask(name, lambda lib, at: lib.copy(at, name, second), self._large)

    def delete(self, entry: Entry) -> bool:
        """Delete an object if it still has this version, and return whether it had."""
        name, now = entry.name, self.entry(entry.name)
        if now != entry or abs(now.modified - entry.modified) > _SAME_TIME:
            return False
        self._ask(name, lambda lib, at: lib.delete(at, name))
        return True

    def lines(self, after: Mapping[str, int] = NOTHING) -> Iterator[Line]:
        """Yield the lines of all journals; journals with nothing new are not read."""
        journals = self._journals()
        if not journals:
            address = self.path(JOURNALS + "*")
            raise FileNotFoundError(errno.ENOENT, "there is no journal", address)
        longer = [one for one in journals if one.bytes != after.get(one.name)]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            contents = list(pool.map(self._content, longer))
        if longer:
            files = {one.name: BytesIO(data) for one, data in zip(longer, contents)}
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
        self._ask(name, lambda lib, at: lib.put(at, name, journal, use_multipart=False))
        self._journal = journal

    def journal_version(self) -> object:
        """Return a value that changes with a journal; None if there is no journal."""
        return tuple(one.version for one in self._journals()) or None

    def unpublished(self, name: str) -> list[Entry]:
        """Return nothing: parts of an upload are not objects."""
        return []

    def abandoned(self) -> list[Entry]:
        """Return nothing: what a dead writer sent in part is not an object."""
        return []

    def hurry(self) -> None:
        """Stop repeating requests that the store does not serve."""
        self._patience.hurry()

    def is_stuck(self) -> bool:
        """Return whether the store has accepted and answered nothing for long."""
        return self._patience.quiet() > _QUIET

    def end_in_time(self) -> float:
        """Send no more parts once `MODELCHECKPOINT_UPLOAD_TIMEOUT` is over."""
        seconds = upload_timeout()
        self._patience.end_in(seconds)
        return seconds

    def tidy(self) -> None:
        """Do nothing: there is nothing to tidy up."""

    def _journals(self) -> list[Entry]:
        return self._ask("", journals_in)

    def _content(self, journal: Entry) -> bytes:
        def get(library: Any, store: Any) -> bytes:
            return bytes(library.get(store, journal.name).bytes())

        kept = {} if self._copy is None else self._copy.journals
        if journal not in kept:
            # Some servers break off if the writer sends it again meanwhile.
            kept[journal] = Patience().tried_within(
                2.0, lambda: self._ask(journal.name, get)
            )
        return kept[journal]

    def _put(
        self, name: str, pieces: Callable[[], Iterable[Any]], digest: Digest
    ) -> None:
        """Send an object; retry if that fails."""

        def put(library: Any, store: Any) -> None:
            with as_upload_errors(self.path(name)):
                upload(store, name, pieces(), digest, self._patience.check)

        self._ask(name, put, self._large)

    def _ask(
        self, name: str, request: Callable[[Any, Any], Answer], store: Any = None
    ) -> Answer:
        """Return the answer to a request, which is repeated while a save can wait.

        Args:
            name: Of what is requested; errors name it.
            request: Makes the request, given the library and a store.
            store: The store with the limits to use; None for those of small requests.
        """
        import obstore

        def ask() -> Answer:
            with as_system_errors(self.path(name)):
                return request(obstore, self._small if store is None else store)

        return self._patience.tried(ask)

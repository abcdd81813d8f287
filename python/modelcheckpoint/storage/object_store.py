"""The library's store at an address, and its errors as the system's."""

from __future__ import annotations

import contextlib
import errno
import html
import os
import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import quote, urlsplit

__all__ = [
    "CHECK",
    "LARGE",
    "NO_BUCKET",
    "SMALL",
    "as_system_errors",
    "as_upload_errors",
    "store_at",
]

_KEYS = (
    "its keys come from the environment (AWS_*, GOOGLE_* or AZURE_*), or from the "
    "machine itself"
)


_CLOCK = "RequestTimeTooSkewed|The difference between the request time and the "
_CLOCK_IS_OFF = "the store refuses access, as the clock of this machine is off: set it"

_QUOTES_KEYS = "Invalid Access Key|Unable to decode service account file"
"""What the library says of a broken key; behind it, it quotes parts of the key."""

_COPY_LIMIT = "maximum allowable size for a copy source"
_IS_TOO_LARGE = (
    "the store copies objects of up to 5 GiB only, and this one is to be kept under a "
    "second name: give the run another `filepath`"
)

_SAYS_NO_BUCKET = "NoSuchBucket|ContainerNotFound|bucket does not exist"
NO_BUCKET = "there is no such bucket: make it, or mend the address"
_NO_OBJECT = "there is no such object"

# What is tried for longer, `Patience` tries: it can be told to hurry.
_RETRIES = {"max_retries": 1, "retry_timeout": timedelta(seconds=3)}

CHECK = {"connect_timeout": "3s", "timeout": "4s"}
"""Limits of a request before the first batch: with its retry it ends in 10 seconds."""

SMALL = {"connect_timeout": "3s", "timeout": "15s"}
"""Limits of a request that sends or gets little: 256 KiB, or a page of names."""

LARGE = {"connect_timeout": "3s", "read_timeout": "150s", "timeout": "1day"}
"""Limits of a request that sends a part, gets an object, or has the store copy one.

An answer must begin within the second one, which holds for a part from when it is
sent: so four parts at once need about 2 Mbit/s.
"""

_ENDPOINTS = {
    "s3": ("AWS_ENDPOINT", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"),
    "gs": ("GOOGLE_BASE_URL",),
    "az": ("AZURE_ENDPOINT", "AZURE_STORAGE_ENDPOINT"),
    "abfs": ("AZURE_ENDPOINT", "AZURE_STORAGE_ENDPOINT"),
}
"""Where the environment says which server to ask, by scheme."""

_ALLOW_HTTP = ("AWS_ALLOW_HTTP", "GOOGLE_ALLOW_HTTP", "AZURE_ALLOW_HTTP")


def store_at(root: str, limits: Mapping[str, str]) -> Any:
    """Return the library's store of the objects below an address.

    Keys, endpoint and whatever else it needs it takes from the environment, or from
    the machine that it runs on.

    Args:
        root: The address.
        limits: For how long a request may take: `CHECK`, `SMALL` or `LARGE`.

    Raises:
        OSError: If the environment lacks something without which there is no store.
        ValueError: If it names a server that is not the address of one.
    """
    from obstore.exceptions import BaseError
    from obstore.store import from_url

    # The library forgets what the environment says of this where it is given options.
    allowed = any(os.environ.get(n, "").lower() in ("true", "1") for n in _ALLOW_HTTP)
    options: dict[str, Any] = {"allow_http": allowed, **limits}
    scheme, _, path = root.partition("://")
    _check_endpoints(scheme, allowed)
    make: Any = from_url
    try:
        return make(
            f"{scheme}://{quote(path)}", client_options=options, retry_config=_RETRIES
        )
    except (BaseError, ValueError) as error:
        what = f"the environment does not say how to reach the store ({_cause(error)})"
        raise OSError(errno.EINVAL, f"{what}; {_KEYS}", root) from None


def _check_endpoints(scheme: str, http: bool) -> None:
    # The library panics at these, with a trace that no `except Exception` catches.
    for name in _ENDPOINTS.get(scheme, ()):
        value = os.environ.get(name)
        if value is not None and not _is_server(value):  # it can hold a password
            rule = (
                "must be the address of a server, as https://host or http://host:9000"
            )
            raise ValueError(f"The environment variable {name} {rule}.")
        if value is not None and value.startswith("http:") and not http:
            cloud = name.partition("_")[0]
            raise ValueError(
                f"The environment variable {name} names a server by http://, where "
                "keys and models travel unencrypted: use https://, or set "
                f"{cloud}_ALLOW_HTTP=true."
            )


def _is_server(address: str) -> bool:
    try:
        parts = urlsplit(address)
        has_port = parts.port is None or parts.port > 0
    except ValueError:  # it is no number, or too large a one
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and has_port


@contextlib.contextmanager
def as_system_errors(address: str, missing: str = _NO_OBJECT) -> Iterator[None]:
    """Raise, in place of the library's errors, those that a file system would.

    Args:
        address: Of what is asked for; errors name it.
        missing: What it means that the store has not got it.

    Raises:
        FileNotFoundError: If there is no such object, or no such bucket.
        PermissionError: If the store refuses who asks.
        OSError: Whatever else is wrong.
    """
    from obstore.exceptions import BaseError

    try:
        yield
    except FileNotFoundError as error:
        if error.errno is not None:
            raise
        what = NO_BUCKET if re.search(_SAYS_NO_BUCKET, str(error)) else missing
        raise FileNotFoundError(errno.ENOENT, what, address) from None
    except (BaseError, ValueError) as error:
        raise _translated(error, address) from None


@contextlib.contextmanager
def as_upload_errors(address: str) -> Iterator[None]:
    """Raise as `as_system_errors` does, for an upload, of which parts can be lost.

    A store that was started again in the meantime may not know the upload any more:
    it has to be sent again from its beginning.
    """
    try:
        with as_system_errors(address):
            yield
    except FileNotFoundError as error:
        if error.strerror == NO_BUCKET:
            raise
        raise OSError(errno.EIO, "the store has lost the upload", address) from None


def _translated(error: Exception, address: str) -> OSError:
    from obstore.exceptions import PermissionDeniedError, UnauthenticatedError

    text = _text(error)
    if re.search(_SAYS_NO_BUCKET, text):
        return FileNotFoundError(errno.ENOENT, NO_BUCKET, address)
    if _COPY_LIMIT in text:
        return OSError(errno.EFBIG, _IS_TOO_LARGE, address)
    if re.search(_CLOCK, text):
        return PermissionError(errno.EACCES, _CLOCK_IS_OFF, address)
    message = _message(text)
    refused = isinstance(error, (PermissionDeniedError, UnauthenticatedError))
    if refused or re.search("status code: 40[13]", text):
        why = f" ({message})" if message else ""
        what = f"the store refuses access{why}; {_KEYS}"
        return PermissionError(errno.EACCES, what, address)
    answer = re.search("status code: ([^:<]+)", text)
    if answer:
        why = message or answer[1].strip()
        return OSError(errno.EIO, f"the store does not serve it ({why})", address)
    return OSError(errno.EIO, f"the store cannot be reached ({_cause(error)})", address)


def _text(error: Exception) -> str:
    """Return what the library says to people; the rest is for its developers."""
    return str(error).partition("\n\nDebug source")[0]


def _message(text: str) -> str | None:
    """Return what the store itself says is wrong, where it does."""
    # Azure adds the number of the request, and its time, on lines of their own.
    message = re.search(r"<Message>\s*(.+?)\s*(\n.*)?</Message>", text, re.DOTALL)
    return html.unescape(message[1]).rstrip(".") if message else None


def _cause(error: Exception) -> str:
    cause = " ".join(_text(error).split()).rpartition(" - ")[2]
    cause = re.sub(f"({_QUOTES_KEYS}): .*", r"\1", cause)
    return re.sub("^Generic [^:]* error: ", "", cause).rstrip(".")[:300]

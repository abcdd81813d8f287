"""The library's store at an address, with its errors translated to system errors."""

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
_KEYS_FILE = os.path.join("~", ".aws", "credentials")
_NOT_FROM_FILE = (
    f", and not from {_KEYS_FILE}: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, as "
    "`aws configure export-credentials --format env` prints them"
)
_ASKED_MACHINE = "/latest/(api/token|meta-data)"
"""Where the library asks an Amazon machine for keys, if the environment has none."""


_CLOCK = "RequestTimeTooSkewed|The difference between the request time and the "
_CLOCK_IS_OFF = "the store refuses access, as the clock of this machine is off: set it"

_QUOTES_KEYS = "Invalid Access Key|Unable to decode service account file"
"""What the library says about a broken key, before it quotes parts of the key."""

_COPY_LIMIT = "maximum allowable size for a copy source"
_IS_TOO_LARGE = (
    "the store copies objects of up to 5 GiB only, and this one is to be kept under a "
    "second name: give the run another `filepath`"
)

_SAYS_NO_BUCKET = "NoSuchBucket|ContainerNotFound|bucket does not exist"
NO_BUCKET = "there is no such bucket: create it, or correct the address"
_NO_OBJECT = "there is no such object"

# `Patience` retries for longer than this, because it can be told to hurry.
_RETRIES = {"max_retries": 1, "retry_timeout": timedelta(seconds=3)}

CHECK = {"connect_timeout": "3s", "timeout": "4s"}
"""Limits of a request before the first batch; with its retry it ends in 10 seconds."""

SMALL = {"connect_timeout": "3s", "timeout": "15s"}
"""Limits of a request that sends or gets little: 256 KiB, or a page of names."""

LARGE = {"connect_timeout": "3s", "read_timeout": "150s", "timeout": "1day"}
"""Limits of a request that sends a part, gets an object, or has the store copy one.

An answer must begin within `read_timeout`. For a part, this time starts when the part
is sent, so four parts at once need about 2 Mbit/s.
"""

_ENDPOINTS = {
    "s3": ("AWS_ENDPOINT", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"),
    "gs": ("GOOGLE_BASE_URL",),
    "az": ("AZURE_ENDPOINT", "AZURE_STORAGE_ENDPOINT"),
    "abfs": ("AZURE_ENDPOINT", "AZURE_STORAGE_ENDPOINT"),
}
"""The environment variables that name the server, by scheme."""

_ALLOW_HTTP = ("AWS_ALLOW_HTTP", "GOOGLE_ALLOW_HTTP", "AZURE_ALLOW_HTTP")


def store_at(root: str, limits: Mapping[str, str]) -> Any:
    """Return the library's store of the objects below an address.

    The library takes keys, endpoint and whatever else it needs from the environment, or
    from the machine that it runs on.

    Args:
        root: The address.
        limits: How long a request may take: `CHECK`, `SMALL` or `LARGE`.

    Raises:
        OSError: If the environment lacks something that the store needs.
        ValueError: If it names a server by something that is not an address.
    """
    from obstore.exceptions import BaseError
    from obstore.store import from_url

    # If it is given options, the library ignores the environment's value for this.
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
        raise OSError(errno.EINVAL, f"{what}; {_keys(root)}", root) from None


def _check_endpoints(scheme: str, http: bool) -> None:
    # The library panics on these, with a trace that `except Exception` does not catch.
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
    except ValueError:  # not a number, or too large
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and has_port


@contextlib.contextmanager
def as_system_errors(address: str, missing: str = _NO_OBJECT) -> Iterator[None]:
    """Translate the library's errors to the errors that a file system would raise.

    Args:
        address: Of what is requested; errors name it.
        missing: The message if the store does not have it.

    Raises:
        FileNotFoundError: If there is no such object, or no such bucket.
        PermissionError: If the store refuses access.
        OSError: For anything else.
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
    """Translate errors as `as_system_errors` does, for an upload in parts.

    A store that was restarted in the meantime may have lost the upload, which then has
    to be sent again from the beginning.
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
        what = f"the store refuses access{why}; {_keys(address)}"
        return PermissionError(errno.EACCES, what, address)
    answer = re.search("status code: ([^:<]+)", text)
    if answer:
        why = message or answer[1].strip()
        return OSError(errno.EIO, f"the store does not serve it ({why})", address)
    what = f"the store cannot be reached ({_cause(error)})"
    if re.search(_ASKED_MACHINE, text):
        what = f"there are no keys ({_cause(error)}); {_keys(address)}"
    return OSError(errno.EIO, what, address)


def _keys(address: str) -> str:
    """Say where a store's keys come from, and that a file of keys is not read."""
    unread = address.startswith("s3:") and "AWS_ACCESS_KEY_ID" not in os.environ
    if unread and os.path.isfile(os.path.expanduser(_KEYS_FILE)):
        return _KEYS + _NOT_FROM_FILE
    return _KEYS


def _text(error: Exception) -> str:
    """Return the part of a library's message that is meant for users."""
    return str(error).partition("\n\nDebug source")[0]


def _message(text: str) -> str | None:
    """Return the store's own description of what is wrong, if it gives one."""
    # Azure adds the request's number and its time, on separate lines.
    message = re.search(r"<Message>\s*(.+?)\s*(\n.*)?</Message>", text, re.DOTALL)
    return html.unescape(message[1]).rstrip(".") if message else None


def _cause(error: Exception) -> str:
    cause = " ".join(_text(error).split()).rpartition(" - ")[2]
    cause = re.sub(f"({_QUOTES_KEYS}): .*", r"\1", cause)
    return re.sub("^Generic [^:]* error: ", "", cause).rstrip(".")[:300]

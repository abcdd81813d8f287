"""Addresses in an object store, and the rules for them."""

from __future__ import annotations

import re

__all__ = ["SCHEMES", "check_address", "is_address"]

SCHEMES = ("s3", "gs", "az", "abfs")
"""Amazon S3 and compatible stores, Google Cloud Storage, Azure (twice)."""

_LONGEST_KEY = 1024
"""The maximal length of an object's name in bytes, in all three."""

_LOCAL = {
    "file": "Give the path itself, without file://",
    "memory": "Nothing of it would outlast the process: give a folder",
}


def is_address(text: str) -> bool:
    """Return whether a path is meant as an address."""
    # At least two letters: `C://models` is a drive.
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", text) is not None


def check_address(name: str, text: str) -> None:
    """Raise if an address is invalid or its store is not supported.

    Args:
        name: Of the argument.
        text: Its value, for which `is_address` is true.

    Raises:
        ValueError: With a sentence that says what is wrong, and the way out.
    """
    scheme, _, rest = text.partition("://")
    known = [f"{one}://" for one in SCHEMES]
    if scheme not in SCHEMES:
        way_out = _LOCAL.get(scheme.lower(), "Or give a folder on this machine")
        raise ValueError(
            f"`{name}` must be a path on this machine, or begin with "
            f"{', '.join(known[:-1])} or {known[-1]}, not {text!r}. {way_out}."
        )
    bucket, *parts = rest.split("/")
    if not bucket:
        rule = f"name a bucket after {scheme}://"
    elif "{" in bucket or "}" in bucket:
        rule = "have no field and no brace in its bucket"
    elif re.search(r"[\\\x00-\x1f\x7f]", rest):
        rule = "have no backslash and no control character in an address"
    elif any(part.startswith("~") for part in (bucket, *parts)):
        rule = "have no name that begins with ~ in an address, where it has no meaning"
    elif {".", ".."} & set(parts):
        rule = "have no name . or .. in an address"
    elif "" in parts[:-1]:
        rule = "have no empty name between two / in an address"
    elif len("/".join(parts).encode()) > _LONGEST_KEY:
        rule = f"have at most {_LONGEST_KEY:,} bytes behind its bucket"
    else:
        return
    raise ValueError(f"`{name}` must {rule}, not {_shortened(text)!r}.")


def _shortened(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:77]}..."

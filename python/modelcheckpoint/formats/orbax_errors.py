"""Turn Orbax' errors about a failing disk into the system's own."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator

__all__ = ["as_system_errors"]

_NUMBER = re.compile(r"os_error_code='(\d+)'")


@contextlib.contextmanager
def as_system_errors() -> Iterator[None]:
    """Raise an `OSError` in place of an Orbax error that contains the errno.

    Orbax' error has thousands of characters, including all the data it was to write.
    """
    try:
        yield
    except Exception as error:
        found = _NUMBER.search(str(error))
        if found is None:
            raise
        number = int(found[1])
        raise OSError(number, os.strerror(number)) from None

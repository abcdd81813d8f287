"""Values as text for a table or a terminal."""

from __future__ import annotations

import math
from datetime import datetime, timezone

__all__ = ["number_text", "quantity", "reason_of", "shown", "size_text", "time_text"]


def shown(text: str, encoding: str | None = "utf-8") -> str:
    """Return text with characters escaped that move the cursor or are invalid.

    Args:
        text: Any text, such as a file name.
        encoding: Of the terminal; what it cannot show is escaped.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        char
        if char.isprintable() and _can_be_shown(char, encoding or "ascii")
        else char.encode("unicode_escape", "surrogatepass").decode("ascii")
        for char in text
    )


def reason_of(error: BaseException) -> str:
    """Return the message of an error, without the system's error number."""
    if isinstance(error, OSError) and error.strerror:
        if error.filename is None:
            return error.strerror
        return f"{error.strerror}: {error.filename!r}"
    return str(error) or repr(error)


def size_text(size: int) -> str:
    """Return a size with its unit, in powers of 1000: `1.2 MB`."""
    if size < 1000:
        return f"{size} B"
    power = min(int(math.log10(size)) // 3, 5)
    for unit in range(power, 6):  # 999,999 is not 1000 kB
        scaled = size / 1000**unit
        if scaled < 999.5:
            break
    digits = 1 if scaled < 9.95 else 0
    return f"{scaled:.{digits}f} {' kMGTP'[unit]}B"


def number_text(value: float) -> str:
    """Return a number with five digits."""
    if math.isnan(value):
        return "NaN"
    return f"{value:.5g}"


def time_text(time: datetime) -> str:
    """Return a time in UTC (`Z`) to the second."""
    return f"{time.astimezone(timezone.utc):%Y-%m-%d %H:%M:%SZ}"


def quantity(count: int, what: str = "checkpoint") -> str:
    """Return a number of things: `1 checkpoint`, `10,000 checkpoints`."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _can_be_shown(char: str, encoding: str) -> bool:
    try:
        char.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True

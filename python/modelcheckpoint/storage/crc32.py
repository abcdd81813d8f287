"""The crc32 of data, and the crc32 of two pieces from those of each."""

from __future__ import annotations

try:  # in a quarter of the time, on the processors for which isal is built
    from isal.isal_zlib import crc32
except ImportError:
    from zlib import crc32

__all__ = ["crc32", "joined"]

_POLYNOMIAL = 0xEDB88320


def joined(first: int, second: int, size: int) -> int:
    """Return the crc32 of two pieces together, of which the second has `size` bytes.

    A crc32 is a polynomial modulo another polynomial: data that follows multiplies what
    came before by a power of x. This is zlib's `crc32_combine`, which Python lacks.
    """
    return _product(first, _power(8 * size)) ^ second


def _product(one: int, other: int) -> int:
    """Multiply two polynomials; the highest bit is the coefficient of 1."""
    product = 0
    for bit in range(31, -1, -1):
        if one >> bit & 1:
            product ^= other
        other = other >> 1 ^ (_POLYNOMIAL if other & 1 else 0)
    return product


def _power(exponent: int) -> int:
    power, square = 1 << 31, 1 << 30  # 1, and x
    while exponent:
        if exponent & 1:
            power = _product(power, square)
        square = _product(square, square)
        exponent >>= 1
    return power

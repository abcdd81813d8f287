"""The libraries that only some users need, and how to install them."""

from __future__ import annotations

from importlib.util import find_spec

__all__ = ["check_extra"]

_EXTRAS = {
    "remote": ("obstore", "obstore"),
    "orbax": ("orbax.checkpoint", "orbax-checkpoint"),
}
"""For each extra of this package: a module, and the package that contains it."""


def check_extra(extra: str, what: str) -> None:
    """Raise if the library of an extra is not installed.

    Args:
        extra: Its name in `pip install "modelcheckpoint[...]"`.
        what: What needs it; the message begins with this.

    Raises:
        ImportError: With the way out.
    """
    module, package = _EXTRAS[extra]
    try:
        found = find_spec(module) is not None
    except (ImportError, ValueError):  # its parent package is missing, too
        found = False
    if not found:
        raise ImportError(
            f"{what}, for which the package {package} is missing: "
            f'pip install "modelcheckpoint[{extra}]"'
        )

"""The command `modelcheckpoint`, and `python -m modelcheckpoint`."""

from __future__ import annotations

import gc
import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line, or say what it needs."""
    try:
        import click  # noqa: F401
        import rich  # noqa: F401
    except ImportError as error:
        sys.exit(
            f"The command line needs the package {error.name!r}: "
            'pip install "modelcheckpoint[cli]"'
        )
    from modelcheckpoint.cli import command

    gc.disable()  # with thousands of records it takes long and frees nothing
    command(prog_name="modelcheckpoint")


if __name__ == "__main__":
    main()

"""Write the Python reference with pdoc: python_reference.py FOLDER.

Its text comes from the docstrings. It covers only the public names, those in
`modelcheckpoint.__all__`.
"""

from __future__ import annotations

import inspect
import sys
from pathlib import Path

import pdoc

import modelcheckpoint
from modelcheckpoint.hooks import Hooks

TEMPLATES = Path(__file__).resolve().parent.parent / "pkgdown" / "pdoc"


def main(folder: str) -> None:
    """Write the page into a folder."""
    public = [name for name in modelcheckpoint.__all__ if name != "__version__"]
    for name in public:
        # They are loaded on first use, and pdoc sees only what is loaded.
        setattr(modelcheckpoint, name, getattr(modelcheckpoint, name))
    modelcheckpoint.__all__[:] = sorted(public, key=_rank)
    for name, hook in vars(Hooks).items():
        # pdoc has no text on inherited methods, but the class docstring names them.
        if not name.startswith("_"):
            setattr(modelcheckpoint.ModelCheckpoint, name, hook)
    pdoc.render.configure(
        docformat="google",
        show_source=False,
        search=False,
        template_directory=TEMPLATES,
    )
    pdoc.pdoc("modelcheckpoint", output_directory=Path(folder))


def _rank(name: str) -> tuple[int, str]:
    """Return the sort key of a name: the callback, functions, records, exceptions."""
    found = getattr(modelcheckpoint, name)
    if name == "ModelCheckpoint":
        return 0, name
    if not inspect.isclass(found):
        return 1, name
    return (3 if issubclass(found, BaseException) else 2), name


if __name__ == "__main__":
    main(*sys.argv[1:])

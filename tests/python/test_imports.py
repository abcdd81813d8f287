"""Which imports load Keras and the like; `pyproject.toml` has the order of layers."""

from __future__ import annotations

import ast
import pathlib
import subprocess
import sys

import pytest

import modelcheckpoint

PACKAGE = pathlib.Path(modelcheckpoint.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))

HEAVY = {"h5py", "jax", "keras", "numpy", "tensorflow", "tf_keras", "torch"}
OPTIONAL = {"matplotlib", "pandas"}

# Modules that must work without Keras, or before it is loaded.
LIGHT = [
    "__init__",
    "cli",
    "decide",
    "display",
    "errors",
    "folder",
    "journal",
    "listing",
    "records",
    "results",
    "storage",
]


def module_of(path):
    """Return the dotted name of a file's module."""
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(tree):
    """Return the modules that some code imports, at the top or in its functions."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            found |= {complete(node.module, alias.name) for alias in node.names}
    return found


def complete(module, name):
    """Return the module that `from module import name` loads in the end."""
    path = PACKAGE.parent.joinpath(*module.split("."), name)
    is_module = path.is_dir() or path.with_suffix(".py").exists()
    return f"{module}.{name}" if is_module else module


def parsed(path):
    return ast.parse(path.read_text("utf-8"))


def relative(path):
    return path.relative_to(PACKAGE).as_posix()


def test_only_the_doors_import_the_callback():
    """Only the package's own `__init__` and the module for R import the callback."""
    found = [
        relative(path)
        for path in FILES
        if "modelcheckpoint.callback" in imports(parsed(path))
    ]
    assert found == ["__init__.py", "for_r/__init__.py"]


def outside_functions(node):
    """Yield the statements that run when a module is loaded, even those of classes."""
    for child in node.body:
        if isinstance(child, ast.ClassDef):
            yield from outside_functions(child)
        elif not isinstance(child, ast.FunctionDef):
            yield child


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_keras_is_imported_at_the_top_of_the_callback_only(path):
    """Elsewhere, it is imported inside functions, when it is needed."""
    top = list(outside_functions(parsed(path)))
    heavy = {name.split(".")[0] for name in imports(ast.Module(top, []))} & HEAVY
    assert heavy <= ({"keras"} if relative(path) == "callback.py" else set())


@pytest.mark.parametrize("group", LIGHT)
def test_what_needs_no_keras_loads_none(group):
    """Each of these modules is loaded in a fresh process, which then has no Keras."""
    modules = [
        module_of(path)
        for path in FILES
        if relative(path).partition("/")[0].partition(".")[0] == group
    ]
    assert modules
    code = f"""
import importlib, sys
for module in {modules}:
    importlib.import_module(module)
print(sorted({HEAVY | OPTIONAL} & {{name.partition(".")[0] for name in sys.modules}}))
"""
    command = [sys.executable, "-c", code]
    said = subprocess.check_output(command, text=True, cwd=PACKAGE.parent)
    assert said == "[]\n"


def test_the_public_names():
    """The package lists exactly the names that it has."""
    assert sorted(modelcheckpoint.__all__) == list(modelcheckpoint.__all__)
    assert set(modelcheckpoint.__all__) <= set(dir(modelcheckpoint))
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = modelcheckpoint.nothing


def test_the_version_is_a_literal():
    """The copy in the R package has no metadata, so the version is in the code."""
    values = [
        node.value
        for node in parsed(PACKAGE / "__init__.py").body
        if isinstance(node, ast.Assign) and node.targets[0].id == "__version__"
    ]
    assert [ast.literal_eval(value) for value in values] == [
        modelcheckpoint.__version__
    ]


def test_the_version_is_that_of_the_r_package():
    """Python and R packages have one version."""
    description = pathlib.Path(__file__).parents[2] / "DESCRIPTION"
    if not description.exists():
        pytest.skip("this is the Python half alone")
    lines = description.read_text("utf-8").splitlines()
    assert f"Version: {modelcheckpoint.__version__}" in lines

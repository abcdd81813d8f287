"""Check the wheel and the source distribution that `make dist` built.

    python tests/packaging/check_dist.py dist

It reads their files and metadata, installs the wheel into an empty environment,
and asks pip whether the wheel would change the environment this runs in.
"""

from __future__ import annotations

import email
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from email.message import Message
from pathlib import Path

PACKAGE = Path("python/modelcheckpoint")
VERSION = re.search(
    r'^__version__ = "(.+)"$', (PACKAGE / "__init__.py").read_text(), re.MULTILINE
)[1]


def main() -> None:
    dist = Path(sys.argv[1])
    (wheel,) = dist.glob("*.whl")
    (sdist,) = dist.glob("*.tar.gz")
    check_wheel(wheel)
    check_sdist(sdist)
    check_empty_environment(wheel)
    check_changes_nothing(wheel)
    print(f"{wheel.name} and {sdist.name} are as they should be.")


def check_wheel(wheel: Path) -> None:
    """Check for every module, py.typed and the licence, and nothing else."""
    info = f"modelcheckpoint-{VERSION}.dist-info"
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        metadata = email.message_from_bytes(archive.read(f"{info}/METADATA"))
    wanted = {f"modelcheckpoint/{name}" for name in sources()}
    assert "modelcheckpoint/py.typed" in wanted
    wanted |= {f"{info}/{n}" for n in ("METADATA", "RECORD", "WHEEL")}
    wanted |= {f"{info}/licenses/LICENSE.md"}
    names = {name for name in names if not name.endswith("entry_points.txt")}
    same(names, wanted, "files in the wheel")
    check_metadata(metadata)


def check_metadata(metadata: Message) -> None:
    """Check the version, the licence, and that there are only lower bounds."""
    same(metadata["Name"], "modelcheckpoint", "name")
    same(metadata["Version"], VERSION, "version")
    same(metadata["License-Expression"], "MIT", "licence")
    same(metadata["Requires-Python"], ">=3.9", "Python")
    required = metadata.get_all("Requires-Dist")
    always = {entry for entry in required if ";" not in entry}
    same(always, {"keras>=2.15", "h5py", "numpy"}, "what it requires")
    description = Path("DESCRIPTION").read_text()
    same(re.search(r"^Version: (.+)$", description, re.M)[1], VERSION, "DESCRIPTION")
    body = metadata.get_payload(decode=True).decode().strip()
    same(body, Path("README.md").read_text().strip(), "the README in the metadata")


def check_sdist(sdist: Path) -> None:
    """Check for all that a distributor needs to build and test, and no R package."""
    root = f"modelcheckpoint-{VERSION}"
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
        roots = {name.partition("/")[0] for name in archive.getnames()}
    same(roots, {root}, "the folder in the sdist")
    wanted = {f"{PACKAGE.as_posix()}/{name}" for name in sources()}
    wanted |= {"pyproject.toml", "README.md", "NEWS.md", "LICENSE.md", "PKG-INFO"}
    missing = wanted - names
    assert not missing, f"not in the sdist: {sorted(missing)}"
    assert any(name.startswith("tests/python/test_") for name in names), "no tests"
    strays = {name for name in names if re.search(r"__pycache__|\.pyc$|^R/", name)}
    assert not strays, f"in the sdist by mistake: {sorted(strays)}"


def check_empty_environment(wheel: Path) -> None:
    """Check that it installs, and shows its version, in an empty environment."""
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        binaries = Path(folder, "Scripts" if os.name == "nt" else "bin")
        run(binaries / "python", "-m", "pip", "install", "--quiet", wheel.resolve())
        program = (
            "import modelcheckpoint, sys; from importlib.metadata import version; "
            "assert 'keras' not in sys.modules; "
            "print(modelcheckpoint.__version__, version('modelcheckpoint'))"
        )
        told = run(binaries / "python", "-I", "-c", program, cwd=folder).split()
        same(told, [VERSION, VERSION], "the version that it tells, installed")
        run(binaries / "python", "-m", "pip", "check")


def check_changes_nothing(wheel: Path) -> None:
    """Check that pip would install the wheel and change nothing else here."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run"]
    told = run(*pip, "--ignore-requires-python", "--report", "-", wheel.resolve())
    changed = [item["metadata"]["name"] for item in json.loads(told)["install"]]
    assert set(changed) <= {"modelcheckpoint"}, f"pip would change {changed}"


def sources() -> set[str]:
    files = (path for path in PACKAGE.rglob("*") if path.is_file())
    return {
        path.relative_to(PACKAGE).as_posix()
        for path in files
        if "__pycache__" not in path.parts
    }


def same(found: object, wanted: object, what: str) -> None:
    if isinstance(found, set) and isinstance(wanted, set) and found != wanted:
        extra, missing = sorted(found - wanted), sorted(wanted - found)
        raise AssertionError(f"{what}: too many {extra}, missing {missing}")
    assert found == wanted, f"{what}: {found!r} instead of {wanted!r}"


def run(*command: object, cwd: str | None = None) -> str:
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=cwd, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(words)}\n{done.stdout}{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    main()

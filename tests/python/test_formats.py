"""`FORMATS`: what is derived from the tuple, and what must agree with it."""

from __future__ import annotations

import sys

import pytest

from modelcheckpoint import ModelCheckpoint, restore_checkpoint
from modelcheckpoint.errors import RestoreError
from modelcheckpoint.formats import FORMATS, SUFFIXES, format_of, format_of_file
from modelcheckpoint.journal import scan
from modelcheckpoint.storage.temporary import (
    Mark,
    is_temporary,
    new_token,
    temporary_name,
)


def test_each_format_has_a_name_of_its_own():
    """The journal distinguishes formats by it."""
    assert len({format.name for format in FORMATS}) == len(FORMATS)


@pytest.mark.parametrize("format", FORMATS, ids=lambda format: format.name)
def test_each_suffix_leads_to_its_format(format):
    """When writing, the kind of contents decides between two formats of one suffix."""
    for suffix in format.suffixes:
        assert format_of(f"w{suffix}", suffix, format.weights_only) is format
        assert suffix in format_of_file(f"w{suffix}").suffixes


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_all_that_knows_suffixes_knows_each(suffix):
    """A list finds files with each suffix, and a sweep finds their temporary files."""
    assert f"w{suffix}".endswith(scan.SUFFIXES)
    assert is_temporary(temporary_name(Mark(new_token(), 0), suffix))


def test_a_file_of_no_format():
    """The error says how the name of a checkpoint must end."""
    with pytest.raises(RestoreError, match=r"\.keras, .*\.hdf5 or \.orbax"):
        format_of_file("w.pt")


def test_a_folder_needs_the_library_that_writes_it(monkeypatch):
    """The error says how to install it, before anything else is done."""
    monkeypatch.setitem(sys.modules, "orbax.checkpoint", None)
    with pytest.raises(ImportError, match=r'pip install "modelcheckpoint\[orbax\]"'):
        ModelCheckpoint("{epoch}.orbax")


def test_so_does_whoever_reads_it(monkeypatch, tmp_path):
    """It is not called damaged, because nothing was read."""
    keras = pytest.importorskip("keras")
    (tmp_path / "1.orbax" / "0").mkdir(parents=True)
    monkeypatch.setitem(sys.modules, "orbax.checkpoint", None)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    with pytest.raises(ImportError, match=r"1\.orbax ends in \.orbax, for which the"):
        restore_checkpoint(model, tmp_path / "1.orbax")

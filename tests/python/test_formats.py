"""`FORMATS`: what follows from the tuple, and what must agree with it."""

from __future__ import annotations

import pytest

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
    """By which the journal tells them apart."""
    assert len({format.name for format in FORMATS}) == len(FORMATS)


@pytest.mark.parametrize("format", FORMATS, ids=lambda format: format.name)
def test_each_suffix_leads_to_its_format(format):
    """For writing, the kind of contents decides between two formats of one suffix."""
    for suffix in format.suffixes:
        assert format_of(f"w{suffix}", suffix, format.weights_only) is format
        assert suffix in format_of_file(f"w{suffix}").suffixes


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_all_that_knows_suffixes_knows_each(suffix):
    """A list finds such files, and a sweep such temporary ones."""
    assert f"w{suffix}".endswith(scan.SUFFIXES)
    assert is_temporary(temporary_name(Mark(new_token(), 0), suffix))


def test_a_file_of_no_format():
    """The error says how the name of a checkpoint ends."""
    with pytest.raises(RestoreError, match=r"\.keras, \.weights\.h5, \.h5 or \.hdf5"):
        format_of_file("w.pt")

"""`addresses.py`: which addresses in an object store are valid."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelcheckpoint import (
    best_checkpoint,
    fetch_checkpoint,
    latest_checkpoint,
    list_checkpoints,
    prune_checkpoints,
    verify_checkpoints,
)
from modelcheckpoint.addresses import SCHEMES, check_address, is_address
from modelcheckpoint.storage import absolute

READERS = [
    best_checkpoint,
    latest_checkpoint,
    list_checkpoints,
    verify_checkpoints,
    lambda folder: prune_checkpoints(folder, keep_latest=1),
]
WRONG = [
    ("s3://", "must name a bucket after s3://"),
    ("s3:///run", "must name a bucket after s3://"),
    ("gs://bucket/../run", "must have no name . or .. in an address"),
    ("az://bucket//run", "must have no empty name between two /"),
    ("abfs://bucket/~/run", "must have no name that begins with ~"),
    ("s3://bucket/a\\b", "must have no backslash"),
    ("s3://bucket/" + 1025 * "a", "must have at most 1,024 bytes"),
    ("file:///run", "Give the path itself, without file://"),
    ("memory://run", "Nothing of it would outlast the process"),
    ("ftp://host/run", "Or give a folder on this machine"),
]


@pytest.mark.parametrize(("address", "says"), WRONG)
@pytest.mark.parametrize("reader", READERS)
def test_readers_refuse_what_the_callback_refuses(reader, address, says):
    """The same message, with the name of their argument, and no request is made."""
    with pytest.raises(ValueError, match=r"`folder` must ") as raised:
        reader(address)
    assert says in str(raised.value)


@pytest.mark.parametrize(("address", "says"), WRONG)
def test_fetching_refuses_it_too(address, says):
    """Its argument is the path of a checkpoint."""
    with pytest.raises(ValueError, match=r"`path` must ") as raised:
        fetch_checkpoint(address)
    assert says in str(raised.value)


NAMES = st.text("abcXYZ0189-_. ={}é", min_size=1, max_size=20).filter(
    lambda name: name not in (".", "..")
)


@given(st.sampled_from(SCHEMES), st.lists(NAMES, max_size=5), st.integers(0, 3))
def test_addresses_that_can_be(scheme, names, slashes):
    """Valid addresses stay as they are, except for slashes after the last name."""
    address = "/".join([f"{scheme}://bucket", *names])
    assert is_address(address)
    check_address("path", address)
    assert absolute(address + "/" * slashes) == address


@pytest.mark.parametrize("path", ["C://models", "run", "/run", "~/run", "a:/b", "://x"])
def test_paths_are_no_addresses(path):
    """A single letter before the colon is a drive."""
    assert not is_address(path)

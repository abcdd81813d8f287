"""Which Keras versions read a `.orbax` folder, and the warning for older ones."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from modelcheckpoint.formats.orbax_config import not_read_by_keras


@pytest.mark.parametrize("version", ["3.15.0", "3.16.0.dev2026082203", "4.0"])
def test_a_keras_that_reads_it(version):
    """There is no warning."""
    assert not_read_by_keras(SimpleNamespace(__version__=version)) is None


@pytest.mark.parametrize("version", ["3.4.1", "3.9.2", "3.14.0"])
def test_a_keras_that_is_too_old(version):
    """It can save, but only this package can restore there."""
    said = not_read_by_keras(SimpleNamespace(__version__=version))
    assert said.startswith(f"Keras {version} cannot read .orbax folders")
    assert "`restore_checkpoint`" in said

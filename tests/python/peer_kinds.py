"""Which Keras, if any, trains one model in several processes here."""

from __future__ import annotations

import os
from importlib.util import find_spec

import keras
import pytest

__all__ = ["BACKEND", "KERAS", "Reports", "needs_peers", "only_with_all"]

BACKEND = os.environ["KERAS_BACKEND"]

KERAS = "tf_keras" if BACKEND == "tensorflow" else "keras"
"""Keras 3 does not train with several workers of `tf.distribute`."""

needs_peers = pytest.mark.skipif(
    not find_spec("tf_keras")
    if BACKEND == "tensorflow"
    else not hasattr(keras, "distribution"),
    reason="no installed Keras trains one model in several processes",
)


def only_with_all():
    """Skip a slow test if only a few are to run."""
    if BACKEND == "tensorflow" and "PEERS" not in os.environ:
        pytest.skip("on TensorFlow with PEERS=all only")


class Reports(dict):
    """What processes report, by scenario; a test of any other scenario is skipped."""

    def __missing__(self, name):
        only_with_all()
        raise KeyError(name)

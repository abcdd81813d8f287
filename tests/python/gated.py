"""A callback whose files wait at a gate, or fail there."""

from __future__ import annotations

import os
import threading
from unittest import mock

import pytest

from modelcheckpoint import (
    ModelCheckpoint,
)
from modelcheckpoint.save.pipeline import SMALL_BYTES
from modelcheckpoint.storage.local import LocalStorage
from modelcheckpoint.training import training
from modelcheckpoint.training.folder import open_folder

keras = pytest.importorskip("keras", minversion="3.4")


class Gate:
    """`os`, whose fsync waits at a gate from the second file on, or fails there."""

    def __init__(self, error=None):
        self.way = threading.Event()
        self.error = error
        self.files = 0

    def __getattr__(self, name):
        return getattr(os, name)

    def fsync(self, file):
        if os.fstat(file).st_size > SMALL_BYTES:
            self.files += 1
        if self.files == 2 and os.fstat(file).st_size > SMALL_BYTES:
            assert self.way.wait(60)
            if self.error is not None:
                raise self.error
        os.fsync(file)


class Gated(ModelCheckpoint):
    """A callback whose disk is behind a gate."""

    def __init__(self, *arguments, gate, **named):
        super().__init__(*arguments, **named)
        self._gate = gate

    def on_train_begin(self, logs=None):
        with mock.patch.object(training, "open_folder", self._open_folder):
            super().on_train_begin(logs)

    def _open_folder(self, template, writes):
        found = open_folder(template, writes)
        return LocalStorage(found.root, found.depth, system=self._gate)


def at_epochs(function):
    """Return a callback that calls `function` with the number of the epoch, from 1."""
    return keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: function(epoch + 1)
    )

"""A run that is resumed in one process: by another callback and another model."""

from __future__ import annotations

from conftest import fit, make_model

from modelcheckpoint import (
    ModelCheckpoint,
)


def first(K, folder, data, epochs=3, name="w.{epoch}.keras", **arguments):
    model = make_model(K)
    fit(model, data, ModelCheckpoint(folder / name, **arguments), epochs=epochs)
    return model


def again(K, folder, data, epochs=5, name="w.{epoch}.keras", **arguments):
    """Return the callback and the epochs that were trained."""
    fitted = arguments.pop("fit", {})
    callback = ModelCheckpoint(folder / name, resume=True, **arguments)
    model = make_model(K)
    history = fit(model, data, callback, epochs=epochs, **fitted)
    return callback, [epoch + 1 for epoch in history.epoch]

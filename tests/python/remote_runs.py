"""Runs whose checkpoints are in a bucket of a real S3 server."""

from __future__ import annotations

import keras
from conftest import fit, make_model

from modelcheckpoint import ModelCheckpoint, list_checkpoints, verify_checkpoints


def at(bucket, name=""):
    return f"s3://{bucket.name}/run/{name}".rstrip("/")


def trained(bucket, data, name="w.{epoch}.keras", epochs=3, model=None, **arguments):
    """Train a model that is saved to a bucket; return it and its callback."""
    callback = ModelCheckpoint(at(bucket, name), monitor="loss", **arguments)
    model = model or make_model(keras)
    fit(model, data, callback, epochs=epochs)
    return model, callback


def names(bucket):
    return [one.name for one in list_checkpoints(at(bucket))]


def objects(bucket):
    found = (path.relative_to(bucket / "run") for path in bucket.rglob("*.*"))
    return sorted(map(str, found))


def statuses(bucket):
    return {found.path: found.status for found in verify_checkpoints(at(bucket))}

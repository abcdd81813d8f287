"""Be one of several processes of JAX: run_parts.py <rank> <port> <JSON of the rest>.

The rest: `processes`, `devices` of each, `rows` of the mesh of all (2: each has a whole
model), `folder`, `epochs`, `given` (arguments of the callback), `second` (arguments of
another one, which saves as `<epoch>-second.orbax` in the same folder), `scores` (one
for the logs of each epoch), and what goes wrong (`sleep_at`: an epoch; `own_folder`).
The outcome is written to `<report>/<rank>.json`.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

rank, port, rest = int(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3])
os.environ["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={rest['devices']}"
os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["KERAS_BACKEND"] = "jax"


def main():
    import keras

    spread(keras)
    report = {"error": None}
    callbacks = []
    try:
        callbacks = train(keras, report)
    except Exception as error:
        report["error"] = f"{type(error).__name__}: {error}"
    report["problems"] = [text for callback in callbacks for text in callback.problems]
    Path(rest["report"], f"{rank}.json").write_text(json.dumps(report))
    if report["error"] is not None:
        os._exit(0)  # JAX would wait for the others before it exits


def spread(keras):
    """Split the kernels over the devices of all processes."""
    count = rest["processes"]
    if count > 1:
        keras.distribution.initialize(f"127.0.0.1:{port}", count, rank)
    devices = keras.distribution.list_devices()
    if len(devices) == 1:
        return
    rows = rest.get("rows", 2)
    shape = (rows, len(devices) // rows)
    mesh = keras.distribution.DeviceMesh(shape, ["batch", "model"], devices)
    layout = keras.distribution.LayoutMap(mesh)
    layout[".*dense.*kernel"] = (None, "model")
    layout[".*dense.*bias"] = ("model",)
    keras.distribution.set_distribution(
        keras.distribution.ModelParallel(
            layout_map=layout, batch_dim_name="batch", auto_shard_dataset=False
        )
    )


def train(keras, report):
    keras.utils.set_random_seed(5)
    width = rest.get("width", 8)
    model = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(width, name="dense_a"),
            keras.layers.Dropout(0.25),
            keras.layers.Dense(4, name="dense_b"),
        ]
    )
    model.compile("adam", loss="mean_squared_error")
    x, size = own_rows()
    callbacks = checkpoints()
    more = [keras.callbacks.LambdaCallback(on_epoch_end=prepare_epoch_end)]
    history = model.fit(
        x,
        x,
        batch_size=size,
        epochs=rest["epochs"],
        shuffle=False,
        verbose=0,
        callbacks=[*more, *callbacks],
    )
    report["share"] = share_of(model.layers[0].kernel.value)
    report["epochs"] = history.epoch
    report["losses"] = history.history.get("loss", [])
    report["loss"] = float(model.evaluate(x, x, batch_size=size, verbose=0))
    return callbacks


def share_of(array):
    """Return how much of an array this process has."""
    here = {str(shard.index): shard.data.size for shard in array.addressable_shards}
    return sum(here.values()) / array.size


def checkpoints():
    from modelcheckpoint import ModelCheckpoint

    folder = os.path.join(rest["folder"], str(rank) if rest.get("own_folder") else "")
    given = {"{epoch:02d}.orbax": rest.get("given", {})}
    if "second" in rest:
        given["{epoch:02d}-second.orbax"] = rest["second"]
    return [
        ModelCheckpoint(os.path.join(folder, name), **{"monitor": "loss", **arguments})
        for name, arguments in given.items()
    ]


def own_rows():
    """Return the rows that this process feeds, and how many in each batch.

    A batch of 16 has a part for each row of the mesh of devices.
    """
    import numpy as np

    x = np.random.default_rng(0).normal(size=(32, 4)).astype("float32")
    count, rows = rest["devices"], rest.get("rows", 2)
    in_row = max(rest["processes"] * count // rows, 1)
    parts = sorted({d // in_row for d in range(rank * count, (rank + 1) * count)})
    if rest["processes"] == 1:
        parts = list(range(rows))
    x = x.reshape(2, rows, 16 // rows, 4)[:, parts].reshape(-1, 4)
    return x, 16 // rows * len(parts)


def prepare_epoch_end(epoch, logs):
    if "scores" in rest:
        logs["score"] = rest["scores"][epoch]
    if rank == 1 and epoch == rest.get("sleep_at"):
        time.sleep(25)
    time.sleep(rest.get("pause", 0))


main()

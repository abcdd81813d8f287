"""Be one of two processes that train one model, and report the outcome."""

from __future__ import annotations

import contextlib
import io
import json
import os
import time
import traceback
import warnings

import peer_training

COUNT = 2
BACKEND = os.environ["KERAS_BACKEND"]
os.environ["CUDA_VISIBLE_DEVICES"] = ""
os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=2"
LIMIT = "MODELCHECKPOINT_PEER_TIMEOUT"
ALL = BACKEND != "tensorflow" or "PEERS" in os.environ
"""Whether all scenarios are run: on TensorFlow each takes seconds."""


def start(index, ports):
    """Connect to the other process; on TensorFlow both listen, else only process 0."""
    addresses = [f"127.0.0.1:{port}" for port in ports.split(",")]
    {"jax": start_jax, "torch": start_torch}.get(BACKEND, start_tensorflow)(
        index, addresses
    )


def start_jax(index, addresses):
    import jax

    jax.distributed.initialize(addresses[0], COUNT, index)
    import keras

    devices = keras.distribution.list_devices()
    assert len(devices) == 2 * COUNT
    parallel = keras.distribution.DataParallel(
        devices=devices, auto_shard_dataset=False
    )
    keras.distribution.set_distribution(parallel)


def start_torch(index, addresses):
    import torch

    torch.distributed.init_process_group(
        "gloo", f"tcp://{addresses[0]}", rank=index, world_size=COUNT
    )


def start_tensorflow(index, addresses):
    task = {"type": "worker", "index": index}
    config = {"cluster": {"worker": addresses}, "task": task}
    os.environ["TF_CONFIG"] = json.dumps(config)
    import tensorflow as tf

    peer_training.STRATEGY = tf.distribute.MultiWorkerMirroredStrategy()
    assert peer_training.STRATEGY.num_replicas_in_sync == COUNT


def end_together(index, folder):
    """Return when all processes are done: process 0 holds what they agree through."""
    ended = [os.path.join(folder, f"{rank}.ended") for rank in range(COUNT)]
    open(ended[index], "x").close()
    while not all(map(os.path.exists, ended)):
        time.sleep(0.01)  # the test ends processes that wait forever


def reported(run, index, folder, meet):
    """Return what a scenario reports, its error, and all its output."""
    said = io.StringIO()
    report = {"error": None, "warned": []}
    with contextlib.redirect_stdout(said), warnings.catch_warnings(record=True) as ours:
        warnings.simplefilter("always")
        began = time.monotonic()
        try:
            report.update(run(index, folder, meet) or {})
        except Exception as error:
            traceback.print_exc()
            report["error"] = f"{type(error).__name__}: {error}"
        report["seconds"] = time.monotonic() - began
    kind = "CheckpointWarning"
    report["warned"] = [str(w.message) for w in ours if w.category.__name__ == kind]
    report["said"] = said.getvalue()
    return report

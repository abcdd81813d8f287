"""Be one of two workers: run_worker.py <kind> <index> <port,port> <folder>.

`kind` is jax, jax-sharded, torch, keras or tf_keras (TensorFlow's strategy of several
workers). The outcome is written to `<folder>/<index>.json`; under `keras` it says why
Keras cannot train like this even without a callback.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = ""
WORKERS = 2


def main(kind, index, ports, folder):
    index, addresses = int(index), [f"127.0.0.1:{port}" for port in ports.split(",")]
    start = {"torch": start_torch, "keras": start_tf, "tf_keras": start_tf}
    K, make = start.get(kind, start_jax)(kind, index, addresses)
    report = {"error": None, "keras": None, "alone": None}
    try:
        train(K, make, kind, folder, report)
    except Exception as error:
        report["error"] = f"{type(error).__name__}: {error}"
    with open(os.path.join(folder, f"{index}.json"), "w", encoding="utf-8") as file:
        json.dump(report, file)


def train(K, make, kind, folder, report):
    import numpy as np

    from modelcheckpoint import ModelCheckpoint

    model, data = make(K)
    try:
        model.fit(**data, epochs=1, verbose=0)
    except Exception as error:
        report["keras"] = f"{type(error).__name__}: {error}"
        return
    if kind != "jax-sharded":  # no process can read all of it
        report["alone"] = [float(np.sum(w)) for w in model.get_weights()]
    path = os.path.join(folder, "w", "{epoch}.weights.h5")
    often = os.path.join(folder, "w", "{samples}.keras")
    callbacks = [ModelCheckpoint(path, save_weights_only=True)]
    if kind != "jax-sharded":
        callbacks.append(ModelCheckpoint(often, save_freq=12))
    model.fit(**data, epochs=2, verbose=0, callbacks=callbacks)
    report["weights"] = [float(np.sum(w)) for w in model.get_weights()]
    report["problems"] = [text for one in callbacks for text in one.problems]
    if kind != "jax-sharded":
        resume(K, make, os.path.join(folder, "r", "{epoch}.keras"), report)


def resume(K, make, path, report):
    """Train one epoch, and then another one, as a later process would."""
    import numpy as np

    from modelcheckpoint import ModelCheckpoint

    model, data = make(K)
    model.fit(**data, epochs=1, verbose=0, callbacks=[ModelCheckpoint(path)])
    while not os.path.exists(path.format(epoch=1)):  # nothing waits for the chief
        time.sleep(0.01)
    model.fit(**data, epochs=2, initial_epoch=1, verbose=0)
    again, data = make(K)
    again.set_weights([weights * 0 for weights in again.get_weights()])
    callback = ModelCheckpoint(path, resume=True)
    together = K.callbacks.LambdaCallback(on_train_begin=lambda logs: meet())
    history = again.fit(**data, epochs=2, verbose=0, callbacks=[callback, together])
    report["resumed"] = history.epoch
    report["restored"] = callback.restored.optimizer
    report["problems"] += callback.problems
    pairs = zip(again.get_weights(), model.get_weights())
    report["same"] = all(np.array_equal(here, there) for here, there in pairs)


def meet():
    """Wait for all processes, as each batch does where gradients are averaged."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.distributed.is_initialized():
        torch.distributed.barrier()


def arrays(rows=24):
    import numpy as np

    x = np.random.default_rng(0).normal(size=(rows, 4)).astype("float32")
    return x, x[:, :2].copy()


def sequential(K):
    K.utils.set_random_seed(1)
    model = K.Sequential([K.Input((4,)), K.layers.Dense(2)])
    model.compile("sgd", loss="mean_squared_error")
    return model


def in_batches(K):
    x, y = arrays()
    data = {"x": x, "y": y, "batch_size": 4, "shuffle": False}
    return sequential(K), data


def start_jax(kind, index, addresses):
    os.environ["KERAS_BACKEND"] = "jax"
    os.environ["JAX_PLATFORMS"] = "cpu"
    import jax

    jax.distributed.initialize(addresses[0], WORKERS, index)
    import keras

    devices = keras.distribution.list_devices()
    assert len(devices) == WORKERS
    apart = {"auto_shard_dataset": False}
    if kind == "jax-sharded":
        # The kernel's two columns lie on two machines: neither can read it all.
        mesh = keras.distribution.DeviceMesh((1, WORKERS), ["batch", "model"], devices)
        layout = keras.distribution.LayoutMap(mesh)
        layout[".*kernel"] = (None, "model")
        apart |= {"layout_map": layout, "batch_dim_name": "batch"}
        distribution = keras.distribution.ModelParallel(**apart)
    else:
        distribution = keras.distribution.DataParallel(devices=devices, **apart)
    keras.distribution.set_distribution(distribution)
    return keras, in_batches


def start_torch(kind, index, addresses):
    os.environ["KERAS_BACKEND"] = "torch"
    import torch

    torch.distributed.init_process_group(
        "gloo", f"tcp://{addresses[0]}", rank=index, world_size=WORKERS
    )
    return importlib.import_module("keras"), in_batches


def start_tf(kind, index, addresses):
    os.environ["KERAS_BACKEND"] = "tensorflow"
    task = {"type": "worker", "index": index}
    config = {"cluster": {"worker": addresses}, "task": task}
    os.environ["TF_CONFIG"] = json.dumps(config)
    import tensorflow as tf

    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    assert strategy.num_replicas_in_sync == WORKERS

    def make(K):
        options = tf.data.Options()
        policy = tf.data.experimental.AutoShardPolicy.DATA
        options.experimental_distribute.auto_shard_policy = policy
        data = tf.data.Dataset.from_tensor_slices(arrays()).batch(4)
        with strategy.scope():
            model = sequential(K)
        return model, {"x": data.with_options(options)}

    return importlib.import_module(kind), make


if __name__ == "__main__":
    main(*sys.argv[1:])

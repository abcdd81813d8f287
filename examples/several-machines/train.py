"""Train one model in several processes that may be stopped and started again.

    torchrun --nnodes=2 --nproc-per-node=1 ... train.py FOLDER
    srun python train.py FOLDER

The environment variable KERAS_BACKEND is torch or jax; under torchrun it is torch.
FOLDER is one that all machines share, or an address such as s3://bucket/run. After a
stop, the same command continues.
"""

from __future__ import annotations

import os
import signal
import sys
import time
import warnings
import zlib

import keras
import numpy as np

from modelcheckpoint import ModelCheckpoint

EPOCHS, STEPS, BATCH = 3, 40, 32


def join():
    """Join the other processes; return the number of this one, and their count."""
    if keras.backend.backend() == "jax":
        import jax

        keras.distribution.initialize()  # knows SLURM's variables
        keras.distribution.set_distribution(
            keras.distribution.DataParallel(auto_shard_dataset=False)
        )
        return jax.process_index(), jax.process_count()

    from torch import distributed

    if not distributed.is_initialized():  # Ray Train has done so already
        for name, slurm in (("RANK", "SLURM_PROCID"), ("WORLD_SIZE", "SLURM_NTASKS")):
            os.environ.setdefault(name, os.environ.get(slurm, ""))
        distributed.init_process_group()
    return distributed.get_rank(), distributed.get_world_size()


class Feed(keras.utils.PyDataset):
    """This process' share of each batch, starting at any step of an epoch.

    Which rows a step gets depends only on the epoch and the step. So an interrupted
    epoch can continue with the rows that it has not seen yet.
    """

    def __init__(self, rank, count):
        super().__init__()
        random = np.random.default_rng(0)
        self.x = random.normal(size=(STEPS * BATCH, 8)).astype("float32")
        self.y = np.sin(self.x.sum(axis=1, keepdims=True))
        self.rank, self.count = rank, count
        self.begin(epoch=0, done=0)

    def begin(self, epoch, done):
        """Shuffle for an epoch in which some steps are already done."""
        self.order = np.random.default_rng(epoch).permutation(len(self.x))
        self.done = done

    @property
    def num_batches(self):
        return STEPS - self.done

    def __getitem__(self, step):
        time.sleep(0.1)  # as if the data came from far away
        first = (self.done + step) * BATCH
        rows = self.order[first : first + BATCH][self.rank :: self.count]
        return self.x[rows], self.y[rows]


def new_model(count):
    """Return the same model in each process."""
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [
            keras.layers.Input((8,)),
            keras.layers.Dense(32, activation="tanh"),
            keras.layers.Dense(1),
        ]
    )
    model.compile(optimizer=keras.optimizers.Adam(0.01), loss="mse")
    if keras.backend.backend() == "torch":
        average_gradients(model, count)  # JAX does so by itself
    return model


def average_gradients(model, count):
    """Have each process learn from the batches of all."""
    from torch import distributed

    def average(parameter):
        distributed.all_reduce(parameter.grad)
        parameter.grad /= count

    for variable in model.trainable_variables:
        variable.value.register_post_accumulate_grad_hook(average)


def train(folder, rank, count, others=(), **arguments):
    """Train to the last epoch, from the step at which an earlier run was stopped."""
    model, feed = new_model(count), Feed(rank, count)
    checkpoint = ModelCheckpoint(
        f"{folder}/{{epoch}}-{{samples}}.keras",
        monitor="loss",
        verbose=1,
        keep_latest=2,
        resume=True,
        **arguments,
    )

    def begin_epoch(epoch, logs):
        feed.begin(epoch, int(model.optimizer.iterations) - epoch * STEPS)

    begin = keras.callbacks.LambdaCallback(on_epoch_begin=begin_epoch)
    # Keras warns if an epoch has fewer steps than the others.
    warnings.filterwarnings("ignore", "Your input ran out of data")
    model.fit(
        feed,
        epochs=EPOCHS,
        shuffle=False,  # otherwise Keras takes the feed's batches in any order
        verbose=0,
        callbacks=[checkpoint, begin, *others],
    )
    weights = b"".join(array.tobytes() for array in model.get_weights())
    print(f"process {rank} of {count}: weights {zlib.crc32(weights):08x}", flush=True)


if __name__ == "__main__":
    place = join()
    # JAX has just installed its own handler, with which SIGTERM would end nothing.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    train(sys.argv[1], *place, save_on_exit=True)

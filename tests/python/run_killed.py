"""Train with `resume` until killed: run_killed.py <index> <ports> <folder> <epochs>.

It is one of two processes that train one model, and saves after each epoch. At the
start of an epoch it prints a line with how many were done before.
"""

from __future__ import annotations

import os
import sys
import time

from peer_processes import start
from peer_training import callback, model, the_keras


def main(index, ports, folder, epochs):
    start(int(index), ports)
    new, data = model()
    resumed = callback(os.path.join(folder, "w"), "{epoch:04d}.keras", resume=True)
    new.fit(**data, epochs=int(epochs), callbacks=[resumed, begun()])


def begun():
    """Return a callback that prints where training is, and makes batches slow."""

    class Begun(the_keras().callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            print("epoch", epoch, flush=True)

        def on_train_batch_begin(self, batch, logs=None):
            time.sleep(0.01)

    return Begun()


if __name__ == "__main__":
    main(*sys.argv[1:])

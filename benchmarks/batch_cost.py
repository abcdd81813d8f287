"""What the callback costs per batch when no save is due.

Times the callback's own batch hook in a real `fit` of a small model, batch by batch,
and shows next to it a whole batch of the same `fit`. With `save_freq="epoch"` there is
no hook to time, as Keras itself confirms.

Run it with `make bench`. Each Keras has its own process, as each takes over the CPU.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
# The package may not be installed, as in the environment of `make test-backends`.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "python"))

BATCHES = 3000
BARS = {"keras": 50.0, "tf_keras": 100.0}  # µs, median


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keras", choices=sorted(BARS), help="measure only this one")
    only = parser.parse_args().keras
    if only is not None:
        measure(only)
        return
    print(f"{'':18}{'save_freq':>12}{'hook µs':>10}{'p90':>8}{'batch µs':>10}  bar")
    for name in BARS:
        subprocess.run([sys.executable, __file__, "--keras", name], check=True)


def measure(name: str) -> None:
    import importlib

    K = importlib.import_module(name)
    from modelcheckpoint import ModelCheckpoint

    class Timed(ModelCheckpoint):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            self.hook, self.ends = [], []

        def on_train_batch_end(self, batch, logs=None):
            before = time.perf_counter()
            super().on_train_batch_end(batch, logs)
            after = time.perf_counter()
            self.hook.append(after - before)
            self.ends.append(after)

    for save_freq, unit in ((10**9, "samples"), (10**9, "batches")):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "w.keras")
            callback = Timed(path, save_freq=save_freq, save_freq_unit=unit)
            with contextlib.redirect_stdout(io.StringIO()):  # "nothing was saved"
                train(K, callback)
        show(name, unit, callback)
    epoch_mode(name, K, ModelCheckpoint("w.keras"))


def train(K, callback) -> None:
    import numpy as np

    model = K.Sequential([K.Input((8,)), K.layers.Dense(8), K.layers.Dense(1)])
    model.compile("sgd", "mean_squared_error")
    x = np.zeros((BATCHES * 4, 8), "float32")
    model.fit(x, x[:, :1], batch_size=4, verbose=0, callbacks=[callback])


def show(name: str, unit: str, callback) -> None:
    warm = slice(BATCHES // 10, None)
    hook = sorted(1e6 * seconds for seconds in callback.hook[warm])
    pairs = zip(callback.ends[warm], callback.ends[warm][1:])
    batch = statistics.median(1e6 * (after - before) for before, after in pairs)
    median, p90 = statistics.median(hook), hook[len(hook) * 9 // 10]
    verdict = "met" if median <= BARS[name] else "MISSED"
    bar = f"<= {BARS[name]:.0f} µs: {verdict}"
    print(
        f"{label(name):18}{unit:>12}{median:10.1f}{p90:8.1f}{batch:10.1f}  {bar}",
        flush=True,
    )


def label(name: str) -> str:
    """Return the name and, for `keras`, its backend."""
    return f"keras, {os.environ['KERAS_BACKEND']}" if name == "keras" else name


def epoch_mode(name: str, K, callback) -> None:
    hooks = K.callbacks.CallbackList([callback])
    if hasattr(hooks, "_should_call_train_batch_hooks"):
        silent = not hooks._should_call_train_batch_hooks
    else:
        silent = getattr(callback.on_batch_end, "_is_default", False)
    verdict = "met" if silent else "MISSED"
    none = f"{'-':>10}{'-':>8}{'-':>10}"
    print(f"{label(name):18}{'epoch':>12}{none}  no batch hook: {verdict}")


if __name__ == "__main__":
    main()

"""A process that saves one prepared file many times, as fast as it can."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from checkpoint_files import weights

SCRIPT = Path(__file__).with_name("run_save.py")


def save_process(tmp_path, folder, run, name, saves, shape=(400, 100)):
    """Start it.

    Args:
        tmp_path: Where the prepared file is.
        folder: The folder that it saves to, or its address.
        run: Name of the run; the length of the name sets the weights.
        name: Of the checkpoint, which ends with `.weights.h5`.
        saves: How often; it says "ready", then "durable" after each.
        shape: Of the weights.
    """
    image = tmp_path / f"{run}.image"
    image.write_bytes(weights(float(len(run)), shape))
    job = {"image": str(image), "name": name, "format": "weights.h5", "value": 1.0}
    job.update(run=run, saves=saves, sweep=True, parts=4)
    process = subprocess.Popen(
        [sys.executable, SCRIPT, folder, json.dumps(job)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    process.stdin.write("go\n" * saves)
    process.stdin.close()
    return process

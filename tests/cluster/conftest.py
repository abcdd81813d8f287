"""What the cluster tests need: a real object server and a real SLURM."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "python"))

from object_server import bucket, server  # noqa: F401  (fixtures)
from slurm import slurm  # noqa: F401

"""The shortest intervals of `interval.py`, as a picture."""

from __future__ import annotations

from typing import Any

from interval_limit import LIMIT
from saving_cases import NOTHING, OURS
from saving_tables import label

TITLES = {"tensorflow": "TensorFlow", "jax": "JAX", "torch": "Torch"}
COLOURS = {True: "#2166ac", False: "#bdbdbd"}


def draw(found: dict[str, Any], file: str) -> None:
    """Draw one panel for each backend, with a bar for each callback and format."""
    from matplotlib.figure import Figure

    heights = [len(one["rows"]) for one in found.values()]
    figure = Figure(figsize=(8, 1.0 + 0.3 * sum(heights)), layout="constrained")
    panels = figure.subplots(
        len(found), sharex=True, squeeze=False, height_ratios=heights
    )
    for panel, (backend, one) in zip(panels[:, 0], found.items()):
        rows = [row for row in one["rows"] if row["maker"] != NOTHING]
        seconds = [row["interval"] for row in rows]
        names = [label(row) for row in rows]
        colours = [COLOURS[row["maker"] == OURS] for row in rows]
        drawn = panel.barh(names, seconds, color=colours)
        panel.bar_label(drawn, [f"{one:.2g} s" for one in seconds], padding=3)
        panel.set_title(TITLES[backend], loc="left", fontweight="bold")
        panel.invert_yaxis()
        panel.spines[["top", "right"]].set_visible(False)
    panels[-1, 0].margins(x=0.12)
    size = max(one["state"] for one in found.values()) / 1e6
    between = f"seconds between two saves of {size:.0f} MB"
    figure.supxlabel(f"{between} that lengthen training by {LIMIT:.1%}")
    figure.savefig(file)

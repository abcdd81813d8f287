"""A plot of a folder: the monitored value over epochs, and what is kept."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from modelcheckpoint.display.text import shown
from modelcheckpoint.listing.checkpoint_list import CheckpointList
from modelcheckpoint.listing.plot_legend import BEST, GREY, Entry, colours_of, legend
from modelcheckpoint.listing.plot_points import Point, drawable
from modelcheckpoint.listing.queries import Folder, found_in

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_checkpoints"]

_DISC: dict[str, Any] = {"linestyle": "none", "marker": "o", "markeredgewidth": 1.3}
_CROSS: dict[str, Any] = {"linestyle": "none", "marker": "x", "color": GREY}
_DIAMOND: dict[str, Any] = {
    "linestyle": "none",
    "marker": "D",
    "markersize": 10,
    "color": BEST,
    "markeredgecolor": "black",
}
_MANY = 60
"""The number of saves above which deleted ones get a smaller mark."""


def plot_checkpoints(folder: Folder | CheckpointList, ax: Axes | None = None) -> Axes:
    """Plot the checkpoints in a folder with matplotlib, and return the axes.

    Plots the monitored value of each save in the journal over its epoch, with one line
    per run. A disc is a file that exists, a ring a file that was deleted, a cross at
    the lower edge a save without a finite value. The best existing checkpoint is a
    diamond. Only the metric that the newest checkpoint monitors is drawn. Saves from
    the middle of an epoch appear between two epochs.

    Args:
        folder: As for `list_checkpoints`, or what that returned.
        ax: Where to draw; None creates a new figure.

    Raises:
        ImportError: If matplotlib is not installed.
        ValueError: If `folder` is not a path.
        OSError: If there is no such folder, or it or its journal cannot be read.
    """
    if not isinstance(folder, CheckpointList):
        folder = found_in(folder)
    axes = _new_axes() if ax is None else ax
    points = drawable(folder.curve)
    if not points:
        _draw_nothing(axes)
        return axes
    _draw_runs(axes, points)
    _draw_not_finite(axes, points)
    _draw_best(axes, points)
    _frame(axes, points)
    _draw_legend(axes, points)
    return axes


def _new_axes() -> Axes:
    try:
        from matplotlib import pyplot
    except ImportError as error:
        raise ImportError(
            "`plot_checkpoints()` needs the package 'matplotlib': "
            'pip install "modelcheckpoint[plot]"'
        ) from error
    axes: Axes = pyplot.figure(figsize=(7, 4.5), layout="constrained").subplots()
    return axes


def _draw_nothing(axes: Axes) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    (entry,) = legend(())
    axes.text(0.5, 0.5, entry.label, ha="center", va="center", transform=axes.transAxes)


def _draw_runs(axes: Axes, points: Sequence[Point]) -> None:
    """Draw a line for each run, and a mark for each save."""
    colours = colours_of(points)
    for run in dict.fromkeys(point.run for point in points):
        own = [point for point in points if point.run == run]
        colour = colours[own[0].series]
        axes.plot(*_places(own), color=colour, linewidth=1, alpha=0.6, zorder=1)
        _draw_saves(axes, own, colour, small=len(points) > _MANY)


def _draw_saves(axes: Axes, own: Sequence[Point], colour: str, small: bool) -> None:
    # With equal marks, the few that are left would be lost among many saves.
    sizes = (2.5, 6) if small else (7, 7)
    gone = [point for point in own if point.name is None]
    kept = [point for point in own if point.name is not None]
    for some, face, size in zip((gone, kept), ("white", colour), sizes):
        style = {**_DISC, "markerfacecolor": face, "markersize": size}
        style["markeredgewidth"] = 0.8 if size < 5 else 1.3
        axes.plot(*_places(some), color=colour, **style)


def _draw_not_finite(axes: Axes, points: Sequence[Point]) -> None:
    """Draw saves without a place on the value axis at its lower end."""
    epochs = [point.epoch for point in points if not math.isfinite(point.value)]
    if epochs:
        edge = axes.get_xaxis_transform()
        axes.plot(epochs, [0.025] * len(epochs), transform=edge, **_CROSS)
    if len(epochs) == len(points):
        axes.set_yticks([])


def _draw_best(axes: Axes, points: Sequence[Point]) -> None:
    for point in points:
        if point.best:
            axes.plot([point.epoch], [point.value], **_DIAMOND)


def _draw_legend(axes: Axes, points: Sequence[Point]) -> None:
    from matplotlib.lines import Line2D

    entries = legend(points)
    drawn = axes.legend(
        handles=[Line2D([], [], **_style(entry)) for entry in entries],
        labels=["" for _ in entries],
        loc="lower left",
        bbox_to_anchor=(0, 1),
        ncols=2 if any(entry.mark == "run" for entry in entries) else 3,
        frameon=False,
        borderaxespad=0.2,
        columnspacing=1.5,
    )
    for text, entry in zip(drawn.get_texts(), entries):
        text.set_parse_math(False)  # a run can have any name, even with $
        text.set_text(entry.label)


def _style(entry: Entry) -> dict[str, Any]:
    styles: dict[str, dict[str, Any]] = {
        "run": {"color": entry.colour, "linewidth": 3},
        "kept": {**_DISC, "color": GREY, "markerfacecolor": GREY},
        "gone": {**_DISC, "color": GREY, "markerfacecolor": "white"},
        "not finite": _CROSS,
        "best": _DIAMOND,
    }
    return styles[entry.mark]


def _frame(axes: Axes, points: Sequence[Point]) -> None:
    from matplotlib.ticker import MaxNLocator

    epochs = [point.epoch for point in points]
    room = max(0.5, 0.03 * (max(epochs) - min(epochs)))
    axes.set_xlim(min(epochs) - room, max(epochs) + room)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.margins(y=0.1)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlabel("epoch")
    axes.set_ylabel(shown(points[-1].monitor), parse_math=False)


def _places(points: Sequence[Point]) -> tuple[list[float], list[float]]:
    finite = [p.value if math.isfinite(p.value) else math.nan for p in points]
    return [point.epoch for point in points], finite

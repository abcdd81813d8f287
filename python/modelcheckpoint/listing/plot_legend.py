"""The legend of a plot: its marks and colours, and what they mean."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from modelcheckpoint.display.text import number_text, shown
from modelcheckpoint.listing.plot_points import EARLIER, Point

__all__ = ["BEST", "GREY", "Entry", "colours_of", "legend"]

# Okabe and Ito's palette, which people with colour blindness can distinguish.
_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9")
BEST = "#D55E00"
GREY = "#767676"


@dataclass(frozen=True)
class Entry:
    """A line of the legend.

    Attributes:
        mark: `"run"`, `"kept"`, `"gone"`, `"not finite"` or `"best"`; `"nothing"` if
            there is nothing to draw.
        label: What it means.
        colour: Of the mark.
    """

    mark: str
    label: str
    colour: str = GREY


def colours_of(points: Sequence[Point]) -> dict[str, str]:
    """Return the colour of each series."""
    series = list(dict.fromkeys(point.series for point in points))
    return dict(zip(series, (GREY, *_COLOURS) if EARLIER in series else _COLOURS))


def legend(points: Sequence[Point]) -> list[Entry]:
    """Return the legend of these points."""
    if not points:
        return [Entry("nothing", "The journal tells of no save.")]
    return list(_entries(points))


def _entries(points: Sequence[Point]) -> Iterator[Entry]:
    colours = colours_of(points)
    if len(colours) > 1:
        for series, colour in colours.items():
            yield Entry("run", shown(series), colour)
    finite = [point for point in points if math.isfinite(point.value)]
    if any(point.name is not None for point in finite):
        yield Entry("kept", "kept")
    if any(point.name is None for point in finite):
        yield Entry("gone", "deleted or replaced")
    if len(finite) < len(points):
        yield Entry("not finite", "no finite value")
    best = [point for point in points if point.best]
    if best:
        yield Entry("best", _best_label(best), BEST)


def _best_label(best: Sequence[Point]) -> str:
    """Return the label of the best; lists that are drawn together each have one."""
    if len(best) > 2:
        return f"best of each of {len(best)} lists"
    each = [f"{number_text(p.value)} in epoch {math.ceil(p.epoch)}" for p in best]
    return f"best: {', '.join(dict.fromkeys(each))}"

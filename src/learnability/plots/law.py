"""The law of the window, put to the test with and without a confounded axis."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..summaries import Line
from ._parts import keys, note, open_mark
from .legends import legend
from .style import PAGE, Style, figure, ink, styles

Tables = Mapping[str, pd.DataFrame]
NO_POINTS = "no point: no lag has an alpha above 1\nand an envelope above 0"

PANELS = (
    ("confounded", "log_needed", r"$-\hat\kappa\,\log f$", r"$\log N$"),
    ("attenuation", "log_noise", r"$-\log f$", r"$\log\,\sigma/|m|$"),
)


def law_figure(
    tables: Tables,
    lines: Mapping[str, tuple[Line | None, Line | None]],
    *,
    width: float = PAGE,
) -> Figure:
    """Draw the law of the window twice: confounded, and honest.

    Left both axes hold the same estimated kappa; right neither does. Open arrows are
    lags whose location may be 0: the number is a lower end, and no line was drawn
    through it.

    Args:
        tables: of `summaries.law_points`, all seeds of a group in one.
        lines: the regressions of both panels, by group.
        width: of the figure in inches.
    """
    made, panels = figure(2, width=width)
    found = styles(tables)
    notes = ("the same $\\hat\\kappa$ on both axes", "no $\\hat\\kappa$ on either axis")
    for panel, (ax, (x, y, across, up)) in enumerate(zip(panels, PANELS, strict=True)):
        for name, style in found.items():
            _law(ax, tables[name], x, y, style)
            line = lines[name][panel]
            if line is not None:
                sure = tables[name][~tables[name]["censored"]]
                ends = np.array([sure[x].min(), sure[x].max()])
                ax.plot(ends, line.intercept + line.slope * ends, color=style.colour)
        _near(ax, tables, x, y)
        ax.set(xlabel=across, ylabel=up, title=notes[panel] + _explained(lines, panel))
    entries = [*keys(found)]
    if any(table["censored"].any() for table in tables.values()):
        entries.append(open_mark("^", "at least"))
    legend(made, entries)
    return made


def _near(ax: Axes, tables: Tables, x: str, y: str) -> None:
    """Keep the axes to where the points lie; say how many lie beyond.

    Where alpha comes near 1 kappa has no bound, and one point would flatten all others.
    """
    points = pd.concat(tables.values())[[x, y]].to_numpy(float)
    if not len(points):
        note(ax, NO_POINTS)
        return
    low, high = np.percentile(points, [2, 98], axis=0)
    room = np.maximum(0.5 * (high - low), 0.1)
    low = np.maximum(low - room, points.min(axis=0) - 0.1 * room)
    high = np.minimum(high + room, points.max(axis=0) + 0.1 * room)
    ax.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]))
    beyond = int(((points < low) | (points > high)).any(axis=1).sum())
    if beyond:
        said = f"{beyond} of {len(points)} points lie beyond"
        place = {"ha": "right", "va": "bottom", "transform": ax.transAxes}
        ax.text(0.99, 0.015, said, fontsize=7, color=ink().quiet, **place)


def _explained(lines: Mapping[str, tuple[Line | None, Line | None]], panel: int) -> str:
    """Say the median share of the variance that the lines of a panel explain."""
    drawn = [pair[panel] for pair in lines.values()]
    shares = [line.r2 for line in drawn if line is not None]
    return f" (median R² {np.median(shares):.2f})" if shares else ""


def _law(ax: Axes, table: pd.DataFrame, x: str, y: str, style: Style) -> None:
    censored = table["censored"].to_numpy(bool)
    sure, open_ones = table[~censored], table[censored]
    ax.plot(sure[x], sure[y], ls="", marker=style.marker, color=style.colour)
    ax.plot(
        open_ones[x],
        open_ones[y],
        ls="",
        marker="^",
        ms=3,
        mfc="none",
        mec=style.colour,
        alpha=0.6,
    )

"""The tail index alpha of the gradient's evidence, lag by lag."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ._parts import (
    Runs,
    all_lags,
    bars,
    beside,
    keys,
    lag_axis,
    moved,
    open_mark,
    prepared,
)
from .legends import legend
from .style import PAGE, Style, figure, ink


def tail_index(runs: Runs, ax: Axes | None = None, *, key: bool = True) -> Axes:
    """Draw alpha by lag with its interval, and a line at 2, the Gaussian's.

    A lag whose evidence has no law has no alpha: a cross stands at the lower edge.

    Args:
        runs: diagnoses by architecture.
        ax: axes to draw into; new ones unless given.
        key: whether to draw a legend.

    Returns:
        The axes.

    Raises:
        ValueError: if there are no runs.
    """
    ax, found = prepared(runs, ax)
    lag_axis(ax, all_lags(runs, "evidence"))
    ax.axhline(2, color=ink().quiet, lw=0.8, ls=":", zorder=0.6)
    ax.set_ylim(_lowest(runs), 2.05)
    for name, style in found.items():
        _one(ax, runs[name].group("evidence"), style, len(found))
    ax.set_ylabel(r"tail index $\alpha$")
    if key:
        legend(ax, tail_keys(runs, found))
    return ax


def tail_keys(runs: Runs, found: dict[str, Style]) -> list[Line2D]:
    """Give the legend's entries."""
    gauss = Line2D([], [], color=ink().quiet, lw=0.8, ls=":", label="Gaussian")
    entries = [*keys(found), gauss]
    if any(runs[n].group("evidence")["alpha"].isnull().any() for n in found):
        entries.append(open_mark("x", "no law, no alpha"))
    return entries


def tail_figure(runs: Runs, *, width: float = PAGE) -> Figure:
    """Draw the tail indices of all runs.

    Args:
        runs: diagnoses by architecture.
        width: of the figure in inches.
    """
    made, panels = figure(1, width=width)
    tail_index(runs, panels[0], key=False)
    _, found = prepared(runs, panels[0])
    legend(made, tail_keys(runs, found))
    return made


def _lowest(runs: Runs) -> float:
    """Give the lower end of the axis: just below the lowest interval, at least 0.25."""
    names = ("alpha", "alpha_lower")
    ends = [r.group("evidence")[name].values for r in runs.values() for name in names]
    values = np.concatenate(ends)
    values = values[np.isfinite(values)]
    return min(float(values.min()), 1.8) - 0.05 if values.size else 1.0


def _one(ax: Axes, record: xr.Dataset, style: Style, count: int) -> None:
    lag, alpha = record["lag"].values, record["alpha"].values
    where, seen = moved(ax, style, count), np.isfinite(alpha)
    line = {"color": style.colour, "transform": where}
    ax.plot(lag, alpha, lw=0.6, alpha=0.5, **line)
    ax.plot(lag, alpha, ls="", marker=style.marker, **line)
    low, high = record["alpha_lower"].values, record["alpha_upper"].values
    bars(ax, lag[seen], low[seen], high[seen], style, where)
    lost, edge = lag[~seen], beside(ax, style, count)
    ax.plot(
        lost,
        np.full(lost.size, 0.03),
        ls="",
        marker="x",
        mec=style.colour,
        transform=edge,
    )

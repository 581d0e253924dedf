"""Samples needed N(l): how many sequences show that a dependency at lag l is there."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullFormatter

from ._parts import (
    Runs,
    Values,
    all_lags,
    bars,
    beside,
    hollow,
    keys,
    lag_axis,
    moved,
    note,
    number_axis,
    open_mark,
    prepared,
    task_lags,
)
from .legends import legend
from .style import PAGE, Style, figure

NOT_RESOLVED = "not resolved, at least"
NO_END = "not resolved, no lower end"
NOTHING = "no lag is resolved and none has a lower end:\nthe diagnosis saw no signal"


def samples(runs: Runs, ax: Axes | None = None, *, key: bool = True) -> Axes:
    """Draw N(l) with its interval against the lag.

    A lag that is not resolved has no N(l): an open arrow stands at the lower end of its
    interval, or a cross at the upper edge where that has no end either.

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
    lag_axis(ax, all_lags(runs, "detection"))
    ax.set_yscale("log")
    ax.set_ylabel("sequences needed $N(l)$")
    task_lags(ax, runs)
    low, high = _limits(runs)
    ax.set_ylim(low, high)
    number_axis(ax.yaxis)
    for name, style in found.items():
        _one(ax, runs[name].group("detection"), style, len(found))
    if not np.isfinite(_ends(runs)).any():
        note(ax, NOTHING)
        ax.yaxis.set_major_formatter(NullFormatter())  # a scale of nothing
    if key:
        legend(ax, sample_keys(runs, found, ax))
    return ax


def sample_keys(runs: Runs, found: dict[str, Style], ax: Axes) -> list[Line2D]:
    """Give the legend's entries."""
    entries = keys(found) + task_lags(ax, runs)
    need = [runs[name].group("detection") for name in found]
    lost = np.concatenate([n["lower"].values[np.isinf(n["needed"])] for n in need])
    if np.isfinite(lost).any():
        entries.append(open_mark("^", NOT_RESOLVED))
    if not np.isfinite(lost).all():
        entries.append(open_mark("x", NO_END))
    return entries


def sample_figure(runs: Runs, *, width: float = PAGE) -> Figure:
    """Draw N(l) of all runs.

    Args:
        runs: diagnoses by architecture.
        width: of the figure in inches.
    """
    made, panels = figure(1, width=width)
    samples(runs, panels[0], key=False)
    _, found = prepared(runs, panels[0])
    legend(made, sample_keys(runs, found, panels[0]))
    return made


def _ends(runs: Runs) -> Values:
    """Give every number that the figure has to show."""
    records = [run.group("detection") for run in runs.values()]
    ends = [r[name].values for r in records for name in ("needed", "lower", "upper")]
    return np.concatenate(ends)


def _limits(runs: Runs) -> tuple[float, float]:
    """Give the axis room for every finite number and an arrow above it."""
    values = _ends(runs)
    values = values[np.isfinite(values) & (values > 0)]
    if not values.size:
        return 1.0, 1e3
    return float(values.min()) / 1.5, float(values.max()) * 3


def _one(ax: Axes, record: xr.Dataset, style: Style, count: int) -> None:
    lag, needed = record["lag"].values, record["needed"].values
    lower, upper = record["lower"].values, record["upper"].values
    where, seen = moved(ax, style, count), np.isfinite(needed)
    line = np.where(seen, needed, np.nan)
    ax.plot(lag, line, color=style.colour, marker=style.marker, transform=where)
    top = ax.get_ylim()[1]
    high = np.where(np.isfinite(upper), upper, top)
    bars(ax, lag[seen], lower[seen], high[seen], style, where)
    arrow = hollow(style, "^")
    ends = ~seen & np.isfinite(lower)
    ax.plot(lag[ends], lower[ends], transform=where, **arrow)
    bars(ax, lag[ends], lower[ends], np.full(ends.sum(), top), style, where)
    lost = lag[~seen & ~np.isfinite(lower)]
    edge = beside(ax, style, count)
    ax.plot(lost, np.full(lost.size, 0.97), transform=edge, **hollow(style, "x"))

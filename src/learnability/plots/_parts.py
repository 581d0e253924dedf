"""What several figures share: lag axes, intervals, marks of censored values."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.lines import Line2D
from matplotlib.ticker import (
    FixedLocator,
    FuncFormatter,
    LogLocator,
    MaxNLocator,
    NullFormatter,
    NullLocator,
)
from matplotlib.transforms import (
    ScaledTranslation,
    Transform,
    blended_transform_factory,
)

from ..diagnosis import Diagnosis
from .legends import key, label, whole_figure
from .style import Style, ink, own_axes, styles

Runs = Mapping[str, Diagnosis]
Values = Float[np.ndarray, " value"]

APART = 1.6
"""Points between the lines of two architectures that would hide one another."""
FARTHEST = 8.0
"""Points that the first and the last of many lines may lie apart."""
ROOM = 1.25
"""Factor of room at the ends of a logarithmic axis."""
FEW_LAGS = 6
"""So many lags can each have a tick of their own."""
OWN = "this study"
"""What a legend calls the runs beside which others are laid."""
MARGIN, DIGIT, GAP = 0.55, 0.067, 0.06
"""Inches beside a panel, of a tick's digit, and between two ticks."""
SHORT_AXIS = 2.6
"""Decades below which a logarithmic axis has room for ticks at 1, 2 and 5."""


def prepared(runs: Runs, ax: Axes | None) -> tuple[Axes, dict[str, Style]]:
    """Give the axes to draw into and the styles of the runs."""
    if not runs:
        raise ValueError("there are no runs to draw; give at least one diagnosis")
    return own_axes(ax), styles(runs)


def has(run: Diagnosis, group: str) -> bool:
    """Say whether a diagnosis holds a group of results."""
    return group in run.tree.children


def moved(ax: Axes, style: Style, count: int, *, upright: bool = False) -> Transform:
    """Give the data's transform, moved by a few points that tell runs apart.

    The data stay what the record says; only the ink moves.
    """
    points = _aside(style, count)
    shift = (0, points) if upright else (points, 0)
    inches = whole_figure(ax).dpi_scale_trans
    return ax.transData + ScaledTranslation(*shift, inches)


def _aside(style: Style, count: int) -> float:
    """Give the inches by which one of so many lines is moved."""
    return (style.place - (count - 1) / 2) * min(APART, FARTHEST / count) / 72


def plain_number(value: float, _: object = None) -> str:
    """Give a tick's number without an exponent where it is short."""
    if 1e-3 <= abs(value) < 1e5:
        return f"{value:.6g}"
    exponent = round(np.log10(value)) if value > 0 else 0
    return rf"$10^{{{exponent}}}$"


def lag_axis(ax: Axes, lags: Iterable[float], *, logarithmic: bool = True) -> None:
    """Lay out the axis of lags, from the first to the last with a little room."""
    grid = np.fromiter(lags, float)
    ax.set_xlabel("lag in steps")
    if not logarithmic:
        ax.set_xlim(0, grid.max() * 1.05)
        most = int(np.clip(_room(ax.xaxis), 3, 9))
        ax.xaxis.set_major_locator(MaxNLocator(most, integer=True))
        return
    ax.set_xscale("log")
    ax.set_xlim(grid.min() / ROOM, grid.max() * ROOM)
    number_axis(ax.xaxis)
    if grid.size <= FEW_LAGS:
        ax.xaxis.set_major_locator(FixedLocator(grid.tolist()))
        ax.xaxis.set_minor_locator(NullLocator())


def number_axis(axis: Axis) -> None:
    """Mark a logarithmic axis with plain numbers, more of them where it is short."""
    low, high = axis.get_view_interval()
    decades = np.log10(high / low)
    choices = [(1.0, 2.0, 5.0), (1.0, 3.0)] if decades < SHORT_AXIS else []
    fitting = (subs for subs in choices if decades * len(subs) < _room(axis))
    axis.set_major_locator(LogLocator(subs=next(fitting, (1.0,)), numticks=12))
    axis.set_major_formatter(FuncFormatter(plain_number))
    axis.set_minor_formatter(NullFormatter())


def _room(axis: Axis) -> float:
    """Give how many labels fit side by side; one above another as many as there are."""
    if axis is axis.axes.yaxis:
        return np.inf
    place = axis.axes.get_subplotspec()
    columns = 1 if place is None else place.get_gridspec().ncols
    room = whole_figure(axis.axes).get_figwidth() / columns - MARGIN
    longest = len(plain_number(axis.get_view_interval()[1]).split(".")[0])
    return room / (DIGIT * longest + GAP)


def all_lags(runs: Runs, group: str, name: str = "lag") -> Values:
    """Give the lags of all runs, sorted, each once."""
    grids = [
        run.group(group)[name].values.astype(float)
        for run in runs.values()
        if has(run, group)
    ]
    return np.unique(np.concatenate(grids)) if grids else np.array([])


def lags_of(tables: Mapping[str, pd.DataFrame]) -> Values:
    """Give the lags of tables over lags, sorted, each once."""
    grids = [np.asarray(table.index, float) for table in tables.values()]
    return np.unique(np.concatenate(grids))


def task_lags(ax: Axes, runs: Runs) -> list[Line2D]:
    """Mark the lags that the task really has; give the legend's entry."""
    found = all_lags(runs, "training", "task_lag")
    for lag in found:
        ax.axvline(lag, color=ink().quiet, lw=0.8, ls=":", alpha=0.7, zorder=0.6)
    if not found.size:
        return []
    return [Line2D([], [], color=ink().quiet, lw=0.8, ls=":", label="lag of the task")]


def bars(
    ax: Axes, x: Values, low: Values, high: Values, style: Style, where: Transform
) -> None:
    """Draw intervals as upright bars."""
    ax.vlines(
        x,
        low,
        high,
        color=style.colour,
        lw=1.0,
        alpha=0.55,
        transform=where,
        zorder=1.9,
    )


def beside(ax: Axes, style: Style, count: int) -> Transform:
    """Give a transform whose y runs from 0 to 1 over the axes, moved apart by run."""
    shift = ScaledTranslation(_aside(style, count), 0, whole_figure(ax).dpi_scale_trans)
    return blended_transform_factory(ax.transData, ax.transAxes) + shift


def hollow(style: Style, marker: str) -> dict[str, Any]:
    """Give the options of marks for censored values: open ones, without a line."""
    return {"ls": "", "marker": marker, "mfc": "none", "mec": style.colour}


def keys(
    found: Mapping[str, Style], *, marked: bool = True, dashed: bool = False
) -> list[Line2D]:
    """Give a legend's entries: an architecture each, or colours and marks apart.

    Of 5 cells with 3 optimizers 8 entries say as much as 15.

    Args:
        found: styles by name.
        marked: whether the lines carry marks.
        dashed: whether the lines are dashed.
    """
    cells = {style.cell: style for style in found.values()}
    rests = {style.rest: style for style in found.values()}
    if len(cells) + len(rests) < len(found):
        return [
            *(key(s, label(cell), marker="") for cell, s in cells.items()),
            *(_other(s, marked, dashed) for s in rests.values()),
        ]
    changes = {} if marked else {"marker": ""}
    return [
        key(style, label(name), ls=style.dash if dashed else "-", **changes)
        for name, style in found.items()
    ]


def _other(style: Style, marked: bool, dashed: bool) -> Line2D:
    """Give the entry of what tells lines of one colour apart, in no colour's ink."""
    return key(
        style,
        label(style.rest or OWN),
        color=ink().quiet,
        marker=style.marker if marked else "",
        ls=style.dash if dashed else "-",
    )


def note(ax: Axes, text: str) -> None:
    """Say in a panel why nothing or little is to be seen there."""
    ax.text(
        0.5,
        0.5,
        text,
        transform=ax.transAxes,
        ha="center",
        va="center",
        linespacing=1.4,
        bbox={"fc": ink().paper, "ec": "none", "alpha": 0.85, "pad": 2},
        zorder=5,
    )


def open_mark(marker: str, text: str) -> Line2D:
    """Give the legend's entry of a mark for censored values."""
    quiet = ink().quiet
    return Line2D([], [], ls="", marker=marker, mfc="none", mec=quiet, label=text)

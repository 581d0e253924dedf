"""The window H_N: how far back N sequences let a network see."""

from collections.abc import Iterable

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from ._parts import (
    Runs,
    all_lags,
    keys,
    moved,
    note,
    number_axis,
    open_mark,
    prepared,
)
from .legends import legend
from .style import PAGE, Style, figure, ink

BUDGETS = tuple(float(n) for n in np.logspace(0, 6, 61))
"""Ten budgets a decade, from one sequence to a million."""
NO_WINDOW = "no window: not even the shortest lag\nis detected with any number shown"


def windows(
    runs: Runs,
    ax: Axes | None = None,
    *,
    budgets: Iterable[float] = BUDGETS,
    key: bool = True,
) -> Axes:
    """Draw the window H_N against the number of sequences N, its interval as a band.

    A window that reaches the longest lag measured is censored: it lies there or beyond,
    and is drawn with open arrows.

    Args:
        runs: diagnoses by architecture.
        ax: axes to draw into; new ones unless given.
        budgets: numbers of sequences N, increasing.
        key: whether to draw a legend.

    Returns:
        The axes.

    Raises:
        ValueError: if there are no runs, or a budget is not above 0.
    """
    ax, found = prepared(runs, ax)
    numbers = list(budgets)
    last = all_lags(runs, "detection").max()
    ax.set(xscale="log", xlim=(min(numbers) / 1.1, max(numbers) * 1.1))
    ax.set_ylim(-0.03 * last, 1.1 * last)
    ax.axhline(last, color=ink().quiet, lw=0.8, ls=":", zorder=0.6)
    for name, style in found.items():
        _one(ax, runs[name].window(numbers), style, len(found))
    ax.set_xlabel("sequences $N$")
    ax.set_ylabel("window $H_N$ in steps")
    number_axis(ax.xaxis)
    ax.yaxis.set_major_locator(MaxNLocator(integer=True))
    if not any(runs[name].window(numbers)["window"].any() for name in found):
        note(ax, NO_WINDOW)
    if key:
        legend(ax, window_keys(runs, found, numbers))
    return ax


def window_keys(
    runs: Runs, found: dict[str, Style], budgets: list[float]
) -> list[Line2D]:
    """Give the legend's entries."""
    grid = Line2D(
        [], [], color=ink().quiet, lw=0.8, ls=":", label="longest lag measured"
    )
    entries = [*keys(found), grid]
    if any(runs[name].window(budgets)["censored"].any() for name in found):
        entries.append(open_mark("^", "there or beyond"))
    return entries


def window_figure(runs: Runs, *, width: float = PAGE) -> Figure:
    """Draw the windows of all runs.

    Args:
        runs: diagnoses by architecture.
        width: of the figure in inches.
    """
    made, panels = figure(1, width=width)
    windows(runs, panels[0], key=False)
    _, found = prepared(runs, panels[0])
    legend(made, window_keys(runs, found, list(BUDGETS)))
    return made


def _one(ax: Axes, table: pd.DataFrame, style: Style, count: int) -> None:
    budgets, reach = table.index.to_numpy(), table["window"].to_numpy()
    where = moved(ax, style, count, upright=True)
    ax.fill_between(
        budgets,
        table["lower"],
        table["upper"],
        step="post",
        color=style.colour,
        alpha=0.13,
        lw=0,
    )
    ax.step(
        budgets,
        reach,
        where="post",
        color=style.colour,
        marker=style.marker,
        markevery=_decades(budgets, ~table["censored"].to_numpy()),
        transform=where,
    )
    beyond = _decades(budgets, table["censored"].to_numpy())
    ax.plot(
        budgets[beyond],
        reach[beyond],
        ls="",
        marker="^",
        mfc=ink().paper,
        mec=style.colour,
        transform=where,
    )


def _decades(budgets: np.ndarray, chosen: np.ndarray) -> list[int]:
    """Give the places to mark among those chosen: their first, then one a decade."""
    places: list[int] = []
    for place in np.flatnonzero(chosen):
        if not places or budgets[place] >= 9.99 * budgets[places[-1]]:
            places.append(int(place))
    return places

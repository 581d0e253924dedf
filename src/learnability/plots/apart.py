"""What decides the window, taken apart: gates and optimizer, signal and noise floor."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ._parts import (
    hollow,
    keys,
    lag_axis,
    lags_of,
    note,
    number_axis,
    open_mark,
    plain_number,
)
from .envelope import FLOOR
from .legends import legend
from .style import PAGE, Style, figure, ink, styles

NO_RATES = "the weights are\nthe initial ones: the\noptimizer has no rates"
NO_SIGNAL = "no lag is resolved:\nno signal above 0\nwas seen"
SHARES = {
    "gates": "gates alone",
    "network": "whole network",
    "trained": "with the optimizer's rates",
}


def split_figure(tables: Mapping[str, pd.DataFrame], *, width: float = PAGE) -> Figure:
    """Draw f(l)/f(0) of the gates alone, of the network, and with base rates.

    Args:
        tables: of `summaries.envelope_shares`, by group.
        width: of the figure in inches.
    """
    made, panels = figure(len(SHARES), width=width)
    found, below = styles(tables), False
    for ax, (column, title) in zip(panels, SHARES.items(), strict=True):
        for name, style in found.items():
            below |= _share(ax, tables[name], column, style)
        ax.set(yscale="log", title=title)
        lag_axis(ax, lags_of(tables))
        _without_rates(ax, [np.isnan(t[column]).all() for t in tables.values()])
    low = min(ax.get_ylim()[0] for ax in panels)
    high = max(ax.get_ylim()[1] for ax in panels)
    for ax in panels:  # one scale, so that panels can be compared
        ax.set_ylim(min(max(low, FLOOR), 0.1), max(high, 2))
        number_axis(ax.yaxis)
    panels[0].set_ylabel("envelope $f(l)/f(0)$")
    entries = keys(found)
    if below:
        entries.append(open_mark("v", f"below {plain_number(FLOOR)}"))
    legend(made, entries)
    return made


def _without_rates(ax: Axes, missing: Sequence[np.bool_]) -> None:
    """Say that lines are missing in the panel with the optimizer's rates."""
    lost = int(np.sum(missing))
    if lost == len(missing):
        note(ax, NO_RATES)
    elif lost:
        said = f"{lost} of {len(missing)} have no rates"
        place = {"ha": "left", "va": "bottom", "transform": ax.transAxes}
        ax.text(0.02, 0.02, said, fontsize=7, color=ink().quiet, **place)


def _share(ax: Axes, table: pd.DataFrame, column: str, style: Style) -> bool:
    """Draw one line; say whether some of it lies below what the axis shows."""
    lag, f = table.index.to_numpy(float), np.asarray(table[column], float)
    seen = f >= FLOOR
    few = max(1, lag.size // 8)
    shown = np.where(seen, f, np.nan)
    ax.plot(lag, shown, color=style.colour, marker=style.marker, markevery=few)
    lost = lag[f < FLOOR]
    if lost.size:
        places = np.full(lost.size, FLOOR)
        ax.plot(lost, places, clip_on=False, **hollow(style, "v"))
    return bool(lost.size)


def floor_figure(tables: Mapping[str, pd.DataFrame], *, width: float = PAGE) -> Figure:
    """Draw the signal of each lag against the noise floor, a panel a budget.

    What lies above the dashed line of its colour is detected with so many sequences.

    Args:
        tables: of `summaries.noise_floor`, by group.
        width: of the figure in inches.
    """
    budgets = next(iter(tables.values())).attrs["budgets"]
    made, panels = figure(len(budgets), width=width)
    found, open_ones = styles(tables), False
    for ax, budget in zip(panels, budgets, strict=True):
        for name, style in found.items():
            table = tables[name]
            lag, signal = table.index.to_numpy(float), table["signal"].to_numpy()
            sure = ~table["censored"].to_numpy(bool)
            line = np.where(sure, signal, np.nan)
            few = max(1, lag.size // 8)
            ax.plot(lag, line, color=style.colour, marker=style.marker, markevery=few)
            ax.plot(lag[~sure], signal[~sure], alpha=0.7, **hollow(style, "v"))
            # Of a single lag there is a mark, since a line needs two.
            alone = {"marker": "_", "ms": 9} if lag.size == 1 else {}
            ax.plot(lag, table[budget], color=style.colour, lw=0.9, ls="--", **alone)
            open_ones |= bool((~sure & np.isfinite(signal) & (signal > 0)).any())
        ax.set(yscale="log")
        number = f"{budget:,.0f}" if budget >= 1 else f"{budget:g}"
        ax.set_title(f"$N$ = {number}")
        lag_axis(ax, lags_of(tables))
        if not any((table["signal"] > 0).any() for table in tables.values()):
            note(ax, NO_SIGNAL)
    low = min(ax.get_ylim()[0] for ax in panels)
    high = max(ax.get_ylim()[1] for ax in panels)
    for ax in panels:
        ax.set_ylim(low, high)
        number_axis(ax.yaxis)
    panels[0].set_ylabel(r"signal $c\,\|s_l\|$")
    dashed = Line2D([], [], color=ink().quiet, lw=0.9, ls="--", label="noise floor")
    entries = [*keys(found), dashed]
    if open_ones:
        entries.append(open_mark("v", "not resolved, at most"))
    legend(made, entries)
    return made

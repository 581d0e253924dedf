"""Samples needed N(l), and the signal of each lag beside the noise of N sequences."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import NullFormatter

from ..summaries import Row, records
from ..words import short
from ._parts import (
    Look,
    Tables,
    Values,
    lag_axis,
    lags_of,
    note,
    number_axis,
    own,
    series,
    styled,
    task_lags,
)
from .legends import keys, open_mark, stroke
from .style import Style
from .windows import chosen

NOT_RESOLVED = "not resolved, at least"
NO_END = "not resolved, no lower end"
NOTHING = "no lag is resolved and none has a lower end:\nthe diagnosis saw no signal"
NO_SIGNAL = "no lag is resolved:\nno signal above 0\nwas seen"
# Fewer sequences than one there are not: what needs less stands here.
ONE = 1.0


def samples(
    tables: Tables,
    ax: Axes,
    *,
    budgets: Sequence[float] = (),
    asked: Sequence[int] = (),
    names: Sequence[str] = (),
) -> Axes:
    """Draw N(l) with its interval against the lag; what is below 1 stands at 1.

    A lag that is not resolved has no N(l): an open arrow stands at the lower end of its
    interval, or a cross at the upper edge where that has no end either.

    Args:
        tables: of `summaries.sample_spread`, by line.
        ax: axes to draw into.
        budgets: numbers of sequences to mark, each a group.
        asked: lags at which the targets depend on the inputs.
        names: of all lines of the page.

    Returns:
        The axes.
    """
    found = styled(tables, names)
    lag_axis(ax, lags_of(tables))
    ends = np.concatenate([table.to_numpy(float).ravel() for table in tables.values()])
    finite = ends[np.isfinite(ends) & (ends > 0)]
    top = max(float(finite.max()), *budgets, 10.0) * 3 if finite.size else 1e3
    ax.set(yscale="log", ylim=(ONE / 1.4, top), ylabel="sequences needed")
    task_lags(ax, asked)
    chosen(ax, budgets, upright=False)
    number_axis(ax.yaxis)
    for name, style in found.items():
        _needed(ax, name, tables[name], style, top)
    if not np.isfinite(ends).any():
        note(ax, NOTHING)
        ax.yaxis.set_major_formatter(NullFormatter())  # a scale of nothing
    return ax


def _needed(ax: Axes, name: str, table: pd.DataFrame, style: Style, top: float) -> None:
    lag = table.index.to_numpy(float)
    needed, lower, upper = (
        np.maximum(table[n].to_numpy(float), ONE) for n in ("needed", "lower", "upper")
    )
    seen = np.isfinite(needed)
    lost = np.isinf(needed) & ~np.isfinite(lower)
    y = np.where(seen, needed, np.where(lost, top / 1.2, lower))
    says = [f"{name} at lag {n}: {_said(row)}" for n, row in records(table).items()]
    at_least = seen | np.isinf(needed) & ~lost
    ends = (lower[at_least], np.minimum(upper, top)[at_least])
    series(
        ax,
        style,
        lag[at_least],
        y[at_least],
        ends=ends,
        opened=~seen[at_least],
        says=[said for said, one in zip(says, at_least, strict=True) if one],
    )
    if lost.any():
        crosses = ax.plot(lag[lost], y[lost], "x", color=style.colour)
        own(crosses, style)


def _said(row: Row) -> str:
    """Say how many sequences a lag needs."""
    needed, low, high = (row[name] for name in ("needed", "lower", "upper"))
    if np.isnan(needed):
        return "learnt already, so that none are defined"
    if np.isfinite(needed):
        return f"{short(needed)} sequences ({short(low)} to {short(high)})"
    return f"not resolved, at least {short(low)}" if np.isfinite(low) else NO_END


def sample_keys(
    tables: Tables, asked: Sequence[int] = (), names: Sequence[str] = ()
) -> list[Line2D]:
    """Return the legend's entries."""
    entries = keys(styled(tables, names))
    if len(asked):
        entries.append(stroke("lag of the task", lw=0.8, ls=":"))
    lost = pd.concat([t.loc[np.isinf(t["needed"]), "lower"] for t in tables.values()])
    if np.isfinite(lost).any():
        entries.append(open_mark("^", NOT_RESOLVED))
    if not np.isfinite(lost).all():
        entries.append(open_mark("x", NO_END))
    return entries


def noise_floor(
    tables: Tables, ax: Axes, *, asked: Sequence[int] = (), names: Sequence[str] = ()
) -> Axes:
    """Draw the signal of each lag beside the noise floor of N sequences.

    What lies above the dashed line of its colour is detected with so many sequences.
    The floors of every number of sequences are a group.

    Args:
        tables: of `summaries.noise_floor`, by line.
        ax: axes to draw into.
        asked: lags at which the targets depend on the inputs.
        names: of all lines of the page.

    Returns:
        The axes.
    """
    found = styled(tables, names)
    lag_axis(ax, lags_of(tables))
    ax.set_yscale("log")
    task_lags(ax, asked)
    for name, style in found.items():
        table = tables[name]
        lag, signal = table.index.to_numpy(float), table["signal"].to_numpy()
        unsure = table["censored"].to_numpy(bool)
        positive = np.where(signal > 0, signal, np.nan)
        says = [
            f"{name} at lag {x:g}: signal {'at most ' if u else ''}{short(y, 2)}"
            for x, y, u in zip(lag, signal, unsure, strict=True)
        ]
        series(ax, style, lag, positive, opened=unsure, arrow="v", says=says)
        # Of a single lag there is a mark, since a line needs two.
        alone: Look = {"marker": "_", "ms": 9} if lag.size == 1 else {}
        for place, budget in enumerate(table.attrs["budgets"]):
            floor = ax.plot(
                lag, table[budget], color=style.colour, lw=0.9, ls="--", **alone
            )
            own(floor, style, place)
    ax.set_ylabel("signal, and noise floor")
    if not any((table["signal"] > 0).any() for table in tables.values()):
        note(ax, NO_SIGNAL)
    number_axis(ax.yaxis)
    return ax


def floor_keys(tables: Tables, names: Sequence[str] = ()) -> list[Line2D]:
    """Return the legend's entries."""
    entries = [*keys(styled(tables, names)), stroke("noise floor")]
    unsure = pd.concat(
        [t.loc[t["censored"].astype(bool), "signal"] for t in tables.values()]
    )
    if (unsure.to_numpy() > 0).any():
        entries.append(open_mark("v", "not resolved, at most"))
    return entries


def detected(table: pd.DataFrame, budget: float) -> Values:
    """Return which lags stand above the noise floor of N sequences."""
    above = table["signal"].to_numpy(float) >= table[budget].to_numpy(float)
    return above & ~table["censored"].to_numpy(bool)

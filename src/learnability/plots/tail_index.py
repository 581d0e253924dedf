"""The tail index alpha of the gradient's evidence, by lag and by estimator."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from ..summaries import ESTIMATORS
from ..words import short
from ._parts import (
    Look,
    Tables,
    beside,
    lag_axis,
    lags_of,
    note,
    own,
    series,
    styled,
    values,
)
from .legends import keys, open_mark, stroke
from .style import ink

TITLES = {
    "koutrouvelis": "Koutrouvelis",
    "mcculloch": "McCulloch",
    "likelihood": "maximum likelihood",
}
GAUSS = 2.0


def tail_index(
    tables: Tables, ax: Axes, *, estimator: str | None = None, names: Sequence[str] = ()
) -> Axes:
    """Draw alpha by lag with its interval, and a line at 2, the Gaussian's.

    A lag whose evidence has no law has no alpha: a cross stands at the lower edge.

    Args:
        tables: of `summaries.tail_spread`, by line, or of `mean_alphas`.
        ax: axes to draw into.
        estimator: of `mean_alphas`; bars are then a deviation over seeds.
        names: of all lines of the page.

    Returns:
        The axes.
    """
    lag_axis(ax, lags_of(tables))
    ax.axhline(GAUSS, color=ink().quiet, lw=0.8, ls=":", zorder=0.6)
    lowest, known = 1.8, False
    for name, style in styled(tables, names).items():
        table = _alpha(tables[name], estimator)
        lag, alpha = table.index.to_numpy(float), table["alpha"].to_numpy(float)
        says = [
            f"{name} at lag {x:g}: alpha {short(a)}" for x, a in values(table, "alpha")
        ]
        ends = (table["alpha_lower"], table["alpha_upper"])
        series(ax, style, lag, alpha, ends=ends, says=says, ls="")
        gone = lag[np.isnan(alpha)]
        cross: Look = {"ls": "", "marker": "x", "color": style.colour}
        own(
            ax.plot(
                gone, np.full(gone.size, 0.03), transform=beside(ax, style), **cross
            ),
            style,
        )
        lowest = np.nanmin([lowest, *table["alpha"], *table["alpha_lower"]])
        known |= bool(np.isfinite(alpha).any())
    ax.set(ylim=(lowest - 0.05, GAUSS + 0.05), ylabel="tail index α")
    if estimator is not None:
        ax.set_title(TITLES[estimator])
    if not known:
        note(ax, "no lag has an alpha")
    return ax


def _alpha(table: pd.DataFrame, estimator: str | None) -> pd.DataFrame:
    """Return alpha with its ends, of an estimator a deviation away; none is above 2."""
    if estimator is None:
        return table
    alpha = table[estimator, "alpha"].to_numpy(float)
    away = np.nan_to_num(table[estimator, "deviation"].to_numpy(float))
    columns = {"alpha": alpha, "alpha_lower": alpha - away, "alpha_upper": alpha + away}
    return pd.DataFrame(columns, index=table.index).clip(upper=GAUSS)


def disagreement(tables: Tables, ax: Axes, *, names: Sequence[str] = ()) -> Axes:
    """Draw the largest difference between the estimators of alpha, lag by lag.

    Args:
        tables: of `summaries.mean_alphas`, by line.
        ax: axes to draw into.
        names: of all lines of the page.

    Returns:
        The axes.
    """
    lag_axis(ax, lags_of(tables))
    for name, style in styled(tables, names).items():
        gap = differences(tables[name])
        says = [
            f"{name} at lag {x:g}: estimators differ by {short(y, 2)}"
            for x, y in gap.items()
        ]
        series(ax, style, gap.index, gap, says=says)
    ax.set(title="largest difference", ylabel="difference of α")
    ax.set_ylim(bottom=0)
    return ax


def differences(table: pd.DataFrame) -> pd.Series:
    """Return the largest difference between the estimators at each lag."""
    every = np.stack([table[name, "alpha"].to_numpy(float) for name in ESTIMATORS])
    known = np.isfinite(every)
    high = np.where(known, every, -np.inf).max(axis=0)
    low = np.where(known, every, np.inf).min(axis=0)
    return pd.Series(np.where(known.any(axis=0), high - low, np.nan), table.index)


def tail_keys(
    tables: Tables, estimator: str | None = None, names: Sequence[str] = ()
) -> list[Line2D]:
    """Return the legend's entries."""
    entries = [*keys(styled(tables, names)), stroke("Gaussian", lw=0.8, ls=":")]
    parts = [_alpha(table, estimator)["alpha"] for table in tables.values()]
    if pd.concat(parts).isna().to_numpy().any():
        entries.append(open_mark("x", "no law, no alpha"))
    return entries

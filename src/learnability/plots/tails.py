"""The tail index alpha by lag, and the law of the window that rests on it."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from ..summaries.law import ESTIMATORS, PANELS, law_lines
from ..words import short
from . import _parts as parts
from ._parts import Look, Tables, own, styled
from .legends import explain, open_mark, stroke

TITLES = {
    "koutrouvelis": "Koutrouvelis",
    "mcculloch": "McCulloch",
    "likelihood": "maximum likelihood",
}
GAUSS = 2.0
NO_POINTS = "no point: no lag has an alpha above 1\nand an envelope above 0"
AXES = (("−κ̂ log f", "log N"), ("−log f", "log σ/|m|"))
LAW_TITLES = ("the same κ̂ on both axes", "no κ̂ on either axis")


def tail_index(
    tables: Tables, ax: Axes, *, estimator: str | None = None, names: Sequence[str] = ()
) -> Axes:
    """Draw alpha by lag with its interval, and a line at 2, the Gaussian's.

    A lag whose evidence has no law has no alpha: a cross stands at the lower edge.

    Args:
        tables: of `summaries.tail_spread`, by line, or of `mean_alphas`.
        estimator: of `mean_alphas`; bars are then a deviation over seeds.
    """
    parts.lag_axis(ax, tables)
    parts.level(ax, GAUSS)
    found = styled(tables, names)
    shown = {name: _alpha(table, estimator) for name, table in tables.items()}
    for name, style in found.items():
        lag, alpha, *ends = parts.columns(
            shown[name], "alpha", "alpha_lower", "alpha_upper"
        )
        says = [
            f"{name} at lag {x:g}: alpha {short(a)}"
            for x, a in parts.values(shown[name], "alpha")
        ]
        parts.series(ax, style, lag, alpha, ends=ends, says=says, ls="")
        gone = lag[np.isnan(alpha)]
        cross: Look = {"ls": "", "marker": "x", "color": style.colour}
        cross["transform"] = parts.beside(ax, style)
        own(ax.plot(gone, np.full(gone.size, 0.03), **cross), style)
    alphas = parts.every(shown, "alpha")
    lowest = np.nanmin([1.8, *parts.every(shown, "alpha", "alpha_lower")])
    ax.set(ylim=(lowest - 0.05, GAUSS + 0.05), ylabel="tail index α")
    if estimator is not None:
        ax.set_title(TITLES[estimator])
    if not np.isfinite(alphas).any():
        parts.note(ax, "no lag has an alpha")
    lost = [open_mark("x", "no law, no alpha")] * bool(np.isnan(alphas).any())
    return explain(ax, found, stroke("Gaussian", lw=0.8, ls=":"), *lost)


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
    """
    parts.lag_axis(ax, tables)
    found = styled(tables, names)
    for name, style in found.items():
        gap = differences(tables[name])
        says = [
            f"{name} at lag {x:g}: estimators differ by {short(y, 2)}"
            for x, y in gap.items()
        ]
        parts.series(ax, style, gap.index, gap, says=says)
    ax.set(title="largest difference", ylabel="difference of α")
    ax.set_ylim(bottom=0)
    return explain(ax, found)


def differences(table: pd.DataFrame) -> pd.Series:
    """Return the largest difference between the estimators at each lag."""
    every = table[[(name, "alpha") for name in ESTIMATORS]]
    every = every.where(np.isfinite(every))
    return every.max(axis=1) - every.min(axis=1)


def law(tables: Tables, ax: Axes, *, panel: int = 1, names: Sequence[str] = ()) -> Axes:
    """Draw the law of the window, confounded (0) or honest (1), with its regressions.

    In the first both axes hold the same estimated kappa; in the second neither does.
    Open arrows are lags whose location may be 0: the number is a lower end, and no line
    was drawn through it.

    Args:
        tables: of `summaries.law_points`, all seeds of a line in one.
        panel: which of the two.
    """
    (x, y), found = PANELS[panel], styled(tables, names)
    for name, style in found.items():
        table = tables[name]
        unsure = table["censored"].to_numpy(bool)
        sure, open_ones = table[~unsure], table[unsure]
        look: Look = {"ls": "", "color": style.colour}
        drawn = ax.plot(sure[x], sure[y], marker=style.marker, **look)
        arrow: Look = {"marker": "^", "ms": 3, "mfc": "none", "alpha": 0.6}
        drawn += ax.plot(open_ones[x], open_ones[y], **look, **arrow)
        line = law_lines(table)[panel]
        if line is not None:
            ends = np.array([sure[x].min(), sure[x].max()])
            fit = line.intercept + line.slope * ends
            drawn += ax.plot(ends, fit, color=style.colour, ls=style.dash)
        own(drawn, style)
        says = [f"{name} at lag {lag}" for lag in table.index]
        _, across, up = parts.columns(table, x, y)
        parts.hits(ax, style, across, up, says)
    _near(ax, parts.every(tables, x, y).reshape(-1, 2))
    ax.set(xlabel=AXES[panel][0], ylabel=AXES[panel][1], title=LAW_TITLES[panel])
    unsure = any(table["censored"].any() for table in tables.values())
    return explain(ax, found, *[open_mark("^", "at least")] * unsure, dashed=True)


def explained(tables: Tables, panel: int) -> float:
    """Return the median share of the variance that the lines of a panel explain."""
    lines = [law_lines(table)[panel] for table in tables.values()]
    shares = [float(line.rvalue**2) for line in lines if line is not None]
    return float(np.median(shares)) if shares else np.nan


def _near(ax: Axes, points: np.ndarray) -> None:
    """Keep the axes to where the points lie; say how many lie beyond.

    Where alpha comes near 1 kappa has no bound, and one point would flatten all others.
    """
    if not len(points):
        parts.note(ax, NO_POINTS)
        return
    low, high = np.percentile(points, [2, 98], axis=0)
    room = np.maximum(0.5 * (high - low), 0.1)
    low = np.maximum(low - room, points.min(axis=0) - 0.1 * room)
    high = np.minimum(high + room, points.max(axis=0) + 0.1 * room)
    ax.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]))
    beyond = int(((points < low) | (points > high)).any(axis=1).sum())
    if beyond:
        parts.remark(ax, f"{beyond} of {len(points)} points lie beyond")

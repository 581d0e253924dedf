"""The law of the window, put to the test with and without a confounded axis."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from ..summaries.law import PANELS, law_lines
from ._parts import Look, Tables, hits, note, own, remark, styled
from .legends import keys, open_mark

NO_POINTS = "no point: no lag has an alpha above 1\nand an envelope above 0"
AXES = (("−κ̂ log f", "log N"), ("−log f", "log σ/|m|"))
TITLES = ("the same κ̂ on both axes", "no κ̂ on either axis")


def law(tables: Tables, ax: Axes, *, panel: int = 1, names: Sequence[str] = ()) -> Axes:
    """Draw the law of the window, confounded (0) or honest (1), with its regressions.

    In the first both axes hold the same estimated kappa; in the second neither does.
    Open arrows are lags whose location may be 0: the number is a lower end, and no line
    was drawn through it.

    Args:
        tables: of `summaries.law_points`, all seeds of a line in one.
        ax: axes to draw into.
        panel: which of the two.
        names: of all lines of the page.

    Returns:
        The axes.
    """
    x, y = PANELS[panel]
    for name, style in styled(tables, names).items():
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
        hits(ax, style, table[x].to_numpy(), table[y].to_numpy(), says)
    _near(ax, tables, x, y)
    ax.set(xlabel=AXES[panel][0], ylabel=AXES[panel][1], title=TITLES[panel])
    return ax


def explained(tables: Tables, panel: int) -> float:
    """Return the median share of the variance that the lines of a panel explain."""
    lines = [law_lines(table)[panel] for table in tables.values()]
    shares = [line.r2 for line in lines if line is not None]
    return float(np.median(shares)) if shares else np.nan


def law_keys(tables: Tables, names: Sequence[str] = ()) -> list[Line2D]:
    """Return the legend's entries."""
    entries = keys(styled(tables, names), dashed=True)
    if any(table["censored"].any() for table in tables.values()):
        entries.append(open_mark("^", "at least"))
    return entries


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
        remark(ax, f"{beyond} of {len(points)} points lie beyond")

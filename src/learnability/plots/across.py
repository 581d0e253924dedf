"""Figures across seeds: what the runs of one network and optimizer have in common."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from ..detection.decay_fit import FEWEST_LAGS
from ._parts import (
    hollow,
    keys,
    lag_axis,
    lags_of,
    moved,
    note,
    number_axis,
    open_mark,
    plain_number,
)
from .envelope import FLOOR, SCALINGS, set_height
from .learning import epoch_axis
from .legends import legend, whole_figure
from .style import PAGE, Style, figure, ink, styles
from .windows import NO_WINDOW

Tables = Mapping[str, pd.DataFrame]
SLOT = 3.2
"""Points that an inch of a figure has for the boxes of a budget."""


def window_spreads(tables: Tables, *, width: float = PAGE) -> Figure:
    """Draw H_N against N across seeds, and boxes at the study's budgets.

    Left: the mean, a deviation as a band, the tenth and ninetieth percentile dotted.
    Right: boxes from the 25th to the 75th percentile, the median as a bar, whiskers to
    the tenth and ninetieth. Open arrows: some windows reach the last lag, so that the
    true numbers lie there or beyond.

    Args:
        tables: of `summaries.window_spread`, by group.
        width: of the figure in inches.
    """
    made, (left, right) = figure(2, width=width)
    found = styles(tables)
    for name, style in found.items():
        _window_line(left, tables[name], style, len(found))
        _boxes(right, tables[name], style, len(found))
    budgets = np.concatenate([t.index.to_numpy(float) for t in tables.values()])
    nothing = not any(table["p90"].any() for table in tables.values())
    for ax in (left, right):
        ax.set(xscale="log", xlabel="sequences $N$", ylabel="window $H_N$ in steps")
        ax.set_xlim(budgets.min() / 3, budgets.max() * 3)
        low, high = ax.get_ylim()
        ax.set_ylim(min(low, -0.04 * high), max(high, 1))
        ax.yaxis.set_major_locator(MaxNLocator(integer=True))
        number_axis(ax.xaxis)
        if nothing:
            note(ax, NO_WINDOW)
    several = any((table["seeds"] > 1).any() for table in tables.values())
    left.set_title("mean, deviation, 10 and 90 %" if several else "one seed: no spread")
    right.set_title("boxes over seeds" if several else "at single budgets")
    entries = keys(found)
    if any(table["censored"].any() for table in tables.values()):
        entries.append(open_mark("^", "there or beyond"))
    legend(made, entries)
    return made


def _window_line(ax: Axes, table: pd.DataFrame, style: Style, count: int) -> None:
    budgets, mean = table.index.to_numpy(float), table["mean"].to_numpy()
    where = moved(ax, style, count, upright=True)
    away = np.nan_to_num(table["deviation"].to_numpy())
    low = np.maximum(mean - away, 0)  # no window is shorter
    ax.fill_between(budgets, low, mean + away, color=style.colour, alpha=0.13, lw=0)
    ax.plot(budgets, mean, color=style.colour, transform=where)
    for level in ("p10", "p90"):
        ax.plot(budgets, table[level], color=style.colour, lw=0.6, ls=":")
    censored = table["censored"].to_numpy() > 0
    for marked, marker, face in (
        (censored, "^", ink().paper),
        (~censored, style.marker, style.colour),
    ):
        ax.plot(
            budgets[marked],
            mean[marked],
            ls="",
            marker=marker,
            mfc=face,
            mec=style.colour,
            transform=where,
        )


def _boxes(ax: Axes, table: pd.DataFrame, style: Style, count: int) -> None:
    place = (style.place - (count - 1) / 2) / max(count, 2)
    thick = min(3.5, SLOT * whole_figure(ax).get_figwidth() / count)
    for budget, row in table.iloc[::2].iterrows():
        x = float(budget) * 10 ** (0.8 * place)  # pyright: ignore[reportArgumentType]
        ax.vlines(x, row["p10"], row["p90"], color=style.colour, lw=0.8)
        ax.vlines(x, row["p25"], row["p75"], color=style.colour, lw=thick, alpha=0.5)
        open_end = row["censored"] > 0
        ax.plot(
            [x],
            [row["median"]],
            marker="^" if open_end else "_",
            ms=max(thick, 2.2),
            mfc=ink().paper,
            mec=style.colour,
            ls="",
        )


def envelope_spreads(tables: Tables, *, width: float = PAGE) -> Figure:
    """Draw f(l)/f(0) across seeds in three scalings, with the best fit dashed.

    Args:
        tables: of `summaries.envelope_spread`, by group.
        width: of the figure in inches.
    """
    made, panels = figure(3, width=width)
    found = styles(tables)
    for ax, scaling in zip(panels, SCALINGS, strict=True):
        for name, style in found.items():
            _envelope_line(ax, tables[name], style)
        set_height(ax, scaling == "logarithmic")
        ax.set_title(SCALINGS[scaling])
        lag_axis(ax, lags_of(tables), logarithmic=scaling != "exponential")
    panels[0].set_ylabel("envelope $f(l)/f(0)$")
    legend(made, keys(found) + _envelope_marks(tables))
    return made


def _envelope_marks(tables: Tables) -> list[Line2D]:
    """Give the legend's entries of fits and of what lies below the axis."""
    quiet, entries = ink().quiet, []
    fits = [table["fitted"].notna().any() for table in tables.values()]
    text = "best fit" if any(fits) else f"no fit: fewer than {FEWEST_LAGS} lags"
    entries.append(Line2D([], [], color=quiet, lw=0.9, ls="--", label=text))
    if any((table["mean"] < FLOOR).any() for table in tables.values()):
        entries.append(open_mark("v", f"below {plain_number(FLOOR)}"))
    return entries


def _envelope_line(ax: Axes, table: pd.DataFrame, style: Style) -> None:
    lag = table.index.to_numpy(float)
    shown = table.where(table["mean"] >= FLOOR)
    few = max(1, lag.size // 8)
    line = {"color": style.colour, "marker": style.marker, "markevery": few}
    ax.plot(lag, shown["mean"], **line)
    low = np.maximum(table["lower"], FLOOR)
    ax.fill_between(lag, low, table["upper"], color=style.colour, alpha=0.15, lw=0)
    ax.plot(lag, table["fitted"], color=style.colour, lw=0.9, ls="--")
    below = lag[(table["mean"] < FLOOR).to_numpy()]
    if below.size:
        ax.plot(below, np.full(below.size, FLOOR), **hollow(style, "v"))


def estimator_figure(tables: Mapping[str, Tables], *, width: float = PAGE) -> Figure:
    """Draw alpha by lag and estimator, a panel an estimator and one of agreement.

    The last panel shows the largest difference between the estimators at each lag.
    Bands are a deviation over seeds; one seed has none.

    Args:
        tables: by estimator, by group: ``alpha``, the mean over seeds, and its
            ``deviation``, a row a lag.
        width: of the figure in inches.
    """
    names = list(next(iter(tables.values())))
    made, panels = figure(len(names) + 1, width=width)
    found = styles(tables)
    for ax, estimator in zip(panels, [*names, "largest difference"], strict=True):
        for name, style in found.items():
            table = tables[name]
            lag = next(iter(table.values())).index.to_numpy(float)
            every = np.stack([table[e]["alpha"].to_numpy() for e in names])
            if estimator in names:
                values = table[estimator]["alpha"].to_numpy()
                _deviation(ax, table[estimator], style)
            else:
                values = np.ptp(every, axis=0)
            ax.plot(lag, values, color=style.colour, marker=style.marker, ms=2.4)
        ax.set(title=TITLES.get(estimator, estimator))
        lag_axis(ax, lags_of({n: next(iter(t.values())) for n, t in tables.items()}))
        if estimator in names:
            ax.axhline(2, color=ink().quiet, lw=0.8, ls=":")
        if not any(
            np.isfinite(line.get_ydata()).any() for line in ax.lines[: len(found)]
        ):
            note(ax, "no lag has an alpha")
    panels[0].set_ylabel(r"tail index $\alpha$")
    gauss = Line2D([], [], color=ink().quiet, lw=0.8, ls=":", label="Gaussian")
    legend(made, [*keys(found), gauss])
    return made


TITLES = {
    "koutrouvelis": "Koutrouvelis",
    "mcculloch": "McCulloch",
    "likelihood": "maximum likelihood",
}


def _deviation(ax: Axes, table: pd.DataFrame, style: Style) -> None:
    """Draw how far seeds differ as a band; no alpha lies above 2."""
    lag, mean = table.index.to_numpy(float), table["alpha"].to_numpy()
    away = table["deviation"].to_numpy()
    high = np.minimum(mean + away, 2)
    ax.fill_between(lag, mean - away, high, color=style.colour, alpha=0.1, lw=0)


def curve_spreads(tables: Tables, *, width: float = PAGE) -> Figure:
    """Draw validation errors by epoch: the median over seeds, 10 to 90 % as a band.

    Args:
        tables: over epochs: ``median``, ``p10``, ``p90``, by group.
        width: of the figure in inches.
    """
    made, (ax,) = figure(1, width=width)
    found = styles(tables)
    for name, style in found.items():
        table = tables[name]
        epoch = table.index.to_numpy(float)
        ax.fill_between(
            epoch, table["p10"], table["p90"], color=style.colour, alpha=0.15, lw=0
        )
        # Marks, moved along for each group: curves of one colour are told apart by it.
        ax.plot(
            epoch,
            table["median"],
            color=style.colour,
            marker=style.marker,
            markevery=(style.place % max(1, len(epoch)), max(1, len(epoch) // 6)),
        )
    ax.set(ylabel="validation error", yscale="log")
    epoch_axis(ax)
    number_axis(ax.yaxis)
    legend(made, keys(found))
    return made

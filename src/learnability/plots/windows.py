"""The window H_N: how far back N sequences let a network see."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from ..summaries import Row, records
from ..words import reach, sequences, short
from ._parts import (
    Group,
    Look,
    Tables,
    hits,
    note,
    number_axis,
    own,
    plain_number,
    series,
    styled,
    task_lags,
)
from .legends import keys, label, open_mark
from .style import Style, ink

NO_WINDOW = "no window: not even the shortest lag\nis detected with any number shown"
# Share of a lag in the prediction from which on it counts as learnt.
LEARNT = 0.5
# Rows that the picture of an answer has room for, however few lines there are.
FEWEST_ROWS = 3


def answer(
    reached: Tables,
    ax: Axes,
    *,
    shares: Tables | None = None,
    asked: Sequence[int] = (),
    names: Sequence[str] = (),
) -> Axes:
    """Draw a bar per line up to its window, with the interval, over the axis of lags.

    Every number of sequences is a group of bars, of which a page shows one at a time.
    Marks at the task's lags are full where the lag was learnt in every seed.

    Args:
        reached: of `summaries.window_spread`, by line.
        ax: axes to draw into.
        shares: of `summaries.share_spread`, by line.
        asked: lags at which the targets depend on the inputs.
        names: of all lines of the page.

    Returns:
        The axes.
    """
    found, known = styled(reached, names), shares or {}
    last = float(pd.concat(reached.values())["last"].to_numpy().max())
    _steps_axis(ax, last)
    task_lags(ax, asked)
    for row, (name, style) in enumerate(found.items()):
        for place, (budget, one) in enumerate(records(reached[name]).items()):
            _bar(ax, row, one, style, place, f"{name} with {sequences(budget)}")
        word = ax.annotate(
            label(name),
            (0, row - 0.3),
            (2, 0),
            textcoords="offset points",
            va="bottom",
            fontsize=7.5,
        )
        own([word], style)
        if name in known:
            _learnt(ax, row, known[name], style)
    ax.set_ylim(max(len(found), FEWEST_ROWS) - 0.4, -0.75)
    ax.set_yticks([])
    ax.grid(visible=False, axis="y")
    ax.spines["left"].set_visible(False)
    return ax


def answer_keys(
    reached: Tables, shares: Tables | None, asked: Sequence[int]
) -> list[Line2D]:
    """Return the legend's entries of the answer's marks."""
    quiet = ink().quiet
    bar = Line2D([], [], color=quiet, lw=5, alpha=0.35, label="window")
    entries = [bar, Line2D([], [], color=quiet, lw=1.4, label="its interval")]
    if any(table["endless"].any() for table in reached.values()):
        entries.append(open_mark(">", "there or beyond"))
    mark: Look = {"ls": "", "marker": "o", "mec": quiet}
    if shares:
        entries.append(Line2D([], [], mfc=quiet, label="lag learnt", **mark))
        entries.append(Line2D([], [], mfc="none", label="not learnt", **mark))
    elif len(asked):
        entries.append(
            Line2D([], [], color=quiet, lw=0.8, ls=":", label="lag of the task")
        )
    return entries


def _steps_axis(ax: Axes, last: float) -> None:
    """Lay out an axis of steps that begins at none, with more room for short ones."""
    ax.set_xscale("function", functions=(_root, np.square))
    ax.set_xlim(0, last * 1.12)
    every = [r * 10.0**k for k in range(int(np.log10(last)) + 1) for r in (1, 2, 5)]
    ticks = [0.0]
    for tick in every:
        near = min(_root(tick) - _root(ticks[-1]), _root(last) - _root(tick))
        if near > _root(last) / 9:
            ticks.append(tick)
    ax.xaxis.set_major_locator(FixedLocator([*ticks, last]))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(plain_number))
    ax.set_xlabel("steps back")


def _root(value: Any) -> Any:
    return np.sqrt(np.maximum(value, 0))


def _bar(ax: Axes, row: int, one: Row, style: Style, place: int, said: str) -> None:
    """Draw one window with its interval; an arrow where an end has none."""
    mean, low, high = (float(one[n]) for n in ("mean", "lower", "upper"))
    if np.isnan(mean):
        return
    drawn = [ax.barh(row, mean, 0.44, color=style.colour, alpha=0.35, lw=0)[0]]
    drawn.append(ax.hlines(row, low, high, color=style.colour, lw=1.6))
    drawn += ax.plot([low], [row], "|", color=style.colour, ms=6)
    end = ">" if one["endless"] else "|"
    drawn += ax.plot([high], [row], end, color=style.colour, mfc=ink().paper, ms=6)
    own(drawn, style, place)
    point, height = np.array([mean]), np.array([float(row)])
    hits(ax, style, point, height, [f"{said}: {_told(one)}"], place)


def _told(one: Row) -> str:
    """Return a window with its interval."""
    ends = f"{short(one['lower'])} to {reach(one['upper'], one['endless'])}"
    return f"{reach(one['mean'], one['censored'] > 0)} steps ({ends})"


def _learnt(ax: Axes, row: int, table: pd.DataFrame, style: Style) -> None:
    """Mark the task's lags: full where learnt in every seed, else open."""
    lags = table.index.to_numpy(float)
    full = table["lower"].to_numpy(float) >= LEARNT
    y = np.full(lags.size, row + 0.34)
    look: Look = {"ls": "", "marker": "o", "ms": 4, "mec": style.colour}
    drawn = ax.plot(lags[full], y[full], mfc=style.colour, **look)
    drawn += ax.plot(lags[~full], y[~full], mfc=ink().paper, **look)
    own(drawn, style)
    says = [
        f"lag {lag}: learnt share {short(one['mean'], 2)}"
        + ("" if one["lower"] >= LEARNT else ", not learnt")
        for lag, one in records(table).items()
    ]
    hits(ax, style, lags, y, says)


def windows(
    tables: Tables,
    ax: Axes,
    *,
    budgets: Sequence[float] = (),
    names: Sequence[str] = (),
) -> Axes:
    """Draw H_N against the number of sequences N, with its intervals.

    Intervals are those over sequences; of several seeds they reach from the lowest to
    the highest end. A window that reaches the longest lag measured is censored: it lies
    there or beyond, and is drawn with an open arrow.

    Args:
        tables: of `summaries.window_spread`, by line.
        ax: axes to draw into.
        budgets: numbers of sequences to mark, each a group.
        names: of all lines of the page.

    Returns:
        The axes.
    """
    found = styled(tables, names)
    every = pd.concat(tables.values())
    numbers, last = every.index.to_numpy(float), float(every["last"].to_numpy().max())
    ax.set(xscale="log", xlim=(numbers.min() / 1.4, numbers.max() * 1.4))
    ax.set_ylim(-0.03 * last, 1.1 * last)
    chosen(ax, budgets, upright=True)
    for name, style in found.items():
        table = tables[name]
        n, mean = table.index.to_numpy(float), table["mean"].to_numpy(float)
        opened = table["censored"].to_numpy() > 0
        says = [
            f"{name} with {sequences(budget)}: {_told(one)}"
            for budget, one in records(table).items()
        ]
        ends = (table["lower"], table["upper"])
        series(ax, style, n, mean, ends=ends, opened=opened, says=says, lw=1.1)
        # Up to the first window that is open the line goes on, thinner.
        own(ax.plot(n, mean, color=style.colour, lw=0.5, alpha=0.6), style)
    ax.set(xlabel="sequences N", ylabel="window in steps")
    number_axis(ax.xaxis)
    ax.yaxis.set_major_locator(MaxNLocator(6, integer=True))
    if not every["upper"].to_numpy().any():
        note(ax, NO_WINDOW)
    return ax


def window_keys(tables: Tables, names: Sequence[str] = ()) -> list[Line2D]:
    """Return the legend's entries."""
    entries = keys(styled(tables, names))
    if any(table["censored"].any() for table in tables.values()):
        entries.append(open_mark("^", "there or beyond"))
    return entries


def chosen(ax: Axes, budgets: Sequence[float], *, upright: bool) -> None:
    """Mark the number of sequences that is chosen: one line each, in its own group."""
    for place, budget in enumerate(budgets):
        draw = ax.axvline if upright else ax.axhline
        line = draw(budget, color=ink().text, lw=0.9, ls=(0, (1, 2)), zorder=0.7)
        Group((), place).mark(line)

"""The answer as a picture: how far each line sees and keeps, and what it learnt."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import ticker
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from ..summaries.progress import Progress
from ..summaries.spread import Row, records
from ..summaries.windows import unseen
from ..words import sequences, short, steps
from . import _parts as parts
from ._parts import Look, Tables, hits, own, styled
from .legends import explain, label, open_mark, stroke
from .style import Style, ink

# Rows that the picture of an answer has room for, however few lines there are.
FEWEST_ROWS = 3


def answer(
    reached: Tables,
    ax: Axes,
    *,
    shares: Tables | None = None,
    progress: Mapping[str, Sequence[Progress]] | None = None,
    asked: Sequence[int] = (),
    names: Sequence[str] = (),
) -> Axes:
    """Draw a bar per line as far as it sees, with the interval, over the axis of lags.

    Every number of sequences is a group of bars, of which a page shows one at a time.
    Circles at the task's lags are full where the lag was learnt in every seed; a
    diamond stands at the farthest of them up to which the state keeps what it was
    given, in the seed that keeps least.

    Args:
        reached: of `summaries.seen_spread`, by line.
        shares: of `summaries.share_spread`, by line.
        progress: of `summaries.progress`, one per seed, by line.
        asked: lags at which the targets depend on the inputs.
    """
    found, known, held = styled(reached, names), shares or {}, kept(progress or {})
    _steps_axis(ax, float(parts.every(reached, "last").max()))
    parts.task_lags(ax, asked)
    look: Look = {"textcoords": "offset points", "va": "bottom", "fontsize": 7.5}
    # Above the dotted lines, below what is drawn on them.
    look |= {"bbox": {"fc": ink().paper, "ec": "none", "pad": 0.5}, "zorder": 0.65}
    for row, (name, style) in enumerate(found.items()):
        for place, (budget, one) in enumerate(records(reached[name]).items()):
            _bar(ax, row, one, style, place, f"{name} with {sequences(budget)}")
        told = ": ".join(filter(None, [label(name), unseen(reached[name])]))
        own([ax.annotate(told, (0, row - 0.3), (2, 0), **look)], style)
        if name in known:
            _learnt(ax, row, known[name], style)
        if name in held:
            _mark_kept(ax, row, held[name], style)
    ax.set_ylim(max(len(found), FEWEST_ROWS) - 0.4, -0.75)
    ax.set_yticks([])
    ax.grid(visible=False, axis="y")
    ax.spines["left"].set_visible(False)
    entries = _answer_entries(bool(known), bool(len(asked)))
    if held:
        entries.append(_full("D", "kept up to here"))
    return explain(ax, {}, *entries)


def kept(progress: Mapping[str, Sequence[Progress]]) -> dict[str, float]:
    """Return how far the state of every line keeps what is new, in its worst seed."""
    found = {n: np.min([one.kept for one in some]) for n, some in progress.items()}
    return {name: float(kept) for name, kept in found.items() if np.isfinite(kept)}


def _full(marker: str, text: str) -> Line2D:
    quiet = ink().quiet
    return Line2D([], [], ls="", marker=marker, mfc=quiet, mec=quiet, label=text)


def _answer_entries(trained: bool, asked: bool) -> list[Line2D]:
    """Return the legend's entries of the answer's marks."""
    quiet = ink().quiet
    bar = Line2D([], [], color=quiet, lw=5, alpha=0.35, label="seen")
    entries = [bar, Line2D([], [], color=quiet, lw=1.4, label="its interval")]
    if trained:
        entries += [_full("o", "lag learnt"), open_mark("o", "not learnt")]
    elif asked:
        entries.append(stroke("lag with a dependency", lw=0.8, ls=":"))
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
    ax.xaxis.set_major_locator(ticker.FixedLocator([*ticks, last]))
    ax.xaxis.set_minor_locator(ticker.NullLocator())
    ax.xaxis.set_major_formatter(ticker.FuncFormatter(parts.plain_number))
    ax.set_xlabel("steps back")


def _root(value: Any) -> Any:
    return np.sqrt(np.maximum(value, 0))


def _bar(ax: Axes, row: int, one: Row, style: Style, place: int, said: str) -> None:
    """Draw how far is seen with its interval."""
    mean, low, high = (float(one[n]) for n in ("mean", "lower", "upper"))
    if np.isnan(mean):
        return
    drawn = [ax.barh(row, mean, 0.44, color=style.colour, alpha=0.35, lw=0)[0]]
    drawn.append(ax.hlines(row, low, high, color=style.colour, lw=1.6))
    drawn += ax.plot([low, high], [row, row], "|", color=style.colour, ms=6)
    own(drawn, style, place)
    point, height = np.array([mean]), np.array([float(row)])
    far = f"{steps(mean)} ({short(low)} to {short(high)})"
    hits(ax, style, point, height, [f"{said}: {far}"], place)


def _learnt(ax: Axes, row: int, table: pd.DataFrame, style: Style) -> None:
    """Mark the task's lags: full where learnt in every seed, else open."""
    lags = table.index.to_numpy(float)
    full = table["learnt"].to_numpy(bool)
    known = table["mean"].notna()
    y = np.where(known, row + 0.22, np.nan)  # on the lower edge of the bar
    look: Look = {"ls": "", "marker": "o", "ms": 4, "mec": style.colour}
    drawn = ax.plot(lags[full], y[full], mfc=style.colour, **look)
    drawn += ax.plot(lags[~full], y[~full], mfc=ink().paper, **look)
    own(drawn, style)
    says = [
        f"lag {lag}: learnt share {short(one['mean'], 2)}"
        + ("" if one["learnt"] else ", not learnt")
        for lag, one in records(table).items()
    ]
    hits(ax, style, lags, y, says)


def _mark_kept(ax: Axes, row: int, kept: float, style: Style) -> None:
    """Mark how far the state keeps what is new, in the middle of the bar."""
    x, y = np.array([kept]), np.array([float(row)])
    look: Look = {"ms": 5, "mfc": style.colour, "mec": ink().paper, "clip_on": False}
    own(ax.plot(x, y, "D", **look), style)
    hits(ax, style, x, y, [f"the state keeps {short(kept)} steps"])

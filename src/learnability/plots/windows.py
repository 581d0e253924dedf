"""What N sequences show: samples needed N(l), the noise floor, windows H_N."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib import ticker
from matplotlib.axes import Axes

from ..summaries.spread import Row, records
from ..words import reach, sequences, short
from . import _parts as parts
from ._parts import Group, Look, Tables, Values, own, styled
from .legends import explain, open_mark, stroke
from .style import Style, ink

NOT_RESOLVED = "not resolved, at least"
FOUND = "a dependency found, at its strength"
NO_END = "nothing arrives: no number is enough"
NOTHING = "no lag is resolved and none has a lower end:\nthe diagnosis saw no signal"
NO_SIGNAL = "no lag is resolved:\nno signal above 0\nwas seen"
# Fewer sequences than one there are not: what needs less stands here.
ONE = 1.0


def samples(
    tables: Tables,
    ax: Axes,
    *,
    n_sequences: Sequence[float] = (),
    asked: Sequence[int] = (),
    names: Sequence[str] = (),
) -> Axes:
    """Draw N(l) with its interval against the lag; what is below 1 stands at 1.

    The line is that of one strength at all lags; a diamond is a dependency that was
    found, at its own.

    A lag that is not resolved has no N(l): an open arrow stands at the lower end of its
    interval, or a cross at the upper edge where no number is enough.

    Args:
        tables: of `summaries.sample_spread`, by line.
        n_sequences: numbers of sequences to mark, each a group.
        asked: lags at which the targets depend on the inputs.
    """
    found = styled(tables, names)
    parts.lag_axis(ax, tables)
    ends = parts.every(tables)
    finite = ends[np.isfinite(ends) & (ends > 0)]
    top = max(float(finite.max()), *n_sequences, 10.0) * 3 if finite.size else 1e3
    ax.set(yscale="log", ylim=(ONE / 1.4, top), ylabel="sequences needed")
    entries = parts.task_lags(ax, asked)
    chosen(ax, n_sequences, upright=False)
    parts.number_axis(ax.yaxis)
    ax.yaxis.set_major_formatter(ticker.FuncFormatter(_sequences_tick))
    for name, style in found.items():
        _needed(ax, name, tables[name], style, top)
    if not np.isfinite(ends).any():
        parts.note(ax, NOTHING)
        ax.yaxis.set_major_formatter(ticker.NullFormatter())  # a scale of nothing
    needed, lower = parts.every(tables, "needed", "lower").reshape(-1, 2).T
    known = np.isfinite(lower[np.isinf(needed)])
    owned = np.isfinite(parts.every(tables, "own")).any()
    entries += [open_mark("D", FOUND)] * bool(owned)
    entries += [open_mark("^", NOT_RESOLVED)] * bool(known.any())
    entries += [open_mark("x", NO_END)] * (not known.all())
    return explain(ax, found, *entries)


def _sequences_tick(value: float, place: object = None) -> str:
    """Return a tick's number of sequences; what needs less than one stands at 1."""
    return "≤1" if value == ONE else parts.plain_number(value, place)


def _needed(ax: Axes, name: str, table: pd.DataFrame, style: Style, top: float) -> None:
    lag, *ends = parts.columns(table, "needed", "lower", "upper")
    needed, lower, upper = (np.maximum(end, ONE) for end in ends)
    seen = np.isfinite(needed)
    lost = np.isinf(needed) & ~np.isfinite(lower)
    y = np.where(seen, needed, np.where(lost, top / 1.2, lower))
    says = [f"{name} at lag {n}: {_said(row)}" for n, row in records(table).items()]
    at = seen | np.isinf(needed) & ~lost
    look: Look = {"ends": (lower[at], np.minimum(upper, top)[at]), "opened": ~seen[at]}
    look["says"] = [said for said, one in zip(says, at, strict=True) if one]
    parts.series(ax, style, lag[at], y[at], **look)
    if lost.any():
        own(ax.plot(lag[lost], y[lost], "x", color=style.colour), style)
    found = np.maximum(table["own"].to_numpy(float), ONE)
    found[~np.isfinite(found)] = np.nan
    mark: Look = {"color": style.colour, "mfc": ink().paper, "ms": 4}
    own(ax.plot(lag, found, "D", **mark), style)


def _said(row: Row) -> str:
    """Say how many sequences a lag needs."""
    needed, low, high = (row[name] for name in ("needed", "lower", "upper"))
    if np.isnan(needed):
        return "learnt already, so that none are defined"
    if np.isfinite(needed):
        return f"{short(needed)} sequences ({short(low)} to {short(high)})"
    return f"not resolved, at least {short(low)}" if np.isfinite(low) else NO_END


def noise_floor(
    tables: Tables, ax: Axes, *, asked: Sequence[int] = (), names: Sequence[str] = ()
) -> Axes:
    """Draw the signal of each lag beside the noise floor of N sequences.

    What lies above the dashed line of its colour is detected with so many sequences.
    The floors of every number of sequences are a group.

    Args:
        tables: of `summaries.noise_floor`, by line.
        asked: lags at which the targets depend on the inputs.
    """
    found = styled(tables, names)
    parts.lag_axis(ax, tables)
    ax.set_yscale("log")
    parts.task_lags(ax, asked)
    for name, style in found.items():
        table = tables[name]
        lag, signal = parts.columns(table, "signal")
        unsure = table["censored"].to_numpy(bool)
        positive = np.where(signal > 0, signal, np.nan)
        says = [
            f"{name} at lag {x:g}: signal {'at most ' if u else ''}{short(y, 2)}"
            for x, y, u in zip(lag, signal, unsure, strict=True)
        ]
        ends = [table[end].to_numpy(float) for end in ("lower", "upper")]
        look: Look = {"opened": unsure, "arrow": "v", "says": says, "ends": ends}
        parts.series(ax, style, lag, positive, **look)
        line: Look = {"color": style.colour, "lw": 0.9, "ls": "--"}
        # Of a single lag there is a mark, since a line needs two.
        line |= {"marker": "_", "ms": 9} if lag.size == 1 else {}
        for place, budget in enumerate(table.attrs["n_sequences"]):
            own(ax.plot(lag, table[budget], **line), style, place)
    ax.set_ylabel("signal, and noise floor")
    signal, unsure = parts.every(tables, "signal", "censored").reshape(-1, 2).T
    if not (signal > 0).any():
        parts.note(ax, NO_SIGNAL)
    parts.number_axis(ax.yaxis)
    at_most = [open_mark("v", "not resolved, at most")]
    at_most *= bool((signal[unsure == 1] > 0).any())
    return explain(ax, found, stroke("noise floor"), *at_most)


def detected(table: pd.DataFrame, budget: float) -> Values:
    """Return which lags stand above the noise floor of N sequences."""
    above = table["signal"].to_numpy(float) >= table[budget].to_numpy(float)
    return above & ~table["censored"].to_numpy(bool)


NO_WINDOW = "no window: not even the shortest lag\nis detected with any number shown"


def window_said(one: Row) -> str:
    """Return a window with its interval."""
    ends = f"{short(one['lower'])} to {reach(one['upper'], one['endless'])}"
    unit = "step" if one["mean"] == 1 else "steps"
    return f"{reach(one['mean'], one['censored'] > 0)} {unit} ({ends})"


def windows(
    tables: Tables,
    ax: Axes,
    *,
    n_sequences: Sequence[float] = (),
    names: Sequence[str] = (),
) -> Axes:
    """Draw H_N against the number of sequences N, with its intervals.

    Intervals are those over sequences; of several seeds they reach from the lowest to
    the highest end. A window that reaches the longest lag measured is censored: it lies
    there or beyond, and is drawn with an open arrow.

    Args:
        tables: of `summaries.window_spread`, by line.
        n_sequences: numbers of sequences to mark, each a group.
    """
    found = styled(tables, names)
    tables = _until_settled(tables, max(n_sequences, default=ONE))
    numbers = np.concatenate([table.index.to_numpy(float) for table in tables.values()])
    last = float(parts.every(tables, "last").max())
    ax.set(xscale="log", xlim=(numbers.min() / 1.4, numbers.max() * 1.4))
    ax.set_ylim(-0.03 * last, 1.1 * last)
    chosen(ax, n_sequences, upright=True)
    for name, style in found.items():
        n, mean, *ends = parts.columns(tables[name], "mean", "lower", "upper")
        opened = tables[name]["censored"].to_numpy() > 0
        says = [
            f"{name} with {sequences(budget)}: {window_said(one)}"
            for budget, one in records(tables[name]).items()
        ]
        look: Look = {"ends": ends, "opened": opened, "says": says, "lw": 1.1}
        parts.series(ax, style, n, mean, **look)
        # Up to the first window that is open the line goes on, thinner.
        own(ax.plot(n, mean, color=style.colour, lw=0.5, alpha=0.6), style)
    ax.set(xlabel="sequences N", ylabel="window in steps")
    parts.number_axis(ax.xaxis)
    ax.yaxis.set_major_locator(ticker.MaxNLocator(6, integer=True))
    if not parts.every(tables, "upper").any():
        parts.note(ax, NO_WINDOW)
    censored = bool(parts.every(tables, "censored").any())
    return explain(ax, found, *[open_mark("^", "there or beyond")] * censored)


def _until_settled(tables: Tables, most: float) -> Tables:
    """Return tables up to the first N, not below another, from which on all stay."""
    last = most
    for table in tables.values():
        n, *ends = parts.columns(table, "mean", "lower", "upper")
        changed = np.diff(np.nan_to_num(ends, nan=-1.0), axis=1).any(axis=0)
        last = max([last, *n[1:][changed]])
    every = {n for table in tables.values() for n in table.index}
    end = min((n for n in every if n >= last), default=last)
    return {name: table.loc[table.index <= end] for name, table in tables.items()}


def chosen(ax: Axes, n_sequences: Sequence[float], *, upright: bool) -> None:
    """Mark the number of sequences that is chosen: one line each, in its own group."""
    for place, budget in enumerate(n_sequences):
        draw = ax.axvline if upright else ax.axhline
        line = draw(budget, color=ink().text, lw=0.9, ls=(0, (1, 2)), zorder=0.7)
        Group((), place).mark(line)

"""What transport keeps: the envelope f(l)/f(0), and the time scales of single units."""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from ..detection.decay_fit import FEWEST_LAGS
from ..words import short
from . import _parts as parts
from ._parts import Look, Tables, Values, own, styled
from .legends import explain, open_mark, stroke
from .style import Style

# Below the square of a float32's rounding nothing arrives that training could use.
FLOOR = 1e-12
SHARES = {
    "gates": "gates alone",
    "network": "whole network",
    "trained": "with the optimizer's rates",
}
NO_RATES = "the weights are the initial ones:\nthe optimizer has no rates"
# Bins a decade of the density.
BINS = 6
NO_SCALE = "no unit lasts long enough\nto have a time scale"
Scales = Mapping[str, Values]


def envelope(
    tables: Tables, ax: Axes, *, column: str = "mean", names: Sequence[str] = ()
) -> Axes:
    """Draw f(l)/f(0) against the lag, its interval as a band, the likeliest fit dashed.

    Args:
        tables: of `summaries.spread.envelope_spread` or `envelope_shares`, by line.
        column: to draw; of `envelope_shares` one of its three.
    """
    found = styled(tables, names)
    parts.lag_axis(ax, tables)
    for name, style in found.items():
        table = tables[name]
        lag, f = parts.columns(table, column)
        says = [
            f"{name}: {short(value, 2) if value >= FLOOR else 'nothing'} left after "
            f"{x:g} steps"
            for x, value in zip(lag, f, strict=True)
        ]
        known = [table[end] for end in ("lower", "upper") if end in table]
        ends = [np.maximum(end, FLOOR) for end in known] or None
        look: Look = {"opened": f < FLOOR, "arrow": "v", "band": True}
        y = np.where(f < FLOOR, FLOOR, f)
        parts.series(ax, style, lag, y, ends=ends, says=says, **look)
        if "fitted" in table:
            fit = table["fitted"].where(table["fitted"] >= FLOOR)
            own(ax.plot(lag, fit, color=style.colour, lw=0.9, ls="--"), style)
    ax.set_yscale("log")
    # f(0)/f(0) = 1 is the level that everything decays from.
    top = np.nanmax([1.0, *parts.every(tables, column)])
    ax.set_ylim(min(max(ax.get_ylim()[0], FLOOR / 2), 0.1), 1.4 * top)
    parts.number_axis(ax.yaxis)
    ax.set_ylabel("share left, f(l)/f(0)")
    return explain(ax, found, *_entries(tables, column))


def _entries(tables: Tables, column: str) -> list[Line2D]:
    """Return the legend's entries of fits, and of what lies below the axis."""
    entries = []
    if column == "mean":
        fits = any(t["fitted"].notna().any() for t in tables.values())
        few = f"no fit: fewer than {FEWEST_LAGS} lags"
        entries.append(stroke("best fit" if fits else few))
    if (parts.every(tables, column) < FLOOR).any():
        entries.append(open_mark("v", f"below {parts.plain_number(FLOOR)}"))
    return entries


def split(tables: Tables, ax: Axes, *, column: str, names: Sequence[str] = ()) -> Axes:
    """Draw f(l)/f(0) of the gates alone, of the network, or with base rates.

    All three have one scale, so that panels can be compared.

    Args:
        tables: of `summaries.envelope_shares`, by line.
        column: gates, network or trained.
    """
    envelope(tables, ax, column=column, names=names)
    every = parts.every(tables)
    seen = every[every >= FLOOR]
    low = float(seen.min()) / 2 if seen.size else 0.1
    low = FLOOR / 2 if (every < FLOOR).any() else low
    ax.set_ylim(min(low, 0.1), 1.4 * max(1.0, float(seen.max(initial=1.0))))
    parts.number_axis(ax.yaxis)
    ax.set_title(SHARES[column])
    lost = sum(bool(table[column].isna().all()) for table in tables.values())
    if lost == len(tables):
        parts.note(ax, NO_RATES)
    elif lost:
        parts.remark(ax, f"{lost} of {len(tables)} have no rates")
    return ax


def beyond(scales: Scales, ax: Axes, *, names: Sequence[str] = ()) -> Axes:
    """Draw the share of units whose time scale is at least tau, against tau.

    Units that do not decay keep their line above 0 up to the right edge, where it ends
    in an open arrow; those that are gone at once count, but stand nowhere.

    Args:
        scales: tau in steps of every unit, by line; inf does not decay, nan is gone.
    """
    edges, found = _edges(scales), styled(scales, names)
    ax.set_yscale("log")
    for name, style in found.items():
        tau = scales[name]
        seen, endless = np.sort(tau[np.isfinite(tau)]), int(np.isinf(tau).sum())
        share = (np.arange(seen.size, 0, -1) + endless) / max(tau.size, 1)
        drawn = _line(ax, style, seen, share, seen.size // 5)
        if endless:
            x = [seen[-1] if seen.size else edges[0], edges[-1]]
            y = [endless / tau.size] * 2
            drawn += ax.plot(x, y, color=style.colour, ls=style.dash)
            arrow: Look = {"marker": ">", "ls": "", "mfc": "none", "mec": style.colour}
            drawn += ax.plot(x[1:], y[1:], clip_on=False, **arrow)
        own(drawn, style)
        says = [
            f"{name}: {short(y, 2)} of the units keep {short(x)} steps or more"
            for x, y in zip(seen, share, strict=True)
        ]
        step = max(1, seen.size // 12)
        parts.hits(ax, style, seen[::step], share[::step], says[::step])
    smallest = min(1 / max(tau.size, 1) for tau in scales.values())
    ax.set_ylim(smallest / 1.3, 1.3)
    parts.number_axis(ax.yaxis)
    return _laid_out(ax, scales, found, "share of units with at least τ")


def density(scales: Scales, ax: Axes, *, names: Sequence[str] = ()) -> Axes:
    """Draw the density of time scales in the logarithm, six bins a decade.

    Units that do not decay or have no time scale stand in no bin, but count.

    Args:
        scales: tau in steps of every unit, by line.
    """
    edges, found = _edges(scales), styled(scales, names)
    middle = np.sqrt(edges[:-1] * edges[1:])
    for name, style in found.items():
        tau = scales[name]
        counts, _ = np.histogram(tau[np.isfinite(tau)], edges)
        values = counts / max(tau.size, 1) / np.diff(np.log10(edges))
        own(_line(ax, style, middle, values, len(middle) // 5, steps="mid"), style)
    ax.set_ylim(bottom=0)
    return _laid_out(ax, scales, found, "density per decade")


def _line(
    ax: Axes,
    style: Style,
    x: Values,
    y: Values,
    step: int,
    steps: Literal["post", "mid"] = "post",
) -> list[Line2D]:
    """Draw steps; marks and dashes tell lines apart, in grey print as well."""
    every = max(1, step)
    look: Look = {"color": style.colour, "ls": style.dash, "marker": style.marker}
    return ax.step(x, y, where=steps, markevery=(style.member % every, every), **look)


def _laid_out(ax: Axes, scales: Scales, found: Mapping[str, Style], text: str) -> Axes:
    edges = _edges(scales)
    ax.set(xscale="log", xlabel="time scale τ in steps", ylabel=text)
    ax.set_xlim(edges[0] / 1.3, edges[-1] * 1.3)
    parts.number_axis(ax.xaxis)
    if not any(np.isfinite(tau).any() for tau in scales.values()):
        parts.note(ax, NO_SCALE)
    endless = any(np.isinf(tau).any() for tau in scales.values())
    entries = [open_mark(">", "units that do not decay")] * endless
    return explain(ax, found, *entries, dashed=True)


def _edges(scales: Scales) -> Values:
    """Return the edges of the bins, from the shortest to the longest time scale."""
    every = np.concatenate([s[np.isfinite(s) & (s > 0)] for s in scales.values()])
    low, high = (every.min(), every.max()) if every.size else (1.0, 100.0)
    count = 2 + int(BINS * np.log10(high / low))
    return np.geomspace(low / 1.01, high * 1.01, count)

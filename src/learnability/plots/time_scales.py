"""The spectrum of time scales: how long single units keep what they hold."""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from ..words import short
from ._parts import Look, Values, hits, note, number_axis, own, styled
from .legends import keys, open_mark
from .style import Style

# Bins a decade of the density.
BINS = 6
NO_SCALE = "no unit lasts long enough\nto have a time scale"
Scales = Mapping[str, Values]
Steps = Literal["post", "mid"]


def beyond(scales: Scales, ax: Axes, *, names: Sequence[str] = ()) -> Axes:
    """Draw the share of units whose time scale is at least tau, against tau.

    Units that do not decay keep their line above 0 up to the right edge, where it ends
    in an open arrow; those that are gone at once count, but stand nowhere.

    Args:
        scales: tau in steps of every unit, by line; inf does not decay, nan is gone.
        ax: axes to draw into.
        names: of all lines of the page.

    Returns:
        The axes.
    """
    edges = _edges(scales)
    _layout(ax, scales, "share of units with at least τ", edges)
    ax.set_yscale("log")
    for name, style in styled(scales, names).items():
        tau = scales[name]
        seen, endless = np.sort(tau[np.isfinite(tau)]), int(np.isinf(tau).sum())
        share = (np.arange(seen.size, 0, -1) + endless) / max(tau.size, 1)
        drawn = _line(ax, style, seen, share, seen.size // 5)
        if endless:
            x, y = (
                [seen[-1] if seen.size else edges[0], edges[-1]],
                [endless / tau.size] * 2,
            )
            drawn += ax.plot(x, y, color=style.colour, ls=style.dash)
            arrow: Look = {"marker": ">", "ls": "", "mfc": "none", "mec": style.colour}
            drawn += ax.plot(x[1:], y[1:], clip_on=False, **arrow)
        own(drawn, style)
        says = [
            f"{name}: {short(y, 2)} of the units keep {short(x)} steps or more"
            for x, y in zip(seen, share, strict=True)
        ]
        step = max(1, seen.size // 12)
        hits(ax, style, seen[::step], share[::step], says[::step])
    smallest = min(1 / max(tau.size, 1) for tau in scales.values())
    ax.set_ylim(smallest / 1.3, 1.3)
    number_axis(ax.yaxis)
    return ax


def density(scales: Scales, ax: Axes, *, names: Sequence[str] = ()) -> Axes:
    """Draw the density of time scales in the logarithm, six bins a decade.

    Units that do not decay or have no time scale stand in no bin, but count.

    Args:
        scales: tau in steps of every unit, by line.
        ax: axes to draw into.
        names: of all lines of the page.

    Returns:
        The axes.
    """
    edges, found = _edges(scales), styled(scales, names)
    _layout(ax, scales, "density per decade", edges)
    middle = np.sqrt(edges[:-1] * edges[1:])
    for name, style in found.items():
        tau = scales[name]
        counts, _ = np.histogram(tau[np.isfinite(tau)], edges)
        values = counts / max(tau.size, 1) / np.diff(np.log10(edges))
        own(_line(ax, style, middle, values, len(middle) // 5, steps="mid"), style)
    ax.set_ylim(bottom=0)
    return ax


def scale_keys(scales: Scales, names: Sequence[str] = ()) -> list[Line2D]:
    """Return the legend's entries; units that do not decay have one of their own."""
    entries = keys(styled(scales, names), dashed=True)
    if any(np.isinf(tau).any() for tau in scales.values()):
        entries.append(open_mark(">", "units that do not decay"))
    return entries


def _line(
    ax: Axes, style: Style, x: Values, y: Values, step: int, steps: Steps = "post"
) -> list[Line2D]:
    """Draw steps; marks and dashes tell lines apart, in grey print as well."""
    every = max(1, step)
    look: Look = {"color": style.colour, "ls": style.dash, "marker": style.marker}
    return ax.step(x, y, where=steps, markevery=(style.member % every, every), **look)


def _layout(ax: Axes, scales: Scales, text: str, edges: Values) -> None:
    ax.set(xscale="log", xlabel="time scale τ in steps", ylabel=text)
    ax.set_xlim(edges[0] / 1.3, edges[-1] * 1.3)
    number_axis(ax.xaxis)
    if not any(np.isfinite(tau).any() for tau in scales.values()):
        note(ax, NO_SCALE)


def _edges(scales: Scales) -> Values:
    """Return the edges of the bins, from the shortest to the longest time scale."""
    every = np.concatenate([s[np.isfinite(s) & (s > 0)] for s in scales.values()])
    low, high = (every.min(), every.max()) if every.size else (1.0, 100.0)
    count = 2 + int(BINS * np.log10(high / low))
    return np.geomspace(low / 1.01, high * 1.01, count)

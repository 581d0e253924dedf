"""The spectra of time scales over seeds: their density, and what lies beyond."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ._parts import Values, hollow, keys, note, number_axis, open_mark
from .legends import legend
from .style import PAGE, Style, figure, styles

BINS = 6
"""Bins a decade of the density."""
NO_SCALE = "no unit lasts long enough\nto have a time scale"


def spectra(scales: Mapping[str, Values], *, width: float = PAGE) -> Figure:
    """Draw the time scales of all units of all seeds: density and what lies beyond.

    The density is a histogram in the logarithm, six bins a decade; units that do not
    decay or have no time scale stand in no bin, but count. Marks and dashes tell lines
    of one colour apart, in grey print as well.

    Args:
        scales: tau in steps of every unit, by group; inf does not decay, nan is gone.
        width: of the figure in inches.
    """
    made, (left, right) = figure(2, width=width)
    found, edges = styles(scales), _edges(scales)
    for name, style in found.items():
        _density(left, scales[name], edges, style, len(found))
        _beyond(right, scales[name], edges, style, len(found))
    for ax, name in (
        (left, "density a decade"),
        (right, "share with at least $\\tau$"),
    ):
        ax.set(xscale="log", xlabel=r"time scale $\tau$ in steps", ylabel=name)
        ax.set_xlim(edges[0] / 1.3, edges[-1] * 1.3)
        number_axis(ax.xaxis)
    left.set_ylim(bottom=0)
    right.set_yscale("log")
    nothing = not any(np.isfinite(tau).any() for tau in scales.values())
    if nothing:
        right.set_ylim(0.1, 1.15)
    number_axis(right.yaxis)
    if nothing:
        for ax in (left, right):
            note(ax, NO_SCALE)
    legend(made, spectrum_keys(scales, found))
    return made


def spectrum_keys(
    scales: Mapping[str, Values], found: Mapping[str, Style]
) -> list[Line2D]:
    """Give the legend's entries; units that do not decay have one of their own.

    Args:
        scales: as of `spectra`.
        found: styles by name.
    """
    entries = keys(found, dashed=True)
    if any(np.isinf(tau).any() for tau in scales.values()):
        entries.append(open_mark(">", "units that do not decay"))
    return entries


def _edges(scales: Mapping[str, Values]) -> Values:
    """Give the edges of the bins, from the shortest to the longest time scale."""
    every = np.concatenate([s[np.isfinite(s) & (s > 0)] for s in scales.values()])
    low, high = (every.min(), every.max()) if every.size else (1.0, 100.0)
    count = 2 + int(BINS * np.log10(high / low))
    return np.geomspace(low / 1.01, high * 1.01, count)


def _density(ax: Axes, tau: Values, edges: Values, style: Style, count: int) -> None:
    counts, _ = np.histogram(tau[np.isfinite(tau)], edges)
    density = counts / max(tau.size, 1) / np.diff(np.log10(edges))
    line = {"color": style.colour, "lw": 1.2, "ls": style.dash}
    ax.stairs(density, edges, **line)
    # Each in its own place within the bin, or the last would hide the others.
    share = _share(style, count)
    within = edges[:-1] ** (1 - share) * edges[1:] ** share
    x, y = within[counts > 0], density[counts > 0]
    ax.plot(x, y, ls="", marker=style.marker, color=style.colour)


def _share(style: Style, count: int) -> float:
    """Give a line's place between 0 and 1 among so many."""
    return (style.place + 1) / (count + 1)


def _beyond(ax: Axes, tau: Values, edges: Values, style: Style, count: int) -> None:
    seen, endless = np.sort(tau[np.isfinite(tau)]), int(np.isinf(tau).sum())
    beyond = (np.arange(seen.size, 0, -1) + endless) / max(tau.size, 1)
    step = max(1, seen.size // 5)
    ax.step(
        seen,
        beyond,
        where="post",
        color=style.colour,
        ls=style.dash,
        marker=style.marker,
        markevery=(int(step * _share(style, count)), step),
    )
    if endless:
        ax.plot(edges[-1] * 1.2, endless / tau.size, **hollow(style, ">"))

"""Figures of claims: a panel draws what its record holds, whatever the claim."""

from collections.abc import Iterator, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from learnability.plots._parts import number_axis
from learnability.plots.legends import legend
from learnability.plots.style import (
    MARKERS,
    PAGE,
    PALETTE,
    current_theme,
    figure,
    ink,
)

from .record import Claim, Curve, Panel

DASHES = {"line": "-", "dashed": (0, (4, 2))}


def panel(record: Panel, ax: Axes) -> Axes:
    """Draw one panel of a claim: measured points with bars, theory as lines.

    Args:
        record: what to draw.
        ax: axes to draw into.

    Returns:
        The axes.
    """
    if "x" in record.logarithmic:
        ax.set_xscale("log")
    if "y" in record.logarithmic:
        ax.set_yscale("log")
    for curve in record.curves:
        _curve(ax, curve, "y" in record.logarithmic)
    ax.set_title(record.title)
    ax.set_xlabel(record.x)
    ax.set_ylabel(record.y)
    for axis, name in ((ax.xaxis, "x"), (ax.yaxis, "y")):
        if name in record.logarithmic:
            number_axis(axis)
    return ax


def panel_figures(claim: Claim, width: float) -> Iterator[Figure]:
    """Draw every panel as a figure of its own, for a page that lays them out."""
    for record in claim.panels:
        made, (ax,) = figure(1, width=width)
        panel(record, ax)
        legend(made, keys(record.curves))
        yield made


def claim_figure(claim: Claim, *, width: float = PAGE) -> Figure:
    """Draw all panels of a claim under one legend.

    Args:
        claim: what was found.
        width: of the figure in inches.
    """
    made, axes = figure(len(claim.panels), width=width)
    for ax, record in zip(axes, claim.panels, strict=True):
        panel(record, ax)
    legend(made, keys([curve for p in claim.panels for curve in p.curves]))
    return made


def keys(curves: Sequence[Curve]) -> list[Line2D]:
    """Give the legend's entries: a mark a colour, and one for every kind of line.

    Args:
        curves: of one panel or of several.
    """
    entries = {}
    for curve in curves:
        lone = sum(c.label == curve.label and c.kind == curve.kind for c in curves) == 1
        shared = curve.kind != "points" and not lone and len(_hues(curves, curve)) > 1
        colour = ink().quiet if shared else _colour(curve)
        entries.setdefault((curve.label, curve.kind), _key(curve, colour))
    return list(entries.values())


def _hues(curves: Sequence[Curve], like: Curve) -> set[int]:
    return {c.hue for c in curves if (c.label, c.kind) == (like.label, like.kind)}


def _key(curve: Curve, colour: str) -> Line2D:
    marks = curve.kind == "points"
    return Line2D(
        [],
        [],
        color=colour,
        marker=_marker(curve) if marks else "",
        ls="" if marks else DASHES[curve.kind],
        label=curve.label,
    )


def _colour(curve: Curve) -> str:
    palette = PALETTE[current_theme()]
    return palette[curve.hue % len(palette)]


def _marker(curve: Curve) -> str:
    return MARKERS[curve.hue % len(MARKERS)]


def _curve(ax: Axes, curve: Curve, logarithmic: bool) -> None:
    colour = _colour(curve)
    if curve.kind != "points":
        width = 1.1 if curve.kind == "dashed" else 1.4
        ax.plot(curve.x, curve.y, color=colour, ls=DASHES[curve.kind], lw=width)
        return
    ax.plot(curve.x, curve.y, color=colour, marker=_marker(curve), ls="", zorder=2.2)
    if curve.error is not None:
        low, high = curve.y - curve.error, curve.y + curve.error
        if logarithmic:
            # A bar that would reach below 0 has no end on a logarithmic axis.
            low = np.where(low > 0, low, curve.y)
        ax.vlines(curve.x, low, high, color=colour, lw=1.0, alpha=0.7, zorder=2.1)

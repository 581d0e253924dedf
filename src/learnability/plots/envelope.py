"""The envelope f(l)/f(0), in the scaling that makes each kind of decay a line."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ..checked import names_of
from ._parts import (
    Runs,
    all_lags,
    hollow,
    keys,
    lag_axis,
    number_axis,
    open_mark,
    plain_number,
    prepared,
)
from .legends import legend
from .style import PAGE, Style, figure, ink

Scaling = Literal["exponential", "power", "logarithmic"]

SCALINGS: dict[Scaling, str] = {
    "exponential": "a line: exponential decay",
    "power": "a line: power law",
    "logarithmic": "a line: decay with log lag",
}
FLOOR = 1e-12
"""Below the square of a float32's rounding nothing arrives that training could use."""
DASHES = {
    "zero": (0, (1, 1.5)),
    "first": (0, (5, 1.5, 1, 1.5)),
    "diagonal": (0, (4, 2)),
}


def envelope(
    runs: Runs,
    ax: Axes | None = None,
    *,
    scaling: Scaling = "exponential",
    order: str = "exact",
    compare: str | Sequence[str] = (),
    key: bool = True,
) -> Axes:
    """Draw f(l)/f(0) against the lag, with its standard error as a band.

    Args:
        runs: diagnoses by architecture.
        ax: axes to draw into; new ones unless given.
        scaling: exponential (log f against l), power (log f against log l) or
            logarithmic (f against log l).
        order: of transport.
        compare: a further order or several, thinner and dashed.
        key: whether to draw a legend.

    Returns:
        The axes.

    Raises:
        ValueError: if there are no runs, or no such scaling.
    """
    if scaling not in SCALINGS:
        raise ValueError(
            f"there is no scaling {scaling!r}; choose one of {', '.join(SCALINGS)}"
        )
    ax, found = prepared(runs, ax)
    others = names_of(compare)
    straight = scaling == "logarithmic"
    lag_axis(ax, all_lags(runs, "envelope"), logarithmic=scaling != "exponential")
    for name, style in found.items():
        record = runs[name].group("envelope")
        for other in others:
            _compared(ax, record.sel(order=other), style, other, straight)
        _line(ax, record.sel(order=order), style, straight)
    ax.set_ylabel("envelope $f(l)/f(0)$")
    set_height(ax, straight)
    if key:
        below = not straight and falls_below(runs, order)
        legend(ax, envelope_keys(found, others, below))
    return ax


def envelope_keys(
    found: dict[str, Style], compare: Sequence[str], below: bool
) -> list[Line2D]:
    """Give the legend's entries: architectures, orders, what lies below the axis."""
    entries = keys(found)
    for other in compare:
        entries.append(
            Line2D([], [], color=ink().quiet, lw=0.8, ls=DASHES[other], label=other)
        )
    if below:
        entries.append(open_mark("v", f"below {plain_number(FLOOR)}"))
    return entries


def envelope_figure(runs: Runs, *, width: float = PAGE) -> Figure:
    """Draw the envelopes in three scalings, a panel each.

    Args:
        runs: diagnoses by architecture.
        width: of the figure in inches.
    """
    made, panels = figure(3, width=width)
    for ax, scaling in zip(panels, SCALINGS, strict=True):
        envelope(runs, ax, scaling=scaling, key=False)
        ax.set_title(SCALINGS[scaling])
        place = ax.get_subplotspec()
        if place is not None and not place.is_first_col():
            ax.set_ylabel("")
    _, found = prepared(runs, panels[0])
    legend(made, envelope_keys(found, (), falls_below(runs)))
    return made


def falls_below(runs: Runs, order: str = "exact") -> bool:
    """Say whether an envelope falls below what a logarithmic axis shows."""
    values = [r.group("envelope").sel(order=order)["normalised"] for r in runs.values()]
    return any(bool((~(v >= FLOOR)).any()) for v in values)


def _line(ax: Axes, record: xr.Dataset, style: Style, straight: bool) -> None:
    lag, f = record["lag"].values, record["normalised"].values
    error = record["error"].values / float(record["origin"])
    seen = f >= (-np.inf if straight else FLOOR)
    shown = np.where(seen, f, np.nan)
    ax.plot(lag, shown, color=style.colour, marker=style.marker, markevery=_few(lag))
    low = f - error if straight else np.maximum(f - error, FLOOR)
    ax.fill_between(
        lag, low, f + error, where=seen, color=style.colour, alpha=0.2, lw=0
    )
    _below(ax, lag[~seen], style)


def _below(ax: Axes, lags: np.ndarray, style: Style) -> None:
    """Mark lags whose envelope lies below the axis, at its lower end."""
    # An empty line that is not clipped would reach to the figure's corner.
    if lags.size:
        places = np.full(lags.size, FLOOR)
        ax.plot(lags, places, clip_on=False, **hollow(style, "v"))


def _compared(
    ax: Axes, record: xr.Dataset, style: Style, order: str, straight: bool
) -> None:
    f = record["normalised"].values
    shown = f if straight else np.where(f >= FLOOR, f, np.nan)
    ax.plot(
        record["lag"].values,
        shown,
        color=style.colour,
        ls=DASHES.get(order, "-"),
        lw=0.8,
    )


def _few(lags: np.ndarray) -> int:
    """Give the step between marked lags: about a dozen marks tell lines apart."""
    return max(1, lags.size // 12)


def set_height(ax: Axes, straight: bool) -> None:
    """Lay out the axis of f(l)/f(0), logarithmic unless `straight`."""
    if straight:
        ax.set_ylim(0, max(ax.get_ylim()[1], 1.05))
        return
    ax.set_yscale("log")
    # f(0)/f(0) = 1 is the level that everything decays from.
    low, high = ax.get_ylim()
    ax.set_ylim(min(max(low, FLOOR), 0.1), max(high, 1.3))
    number_axis(ax.yaxis)

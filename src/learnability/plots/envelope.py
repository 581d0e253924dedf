"""The envelope f(l)/f(0): what of a perturbation is left after l steps."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from ..detection.decay_fit import FEWEST_LAGS
from ..words import short
from ._parts import (
    Tables,
    lag_axis,
    lags_of,
    note,
    number_axis,
    own,
    plain_number,
    remark,
    series,
    styled,
)
from .legends import keys, open_mark, stroke

Scaling = Literal["exponential", "power", "logarithmic"]
# Axes on which an exponential decay, a power law, a decay with log lag is a line.
SCALINGS: tuple[Scaling, ...] = ("exponential", "power", "logarithmic")
# Below the square of a float32's rounding nothing arrives that training could use.
FLOOR = 1e-12
SHARES = {
    "gates": "gates alone",
    "network": "whole network",
    "trained": "with the optimizer's rates",
}
NO_RATES = "the weights are the initial ones:\nthe optimizer has no rates"


def envelope(
    tables: Tables,
    ax: Axes,
    *,
    scaling: Scaling = "power",
    column: str = "mean",
    names: Sequence[str] = (),
) -> Axes:
    """Draw f(l)/f(0) against the lag, its interval as a band, the likeliest fit dashed.

    Args:
        tables: of `summaries.envelope_spread` or `envelope_shares`, by line.
        ax: axes to draw into.
        scaling: exponential (log f against l), power (log f against log l) or
            logarithmic (f against log l).
        column: to draw; of `envelope_shares` one of its three.
        names: of all lines of the page.

    Returns:
        The axes.

    Raises:
        ValueError: if there is no such scaling.
    """
    if scaling not in SCALINGS:
        raise ValueError(
            f"there is no scaling {scaling!r}; choose one of {', '.join(SCALINGS)}"
        )
    found, straight = styled(tables, names), scaling == "logarithmic"
    lag_axis(ax, lags_of(tables), logarithmic=scaling != "exponential")
    for name, style in found.items():
        table = tables[name]
        lag, f = table.index.to_numpy(float), table[column].to_numpy(float)
        least = -np.inf if straight else FLOOR
        y = np.where(f < least, least, f)
        says = [
            f"{name}: {short(value, 2) if value >= FLOOR else 'nothing'} left after "
            f"{x:g} steps"
            for x, value in zip(lag, f, strict=True)
        ]
        ends = None
        if "lower" in table:
            ends = tuple(np.maximum(table[end], least) for end in ("lower", "upper"))
        series(
            ax,
            style,
            lag,
            y,
            ends=ends,
            band=True,
            opened=f < least,
            arrow="v",
            says=says,
        )
        if "fitted" in table:
            fit = table["fitted"].where(table["fitted"] >= least)
            own(ax.plot(lag, fit, color=style.colour, lw=0.9, ls="--"), style)
    _height(ax, [t[column].to_numpy().max() for t in tables.values()], straight)
    ax.set_ylabel("share left, f(l)/f(0)")
    return ax


def envelope_keys(
    tables: Tables, column: str = "mean", names: Sequence[str] = ()
) -> list[Line2D]:
    """Return the legend's entries: lines, fits, and what lies below the axis."""
    entries = keys(styled(tables, names))
    if column == "mean":
        fits = any(t["fitted"].notna().any() for t in tables.values())
        entries.append(
            stroke("best fit" if fits else f"no fit: fewer than {FEWEST_LAGS} lags")
        )
    if any((table[column] < FLOOR).any() for table in tables.values()):
        entries.append(open_mark("v", f"below {plain_number(FLOOR)}"))
    return entries


def _height(ax: Axes, highest: Sequence[float], straight: bool) -> None:
    """Lay out the axis of f(l)/f(0), logarithmic unless it is to be straight."""
    # f(0)/f(0) = 1 is the level that everything decays from.
    top = np.nanmax([1.0, *highest])
    if straight:
        ax.set_ylim(0, 1.05 * top)
        return
    ax.set_yscale("log")
    ax.set_ylim(min(max(ax.get_ylim()[0], FLOOR / 2), 0.1), 1.4 * top)
    number_axis(ax.yaxis)


def split(tables: Tables, ax: Axes, *, column: str, names: Sequence[str] = ()) -> Axes:
    """Draw f(l)/f(0) of the gates alone, of the network, or with base rates.

    All three have one scale, so that panels can be compared.

    Args:
        tables: of `summaries.envelope_shares`, by line.
        ax: axes to draw into.
        column: gates, network or trained.
        names: of all lines of the page.

    Returns:
        The axes.
    """
    envelope(tables, ax, column=column, names=names)
    every = np.concatenate([t.to_numpy(float).ravel() for t in tables.values()])
    seen = every[every >= FLOOR]
    low = float(seen.min()) / 2 if seen.size else 0.1
    low = FLOOR / 2 if (every < FLOOR).any() else low
    ax.set_ylim(min(low, 0.1), 1.4 * max(1.0, float(seen.max(initial=1.0))))
    number_axis(ax.yaxis)
    ax.set_title(SHARES[column])
    lost = sum(bool(table[column].isna().all()) for table in tables.values())
    if lost == len(tables):
        note(ax, NO_RATES)
    elif lost:
        remark(ax, f"{lost} of {len(tables)} have no rates")
    return ax

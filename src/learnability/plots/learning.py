"""Learning curves, and what of each lag of the task was learnt."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from ..words import short
from ._parts import (
    Look,
    Tables,
    epoch_axis,
    lag_axis,
    lags_of,
    number_axis,
    own,
    series,
    styled,
    values,
)
from .legends import keys, stroke
from .style import ink
from .windows import LEARNT

# Epochs of a curve that carry a mark.
MARKS = 6


def curves(
    tables: Tables, ax: Axes, *, noise: Sequence[float] = (), names: Sequence[str] = ()
) -> Axes:
    """Draw errors by epoch: validation strong, training thin, the noise as a line.

    Of several seeds it is the median, with 10 to 90 % as a band.

    Args:
        tables: of `summaries.curve_spread`, by line.
        ax: axes to draw into.
        noise: mean square errors that no network can beat.
        names: of all lines of the page.

    Returns:
        The axes.
    """
    found = styled(tables, names)
    for name, style in found.items():
        table = tables[name]
        epoch = table.index.to_numpy(float)
        says = [
            f"{name} after epoch {x:g}: validation error {short(y)}"
            for x, y in values(table, "median")
        ]
        step = max(1, epoch.size // MARKS)
        series(
            ax,
            style,
            epoch,
            table["median"],
            ends=(table["p10"], table["p90"]),
            band=True,
            says=says,
            markevery=(style.member % step, step),
        )
        thin: Look = {"color": style.colour, "lw": 0.6, "alpha": 0.7}
        own(ax.plot(epoch, table["train"], **thin), style)
    for floor in noise:
        ax.axhline(floor, color=ink().quiet, lw=0.9, ls="--")
    ax.set_ylabel("mean square error")
    shown = pd.concat(tables.values()).to_numpy(float)
    shown = shown[np.isfinite(shown) & (shown > 0)]
    # Within a decade a logarithmic axis has hardly a number to read.
    if shown.size and shown.max() > 10 * shown.min():
        ax.set_yscale("log")
        number_axis(ax.yaxis)
    epoch_axis(ax, max(len(table) for table in tables.values()))
    return ax


def curve_keys(
    tables: Tables, noise: Sequence[float], names: Sequence[str] = ()
) -> list[Line2D]:
    """Return the legend's entries."""
    entries = [*keys(styled(tables, names)), stroke("training", lw=0.6, ls="-")]
    return [*entries, stroke("noise")] if len(noise) else entries


def shares(tables: Tables, ax: Axes, *, names: Sequence[str] = ()) -> Axes:
    """Draw the learnt share of every lag of the task: 1 is all, 1/2 counts as learnt.

    Bars reach from the smallest to the largest over seeds.

    Args:
        tables: of `summaries.share_spread`, by line.
        ax: axes to draw into.
        names: of all lines of the page.

    Returns:
        The axes.
    """
    found = styled(tables, names)
    lag_axis(ax, lags_of(tables))
    ax.set_xlabel("lag of the task in steps")
    for level, dash in ((1.0, "-"), (LEARNT, ":")):
        ax.axhline(level, color=ink().quiet, lw=0.8, ls=dash, zorder=0.6)
    for name, style in found.items():
        table = tables[name]
        says = [
            f"{name}: {short(share, 2)} of lag {lag:g} learnt"
            for lag, share in values(table, "mean")
        ]
        ends = (table["lower"], table["upper"])
        series(ax, style, table.index, table["mean"], ends=ends, says=says, lw=0.9)
    every = np.concatenate([t.to_numpy(float).ravel() for t in tables.values()])
    every = np.append(every[np.isfinite(every)], [0.0, 1.0])
    room = 0.06 * float(np.ptp(every))
    ax.set(ylabel="learnt share", ylim=(every.min() - room, every.max() + room))
    return ax

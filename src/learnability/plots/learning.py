"""What training did: errors by epoch, lags learnt, windows and envelopes by step."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from ..verdict.rules import SHARE
from ..words import sequences, short
from . import _parts as parts
from ._parts import Look, Tables, own, styled
from .legends import explain, stroke
from .style import ink, styles

# Epochs of a curve that carry a mark.
MARKS = 6
# Of the lowest error: noise below it is out of sight, or errors would have no room.
IN_SIGHT = 0.1
# Envelopes drawn, at most: from the first measurement to the last.
CURVES = 6
# Of f(l)/f(0): below it nothing arrives that anyone would see.
LOWEST = 1e-6


def curves(
    tables: Tables,
    ax: Axes,
    *,
    noise: Sequence[float] = (),
    named: bool = False,
    names: Sequence[str] = (),
) -> Axes:
    """Draw errors by epoch: validation strong, training thin, the noise as a line.

    Of several seeds it is the median, with 10 to 90 % as a band.

    Args:
        tables: of `summaries.curve_spread`, by line.
        noise: errors that no network can beat.
        named: whether errors are cross-entropies.
    """
    found = styled(tables, names)
    for name, style in found.items():
        table = tables[name]
        epoch, error, *ends = parts.columns(table, "median", "p10", "p90")
        says = [
            f"{name} after epoch {x:g}: validation error {short(y)}"
            for x, y in parts.values(table, "median")
        ]
        step = max(1, epoch.size // MARKS)
        look: Look = {"band": True, "markevery": (style.member % step, step)}
        parts.series(ax, style, epoch, error, ends=ends, says=says, **look)
        thin: Look = {"color": style.colour, "lw": 0.6, "alpha": 0.7}
        own(ax.plot(epoch, table["train"], **thin), style)
    for floor in noise:
        ax.axhline(floor, color=ink().quiet, lw=0.9, ls="--")
    ax.set_ylabel("cross-entropy in nats" if named else "mean square error")
    shown = parts.every(tables)
    shown = shown[np.isfinite(shown) & (shown > 0)]
    # Within a decade a logarithmic axis has hardly a number to read.
    if shown.size and shown.max() > 10 * shown.min():
        ax.set_yscale("log")
        parts.number_axis(ax.yaxis)
        lowest = IN_SIGHT * float(shown.min())
        if named and ax.get_ylim()[0] < lowest:
            ax.set_ylim(bottom=lowest)
    parts.epoch_axis(ax, max(len(table) for table in tables.values()))
    floors = [stroke("noise")] * bool(len(noise))
    return explain(ax, found, stroke("training", lw=0.6, ls="-"), *floors)


def shares(tables: Tables, ax: Axes, *, names: Sequence[str] = ()) -> Axes:
    """Draw the learnt share of every lag of the task: 1 is all, 1/2 counts as learnt.

    Bars reach from the smallest to the largest over seeds.

    Args:
        tables: of `summaries.share_spread`, by line.
    """
    found = styled(tables, names)
    parts.lag_axis(ax, tables)
    of_task = any(table.attrs["task"] for table in tables.values())
    ax.set_xlabel("lag of the task in steps" if of_task else "lag in steps")
    parts.level(ax, 1.0, "-")
    parts.level(ax, SHARE)
    for name, style in found.items():
        lag, share, *ends = parts.columns(tables[name], "mean", "lower", "upper")
        says = [
            f"{name}: {short(y, 2)} of lag {x:g} learnt"
            for x, y in parts.values(tables[name], "mean")
        ]
        parts.series(ax, style, lag, share, ends=ends, says=says, lw=0.9)
    every = parts.every(tables)
    every = np.append(every[np.isfinite(every)], [0.0, 1.0])
    room = 0.06 * float(np.ptp(every))
    ax.set(ylabel="learnt share", ylim=(every.min() - room, every.max() + room))
    return explain(ax, found)


def windows_in_training(
    record: xr.Dataset, ax: Axes, *, n_sequences: Sequence[float] | None = None
) -> Axes:
    """Draw the window of every layer over the steps of training.

    Args:
        record: of a `models.Monitor`.
        n_sequences: N, each a group of its own; all that were measured unless given.

    Raises:
        ValueError: if no window of such an N was measured.
    """
    measured = record["n_sequences"].values.astype(float)
    wanted = list(measured if n_sequences is None else n_sequences)
    for budget in wanted:
        if budget not in measured:
            raise ValueError(
                f"no window of {budget:g} sequences was measured; ask for one of "
                f"{', '.join(f'{n:g}' for n in measured)}"
            )
    step, found = record["step"].values, styles(layer_names(record))
    for name, style in found.items():
        for place, budget in enumerate(sorted(wanted)):
            one = record.sel(layer=name, n_sequences=budget)
            window, *ends = (one[end].values for end in ("window", "lower", "upper"))
            says = [
                f"{name} at step {s}: {short(v)} steps ({short(low)} to {short(high)}) "
                f"with {sequences(budget)}"
                for s, v, low, high in zip(step, window, *ends, strict=True)
            ]
            look: Look = {"ends": ends, "says": says, "budget": place}
            parts.series(ax, style, step, window, **look)
    ax.set(xlabel="step of training", ylabel="window in steps")
    ax.set_ylim(0, max(1.0, float(record["lag"].max())) * 1.05)
    ax.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    return explain(ax, found)


def envelopes_in_training(
    record: xr.Dataset, ax: Axes, *, layer: str | None = None
) -> Axes:
    """Draw the layers' envelopes at some steps of training, early ones pale.

    Args:
        record: of a `models.Monitor`.
        layer: to draw alone; all unless given.
    """
    steps, lags = record["step"].values, record["lag"].values
    places = np.unique(np.linspace(0, len(steps) - 1, CURVES).round().astype(int))
    found = styles(layer_names(record))
    ax.set_yscale("log")
    for name, style in found.items():
        if layer not in (None, name):
            continue
        for place, alpha in zip(places, _strengths(len(places)), strict=True):
            f = record["envelope"].sel(layer=name).isel(step=place).values
            line = ax.plot(lags, np.where(f > LOWEST, f, np.nan), color=style.colour)
            line[0].set_alpha(alpha)
            own(line, style)
        f = record["envelope"].sel(layer=name).isel(step=-1).values
        says = [
            f"{name} at step {steps[-1]}: {short(value, 2)} left after {lag} steps"
            for lag, value in zip(lags, f, strict=True)
        ]
        parts.hits(ax, style, lags, np.where(f > LOWEST, f, np.nan), says)
    parts.lag_axis(ax, lags)
    ax.set_ylabel("share left, f(l)/f(0)")
    parts.number_axis(ax.yaxis)
    look: Any = {"ls": "-", "lw": 1.4}
    first, last = (stroke(f"step {steps[place]}", **look) for place in (0, -1))
    first.set_alpha(_strengths(2)[0])
    return explain(ax, found, first, last, marked=False)


def layer_names(record: xr.Dataset) -> list[str]:
    """Return the names of the layers that a monitor measured."""
    return [str(name) for name in record["layer"].values]


def _strengths(count: int) -> np.ndarray:
    """Return opacities from pale to full."""
    return np.linspace(0.25, 1.0, count) if count > 1 else np.ones(1)

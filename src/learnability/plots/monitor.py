"""Windows and envelopes while a model trains."""

from collections.abc import Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from ..words import sequences, short
from ._parts import lag_axis, number_axis, own, series
from .legends import keys, stroke
from .style import styles

# Envelopes drawn, at most: from the first measurement to the last.
CURVES = 6
# Of f(l)/f(0): below it nothing arrives that anyone would see.
LOWEST = 1e-6


def layer_names(record: xr.Dataset) -> list[str]:
    """Return the names of the layers that a monitor measured."""
    return [str(name) for name in record["layer"].values]


def windows_in_training(
    record: xr.Dataset, ax: Axes, *, budgets: Sequence[float] | None = None
) -> Axes:
    """Draw the window of every layer over the steps of training.

    Args:
        record: of a `models.Monitor`.
        ax: axes to draw into.
        budgets: N, each a group of its own; all that were measured unless given.

    Returns:
        The axes.

    Raises:
        ValueError: if the record has no such budget.
    """
    measured = record["budget"].values.astype(float)
    wanted = list(measured if budgets is None else budgets)
    for budget in wanted:
        if budget not in measured:
            raise ValueError(
                f"no window of {budget:g} sequences was measured; ask for one of "
                f"{', '.join(f'{n:g}' for n in measured)}"
            )
    step = record["step"].values
    for name, style in styles(layer_names(record)).items():
        for place, budget in enumerate(sorted(wanted)):
            values = record["window"].sel(layer=name, budget=budget).values
            says = [
                f"{name} at step {s}: {short(v)} steps with {sequences(budget)}"
                for s, v in zip(step, values, strict=True)
            ]
            series(ax, style, step, values, says=says, budget=place)
    ax.set(xlabel="step of training", ylabel="window in steps")
    ax.set_ylim(0, max(1.0, float(record["lag"].max())) * 1.05)
    ax.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    return ax


def envelopes_in_training(
    record: xr.Dataset, ax: Axes, *, layer: str | None = None
) -> Axes:
    """Draw the layers' envelopes at some steps of training, early ones pale.

    Args:
        record: of a `models.Monitor`.
        ax: axes to draw into.
        layer: to draw alone; all unless given.

    Returns:
        The axes.
    """
    steps, lags = record["step"].values, record["lag"].values
    places = np.unique(np.linspace(0, len(steps) - 1, CURVES).round().astype(int))
    ax.set_yscale("log")
    for name, style in styles(layer_names(record)).items():
        if layer not in (None, name):
            continue
        for place, alpha in zip(places, _strengths(len(places)), strict=True):
            f = record["envelope"].sel(layer=name).isel(step=place).values
            line = ax.plot(lags, np.where(f > LOWEST, f, np.nan), color=style.colour)
            line[0].set_alpha(alpha)
            own(line, style)
    lag_axis(ax, lags)
    ax.set_ylabel("share left, f(l)/f(0)")
    number_axis(ax.yaxis)
    return ax


def monitor_keys(record: xr.Dataset, *, envelopes: bool) -> list[Line2D]:
    """Return the legend's entries: layers, and of envelopes the first and last step."""
    entries = keys(styles(layer_names(record)), marked=not envelopes)
    if not envelopes:
        return entries
    steps = record["step"].values
    first, last = (stroke(f"step {steps[place]}", ls="-", lw=1.4) for place in (0, -1))
    first.set_alpha(_strengths(2)[0])
    return [*entries, first, last]


def _strengths(count: int) -> np.ndarray:
    """Return opacities from pale to full."""
    return np.linspace(0.25, 1.0, count) if count > 1 else np.ones(1)

"""Windows and envelopes while a model trains."""

import numpy as np
import xarray as xr
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from ._parts import lag_axis, number_axis
from .legends import key as style_key
from .legends import label, legend, whole_figure
from .style import PAGE, figure, own_axes, styles, theme_of

CURVES = 6
"""Envelopes drawn, at most: from the first measurement to the last."""
LOWEST = 1e-6
"""Of f(l)/f(0): below it nothing arrives that anyone would see."""


def windows_in_training(
    record: xr.Dataset,
    ax: Axes | None = None,
    *,
    budget: float | None = None,
    key: bool = True,
) -> Axes:
    """Draw the window of every layer over the steps of training.

    Args:
        record: of a `models.Monitor`.
        ax: axes to draw into; new ones unless given.
        budget: N; the largest unless given.
        key: whether to draw a legend.

    Returns:
        The axes.

    Raises:
        ValueError: if the record has no such budget.
    """
    ax = own_axes(ax)
    budgets = record["budget"].values
    wanted = budgets.max() if budget is None else budget
    if wanted not in budgets:
        raise ValueError(f"no window of {wanted:g} sequences was measured; ask for it")
    found = styles([str(name) for name in record["layer"].values])
    for name, style in found.items():
        values = record["window"].sel(layer=name, budget=wanted)
        ax.plot(
            record["step"].values,
            values.values,
            color=style.colour,
            marker=style.marker,
        )
    ax.set(xlabel="step of training", ylabel=f"window at N = {wanted:g}, in steps")
    ax.set_ylim(0, max(1.0, float(record["lag"].max())) * 1.05)
    ax.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    if key:
        legend(ax, [style_key(style, label(name)) for name, style in found.items()])
    return ax


def envelopes_in_training(
    record: xr.Dataset, ax: Axes | None = None, *, layer: str | None = None
) -> Axes:
    """Draw one layer's envelope at some steps of training, early ones pale.

    Args:
        record: of a `models.Monitor`.
        ax: axes to draw into; new ones unless given.
        layer: its name; the first unless given.

    Returns:
        The axes.
    """
    ax = own_axes(ax)
    name = str(record["layer"].values[0]) if layer is None else layer
    steps = record["step"].values
    places = np.unique(np.linspace(0, len(steps) - 1, CURVES).round().astype(int))
    lags = record["lag"].values
    ax.set_yscale("log")
    for place, colour in zip(places, _shades(ax, len(places)), strict=True):
        f = record["envelope"].sel(layer=name).isel(step=place).values
        ax.plot(lags, np.where(f > LOWEST, f, np.nan), color=colour)
    lag_axis(ax, lags)
    ax.set_ylabel("envelope f(l)/f(0)")
    number_axis(ax.yaxis)
    return ax


def monitor_figure(
    record: xr.Dataset,
    *,
    budget: float | None = None,
    layer: str | None = None,
    width: float = PAGE,
) -> Figure:
    """Draw windows and envelopes over the training, a panel each.

    Args:
        record: of a `models.Monitor`.
        budget: N of the windows; the largest unless given.
        layer: of the envelopes; the first unless given.
        width: of the figure in inches.

    Returns:
        The figure, which pyplot does not know.
    """
    made, panels = figure(2, width=width)
    windows_in_training(record, panels[0], budget=budget, key=False)
    envelopes_in_training(record, panels[1], layer=layer)
    names = [str(name) for name in record["layer"].values]
    entries = [style_key(style, label(n)) for n, style in styles(names).items()]
    steps, quiet = record["step"].values, _shades(panels[1], 2)
    told = f"envelope of {label(names[0] if layer is None else layer)}, step "
    entries += [
        Line2D([], [], color=quiet[0], label=f"{told}{steps[0]}"),
        Line2D([], [], color=quiet[1], label=f"step {steps[-1]}"),
    ]
    legend(made, entries)
    return made


def _shades(ax: Axes, count: int) -> list[str]:
    """Give colours from pale to strong on the paper of the axes."""
    shades = colormaps["viridis"](np.linspace(0.85, 0.1, count))
    dark = theme_of(whole_figure(ax)) == "dark"
    return [to_hex(colour) for colour in (shades[::-1] if dark else shades)]

"""The spectrum of time scales: which share of the units outlasts each lag."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ._parts import ROOM, Runs, Values, hollow, note, number_axis, prepared
from .legends import key as style_key
from .legends import label, legend
from .spectra import NO_SCALE
from .style import PAGE, Style, figure

ORDER = "diagonal"
"""A unit's own decay. The exact transport adds what comes back through other units."""


def time_scales(
    runs: Runs, ax: Axes | None = None, *, order: str = ORDER, key: bool = True
) -> Axes:
    """Draw the share of units whose time scale is at least tau, against tau.

    Units that do not decay keep their line above 0 up to the right edge, where it ends
    in an open arrow; the legend counts them, and those that have no time scale because
    they are gone within the first lags.

    Args:
        runs: diagnoses by architecture.
        ax: axes to draw into; new ones unless given.
        order: of transport.
        key: whether to draw a legend.

    Returns:
        The axes.

    Raises:
        ValueError: if there are no runs.
    """
    ax, found = prepared(runs, ax)
    spectra = {n: _tau(runs, n, order) for n in found}
    finite = np.concatenate([tau[np.isfinite(tau)] for tau in spectra.values()])
    low, high = _limits(finite)
    ax.set(xscale="log", yscale="log", xlim=(low, high))
    for name, style in found.items():
        _steps(ax, spectra[name], style, high)
    if all(np.isnan(tau).all() for tau in spectra.values()):
        note(ax, NO_SCALE)
    smallest = min(1 / max(tau.size, 1) for tau in spectra.values())
    ax.set_ylim(smallest / 1.3, 1.15)
    ax.set_xlabel(r"time scale $\tau$ in steps")
    ax.set_ylabel(r"share of units with at least $\tau$")
    number_axis(ax.xaxis)
    number_axis(ax.yaxis)
    if key:
        legend(ax, time_scale_keys(runs, found, order))
    return ax


def time_scale_keys(
    runs: Runs, found: dict[str, Style], order: str = ORDER
) -> list[Line2D]:
    """Give the legend's entries, with the units that have no finite time scale."""
    return [
        style_key(
            style,
            label(name) + _rest(_tau(runs, name, order)),
            marker="",
            ls=style.dash,
        )
        for name, style in found.items()
    ]


def time_scale_figure(runs: Runs, *, width: float = PAGE) -> Figure:
    """Draw the spectra of time scales.

    Args:
        runs: diagnoses by architecture.
        width: of the figure in inches.
    """
    made, panels = figure(1, width=width)
    time_scales(runs, panels[0], key=False)
    _, found = prepared(runs, panels[0])
    legend(made, time_scale_keys(runs, found))
    return made


def _tau(runs: Runs, name: str, order: str) -> Values:
    return runs[name].group("time_scales")["tau"].sel(order=order).values


def _rest(tau: Values) -> str:
    """Say how many units do not decay or have no time scale."""
    endless, none = int(np.isinf(tau).sum()), int(np.isnan(tau).sum())
    parts = [
        f"{count} of {tau.size} {what}"
        for count, what in ((endless, "do not decay"), (none, "gone at once"))
        if count
    ]
    return f" ({', '.join(parts)})" if parts else ""


def _limits(finite: Values) -> tuple[float, float]:
    if not finite.size:
        return 1.0, 100.0
    return float(finite.min()) / ROOM, float(finite.max()) * ROOM


def _steps(ax: Axes, tau: Values, style: Style, right: float) -> None:
    """Draw one spectrum as steps down from 1."""
    ends = np.sort(tau[np.isfinite(tau)])
    endless = int(np.isinf(tau).sum())
    above = np.append(np.arange(ends.size, 0, -1), 0) + endless
    left = ax.get_xlim()[0]
    x, share = np.concatenate([[left], ends]), above / tau.size
    if endless:
        x, share = np.append(x, right), np.append(share, share[-1])
        place = endless / tau.size
        ax.plot(right, place, clip_on=False, **hollow(style, ">"))
    if share[0] > 0:
        ax.step(x, share, where="post", color=style.colour, ls=style.dash)

"""Learning curves, and what of each lag of the task was learnt."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from ._parts import Runs, all_lags, has, keys, lag_axis, moved, number_axis, prepared
from .legends import key as style_key
from .legends import label, legend
from .style import PAGE, Style, figure, ink


def learning(runs: Runs, ax: Axes | None = None, *, key: bool = True) -> Axes:
    """Draw the errors by epoch: validation strong, training thin, the noise as a line.

    Args:
        runs: diagnoses by architecture; those without a training are left out.
        ax: axes to draw into; new ones unless given.
        key: whether to draw a legend.

    Returns:
        The axes.

    Raises:
        ValueError: if there are no runs, or none was trained for an epoch.
    """
    ax, found = prepared(runs, ax)
    trained = {name: style for name, style in found.items() if _epochs(runs, name)}
    if not trained:
        raise ValueError("no run was trained for an epoch; there is nothing to draw")
    for name, style in trained.items():
        _curves(ax, runs[name].group("training"), style)
    for floor in noise_floors(runs):
        ax.axhline(floor, color=ink().quiet, lw=0.9, ls="--")
    ax.set(ylabel="mean square error")
    # Within a decade a logarithmic axis has hardly a number to read.
    if _spread(runs, trained) > 10:
        ax.set_yscale("log")
        number_axis(ax.yaxis)
    epoch_axis(ax)
    if key:
        legend(ax, learning_keys(runs, found))
    return ax


def learning_keys(runs: Runs, found: dict[str, Style]) -> list[Line2D]:
    """Give the legend's entries; a diverged run says so beside its name."""
    entries = []
    for name, style in found.items():
        ended = (
            has(runs[name], "training")
            and runs[name].group("training").attrs["diverged"]
        )
        note = " (diverged)" if ended else ""
        entries.append(style_key(style, label(name) + note))
    quiet = ink().quiet
    if any(_epochs(runs, name) for name in found):
        entries.append(Line2D([], [], color=quiet, lw=0.8, label="training (thin)"))
    if noise_floors(runs):
        entries.append(Line2D([], [], color=quiet, lw=0.9, ls="--", label="noise"))
    return entries


def learnt_shares(runs: Runs, ax: Axes | None = None, *, key: bool = True) -> Axes:
    """Draw the learnt share of every lag of the task: 1 is all, 1/2 counts as learnt.

    Args:
        runs: diagnoses by architecture; those without a training are left out.
        ax: axes to draw into; new ones unless given.
        key: whether to draw a legend.

    Returns:
        The axes.

    Raises:
        ValueError: if there are no runs, or none has a training.
    """
    ax, found = prepared(runs, ax)
    lags = all_lags(runs, "training", "task_lag")
    if not lags.size:
        raise ValueError("no run has a training; there are no learnt shares to draw")
    lag_axis(ax, lags)
    ax.set_xlabel("lag of the task in steps")
    for level, dash in ((1.0, "-"), (0.5, ":")):
        ax.axhline(level, color=ink().quiet, lw=0.8, ls=dash, zorder=0.6)
    for name, style in found.items():
        if has(runs[name], "training"):
            group, where = runs[name].group("training"), moved(ax, style, len(found))
            ax.plot(
                group["task_lag"].values,
                group["learnt_share"].values,
                color=style.colour,
                marker=style.marker,
                lw=0.9,
                transform=where,
            )
    low, high = _share_limits(runs)
    ax.set(ylabel="learnt share", ylim=(low, high))
    if key:
        legend(ax, keys(found))
    return ax


def learning_figure(runs: Runs, *, width: float = PAGE) -> Figure:
    """Draw learning curves and learnt shares, a panel each.

    Where no run was trained for an epoch the shares stand alone.

    Args:
        runs: diagnoses by architecture.
        width: of the figure in inches.
    """
    curves = any(_epochs(runs, name) for name in runs)
    made, panels = figure(2 if curves else 1, width=width)
    if curves:
        learning(runs, panels[0], key=False)
    learnt_shares(runs, panels[-1], key=False)
    _, found = prepared(runs, panels[0])
    legend(made, learning_keys(runs, found))
    return made


def noise_floors(runs: Runs) -> list[float]:
    """Give the mean square error that no network can beat, a value a task.

    With R² = 1 - MSE/Var(y) at the best epoch, Var(y) follows from the record, and the
    floor is (1 - ceiling) Var(y).

    Args:
        runs: diagnoses by architecture.
    """
    floors = []
    for name in runs:
        if not _epochs(runs, name):
            continue
        group = runs[name].group("training")
        r2, best = float(group.attrs["r2"]), int(group.attrs["best_epoch"])
        # Epoch 0 are the initial weights, whose error the history does not hold.
        if best and r2 < 1:
            error = float(group["validation"][best - 1])
            floors.append((1 - float(group.attrs["ceiling"])) * error / (1 - r2))
    # The same task gives the same floor up to rounding.
    return sorted({float(f"{floor:.4g}") for floor in floors})


def epoch_axis(ax: Axes) -> None:
    """Mark whole epochs only; a single one keeps its place in the middle.

    Args:
        ax: of a figure over epochs.
    """
    low, high = ax.get_xlim()
    if high - low < 1:
        ax.set_xlim(0, 2)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    ax.set_xlabel("epoch")


def _epochs(runs: Runs, name: str) -> int:
    return (
        runs[name].group("training").sizes["epoch"]
        if has(runs[name], "training")
        else 0
    )


def _curves(ax: Axes, group: xr.Dataset, style: Style) -> None:
    epoch = np.arange(1, group.sizes["epoch"] + 1)
    mark = style.marker if epoch.size == 1 else ""
    ax.plot(epoch, group["train"].values, color=style.colour, lw=0.6, alpha=0.7)
    ax.plot(epoch, group["validation"].values, color=style.colour, marker=mark)
    best = int(group.attrs["best_epoch"])
    if best:
        error = group["validation"].values[best - 1]
        ax.plot(best, error, color=style.colour, marker=style.marker, ls="")


def _spread(runs: Runs, trained: dict[str, Style]) -> float:
    """Give the ratio of the largest to the smallest error drawn."""
    groups = [runs[name].group("training") for name in trained]
    parts = [g[name].values for g in groups for name in ("train", "validation")]
    values = np.concatenate(parts)
    values = values[np.isfinite(values) & (values > 0)]
    return float(values.max() / values.min()) if values.size else 1.0


def _share_limits(runs: Runs) -> tuple[float, float]:
    shares = [
        runs[name].group("training")["learnt_share"].values
        for name in runs
        if has(runs[name], "training")
    ]
    values = np.concatenate([*shares, [0.0, 1.0]])
    values = values[np.isfinite(values)]
    room = 0.06 * float(np.ptp(values))
    return float(values.min()) - room, float(values.max()) + room

"""Predicted against realised windows, and detection against brute force."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from learnability.plots.legends import legend
from learnability.plots.style import PAGE, Style, figure, ink, styles

NUDGE = 0.16
"""Gap between families that share a place, in units of the axis."""


def predicted_figure(
    predicted: pd.DataFrame, methods: Sequence[str], *, width: float = PAGE
) -> Figure:
    """Draw predicted against realised windows in bands, a panel a method.

    Args:
        predicted: ``family``, ``method``, ``realised``, ``predicted``, a row a run.
        methods: which ones, in this order.
        width: of the figure in inches.
    """
    made, panels = figure(len(methods), width=width)
    found = styles(predicted["family"].unique())
    top = int(predicted[["realised", "predicted"]].to_numpy().max())
    for ax, method in zip(panels, methods, strict=True):
        own = predicted[predicted["method"] == method]
        ax.plot([0, top], [0, top], color=ink().quiet, lw=0.8, zorder=0.5)
        for style, (_, rows) in _each(own, found):
            counts = rows.groupby(["realised", "predicted"]).size()
            x = counts.index.get_level_values(0) + _nudge(style, found)
            ax.scatter(
                x,
                counts.index.get_level_values(1),
                s=9 * counts.to_numpy(),
                color=style.colour,
                marker=style.marker,
                alpha=0.75,
                lw=0,
            )
        ax.set(title=_short(method), xlim=(-0.6, top + 0.6), ylim=(-0.6, top + 0.6))
        ax.set(xlabel="realised window, bands", ylabel="predicted")
    legend(made, [_key(style, name, ls="") for name, style in found.items()])
    return made


def scores_figure(scores: pd.DataFrame, *, width: float = PAGE) -> Figure:
    """Draw areas under the curve and mean errors of all methods, with intervals.

    Args:
        scores: ``family``, ``method``, ``auc`` and ``error`` with ``_lower`` and
            ``_upper``.
        width: of the figure in inches.
    """
    made, panels = figure(2, width=width)
    methods = list(dict.fromkeys(scores["method"]))[::-1]
    found = styles(scores["family"].unique())
    # A line a family of every method.
    made.set_size_inches(width, 1 + 0.065 * len(methods) * (1 + len(found)))
    titles = {"auc": "area under the curve", "error": "mean error in bands"}
    for ax, (name, title) in zip(panels, titles.items(), strict=True):
        for style, (_, rows) in _each(scores, found):
            y = [methods.index(m) + _nudge(style, found) for m in rows["method"]]
            _bars(ax, rows, name, np.array(y), style)
        ax.set(xlabel=title, ylim=(-0.7, len(methods) - 0.3))
        ax.set_yticks(range(len(methods)), methods if name == "auc" else [])
    panels[0].axvline(0.5, color=ink().quiet, lw=0.8, ls=":")
    panels[0].set_xlim(0, 1.02)
    panels[1].set_xlim(left=0)
    legend(made, [_key(style, name, ls="") for name, style in found.items()])
    return made


def _bars(ax: Axes, rows: pd.DataFrame, name: str, y: np.ndarray, style: Style) -> None:
    """Draw values and their intervals along x."""
    middle = rows[name].to_numpy()
    ends = np.stack([middle - rows[f"{name}_lower"], rows[f"{name}_upper"] - middle])
    ax.errorbar(
        middle,
        y,
        xerr=np.nan_to_num(np.maximum(ends, 0)),
        color=style.colour,
        marker=style.marker,
        ls="",
        elinewidth=0.9,
    )


def reliability_figure(
    bins: Mapping[tuple[str, str], Sequence],
    methods: Sequence[str],
    *,
    width: float = PAGE,
) -> Figure:
    """Draw observed shares against predicted probabilities, a panel a predictor.

    Args:
        bins: by (family, predictor): ``predicted``, ``observed`` with its ends,
            ``count``.
        methods: which predictors, in this order.
        width: of the figure in inches.
    """
    made, panels = figure(len(methods), width=width)
    families = list(dict.fromkeys(family for family, _ in bins))
    found = styles(families)
    for ax, method in zip(panels, methods, strict=True):
        ax.plot([0, 1], [0, 1], color=ink().quiet, lw=0.8, zorder=0.5)
        for family, style in found.items():
            own = bins[family, method]
            x, y = ([getattr(b, n) for b in own] for n in ("predicted", "observed"))
            ends = [
                [b.observed - b.lower for b in own],
                [b.upper - b.observed for b in own],
            ]
            bars = {"yerr": np.nan_to_num(np.maximum(ends, 0)), "elinewidth": 0.6}
            ax.errorbar(x, y, **bars, color=style.colour, ls="", marker="", alpha=0.7)
            sizes = [4 + 30 * (b.count / sum(c.count for c in own)) for b in own]
            ax.scatter(x, y, s=sizes, color=style.colour, marker=style.marker, lw=0)
        ax.set(title=_short(method), xlim=(-0.03, 1.03), ylim=(-0.05, 1.05))
        ax.set(xlabel="predicted probability", ylabel="share learnt")
    legend(made, [_key(style, name, ls="") for name, style in found.items()])
    return made


def transfer_figure(
    transfer: pd.DataFrame, methods: Sequence[str], *, width: float = PAGE
) -> Figure:
    """Draw the per cent of bands called right where another family's law is used.

    Args:
        transfer: ``method``, ``fitted``, ``family``, ``right``.
        methods: which predictors, in this order.
        width: of the figure in inches.
    """
    made, panels = figure(len(methods), width=width)
    for ax, method in zip(panels, methods, strict=True):
        own = transfer[transfer["method"] == method]
        table = own.pivot(index="fitted", columns="family", values="right")
        ax.imshow(table.to_numpy(), vmin=0.4, vmax=1.0, cmap="viridis", aspect="auto")
        for i, j in np.argwhere(np.isfinite(table.to_numpy())):
            value = table.iloc[i, j]
            look = {"color": "black" if value > 0.75 else "white", "size": 6.5}
            ax.text(j, i, f"{100 * value:.0f}", ha="center", va="center", **look)
        ax.grid(visible=False)
        names = range(len(table))
        ax.set_xticks(names, table.columns, rotation=90)
        ax.set_yticks(names, table.index if ax is panels[0] else [])
        ax.set(title=_short(method), xlabel="used on")
    panels[0].set_ylabel("fitted to")
    return made


def needs_figure(needs: pd.DataFrame, *, width: float = PAGE) -> Figure:
    """Draw the samples that learning took against those of detection.

    Args:
        needs: ``family``, ``learning``, ``at_smallest``, ``detection``.
        width: of the figure in inches.
    """
    made, (ax,) = figure(1, width=width)
    found = styles(needs["family"].unique())
    inside = needs[needs["detection"] < 1e9]
    for style, (_, rows) in _each(inside, found):
        for smallest, face in ((True, "none"), (False, style.colour)):
            own = rows[rows["at_smallest"] == smallest]
            wide = 1 + 0.12 * _nudge(style, found) / NUDGE
            ax.plot(
                own["detection"],
                own["learning"] * wide,
                color=style.colour,
                marker=style.marker,
                ls="",
                mfc=face,
            )
    ends = np.array([*inside["detection"], *inside["learning"], 1.0])
    span = [ends.min() / 1.5, ends.max() * 1.5]
    ax.plot(span, span, color=ink().quiet, lw=0.8, zorder=0.5)
    ax.set(xscale="log", yscale="log")
    ax.set(xlabel="sequences that detection needs", ylabel="sequences to learn it")
    legend(made, [_key(style, name, ls="") for name, style in found.items()])
    return made


def realised_figure(realised: pd.DataFrame, *, width: float = PAGE) -> Figure:
    """Draw what was learnt against N, a panel a family, mean and range over seeds.

    Args:
        realised: ``family``, ``cell``, ``samples``, ``window_lag``, ``limited``, a row
            a run.
        width: of the figure in inches.
    """
    families = list(dict.fromkeys(realised["family"]))
    made, panels = figure(len(families), width=width)
    found, top = styles(dict.fromkeys(realised["cell"])), realised["window_lag"].max()
    for ax, family in zip(panels, families, strict=True):
        own = realised[realised["family"] == family]
        for style, (_, rows) in _each(own, found, "cell"):
            by = rows.groupby("samples")
            lags, limited = by["window_lag"], by["limited"].all()
            mean, n = lags.mean(), np.unique(np.asarray(rows["samples"], float))
            x = n * 1.05 ** (_nudge(style, found) / NUDGE)
            ends = np.stack([mean - lags.min(), lags.max() - mean])
            ax.errorbar(
                x,
                mean,
                yerr=ends,
                color=style.colour,
                marker=style.marker,
                lw=0.8,
                elinewidth=0.8,
            )
            crossed = limited.to_numpy(bool)
            ax.plot(x[crossed], mean[crossed], color=ink().text, marker="x", ls="")
        sizes = np.unique(np.asarray(own["samples"], int)).tolist()
        ax.set(title=_short(family), xscale="log", xlabel="N, sequences")
        ax.set_xticks(sizes, [str(n) for n in sizes])
        ax.set_xticks([], minor=True)
        ax.set(xlim=(sizes[0] / 1.5, sizes[-1] * 1.5), ylim=(-1, top + 1))
    panels[0].set_ylabel("realised window, steps")
    legend(made, [_key(style, name) for name, style in found.items()])
    return made


def trial_figure(
    errors: pd.DataFrame, coverage: pd.DataFrame, *, width: float = PAGE
) -> Figure:
    """Draw observed against predicted errors of detection, and coverage.

    Args:
        errors: ``cell``, ``lag``, ``predicted``, ``observed``, ``error``.
        coverage: ``cell``, ``lag``, ``seed``, ``covered``, ``diagnoses``.
        width: of the figure in inches.
    """
    made, (left, right) = figure(2, width=width)
    found = styles(errors["cell"].unique())
    grid = np.linspace(0, 0.5, 11)
    left.plot(grid, grid, color=ink().quiet, lw=0.8, zorder=0.5)
    for style, (_, rows) in _each(errors, found, "cell"):
        left.errorbar(
            rows["predicted"],
            rows["observed"],
            yerr=2 * rows["error"],
            color=style.colour,
            marker=style.marker,
            ls="",
            elinewidth=0.8,
        )
    left.set(xlabel="predicted error", ylabel="observed error")
    right.axhspan(0.92, 0.98, color=ink().grid, zorder=0.4)
    cases = sorted(set(zip(coverage["lag"], coverage["seed"], strict=True)))
    for style, (_, rows) in _each(coverage, found, "cell"):
        share = rows["covered"] / rows["diagnoses"]
        spread = 2 * np.sqrt(share * (1 - share) / rows["diagnoses"])
        own = zip(rows["lag"], rows["seed"], strict=True)
        x = [cases.index(case) + _nudge(style, found) for case in own]
        right.errorbar(
            x, share, yerr=spread, color=style.colour, marker=style.marker, ls=""
        )
    names = [f"lag {lag},\nseed {seed}" for lag, seed in cases]
    right.set_xticks(range(len(cases)), names)
    right.set(ylabel="intervals that cover", ylim=(0.8, 1.01))
    right.set_xlim(-0.6, len(cases) - 0.4)
    legend(made, [_key(style, name, ls="") for name, style in found.items()])
    return made


def _each(
    rows: Any, found: Mapping[str, Style], column: str = "family"
) -> Iterator[tuple[Style, tuple[Any, Any]]]:
    """Yield the style and the rows of every name that has any."""
    for name, own in rows.groupby(column, sort=False):
        yield found[str(name)], (name, own)


def _nudge(style: Style, found: Mapping[str, Style]) -> float:
    gap = min(NUDGE, 0.8 / len(found))
    return gap * (style.member - (len(found) - 1) / 2)


def _short(method: str) -> str:
    """Give a method's name on two lines where it is long."""
    words = method.split(", ")
    return "\n".join(words) if len(method) > 20 and len(words) > 1 else method


def _key(style: Style, text: str, **look: Any) -> Line2D:
    """Return the legend's entry of a line."""
    return Line2D([], [], color=style.colour, marker=style.marker, label=text, **look)

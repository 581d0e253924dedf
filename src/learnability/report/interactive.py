"""Figures for the page's own plotly: plain records, one trace a network."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib import resources
from typing import Any

import numpy as np
import pandas as pd

from ..diagnosis import Diagnosis
from ..plots.style import DASHES, Style, styles, theme
from ..plots.windows import BUDGETS
from ..summaries import envelope_band, window_spread
from .across import learning_spread, time_scales
from .limits import POINTS, each, kept

Record = dict[str, Any]


@dataclass(frozen=True)
class Member:
    """One line of every figure: a network and optimizer, all of its seeds.

    Attributes:
        name: what the legend calls it.
        facets: what it can be switched by, such as architecture and optimizer.
        runs: diagnoses, one a seed.
    """

    name: str
    facets: Mapping[str, str]
    runs: Sequence[Diagnosis]


def library() -> str:
    """Give plotly's own script, which the page carries with it."""
    file = resources.files("plotly") / "package_data" / "plotly.min.js"
    return file.read_text(encoding="utf-8")


def as_json(record: object) -> str:
    """Give a record as JSON that no page takes for markup.

    Args:
        record: plain values; what is not finite becomes null.

    Example:
        >>> as_json({"name": "</script>", "y": [float("inf")]})
        '{"name": "\\\\u003c/script>", "y": [null]}'
    """
    text = json.dumps(_finite(record), allow_nan=False, ensure_ascii=True)
    return text.replace("<", "\\u003c")


def _finite(value: Any) -> Any:
    match value:
        case dict():
            return {str(k): _finite(v) for k, v in value.items()}
        case list() | tuple():
            return [_finite(v) for v in value]
        case np.ndarray():
            return [_finite(v) for v in value.tolist()]
        case float():
            return value if np.isfinite(value) else None
    return value


def figures(members: Sequence[Member], budgets: Sequence[float]) -> Record:
    """Give all interactive figures of some networks.

    Args:
        members: the lines.
        budgets: of the study; every one of them is a point of the windows.

    Returns:
        By name of figure: its traces and its axes; and the networks with their facets
        and colours, light and dark.
    """
    looks = {look: _styles(members, look) for look in ("light", "dark")}
    return {
        "members": [
            {
                "name": member.name,
                "facets": dict(member.facets),
                "colours": [looks[look][place].colour for look in ("light", "dark")],
                "symbol": SYMBOLS[looks["light"][place].marker],
                "rest": looks["light"][place].rest,
                "dash": STROKES[looks["light"][place].dash],
            }
            for place, member in enumerate(members)
        ],
        "figures": {
            name: {
                "traces": [t for n, m in enumerate(members) for t in make(m, n)],
                "axes": axes,
            }
            for name, (make, axes) in _makers(budgets).items()
        },
    }


SYMBOLS = {
    "o": "circle",
    "s": "square",
    "D": "diamond",
    "v": "triangle-down",
    "P": "cross",
    "X": "x",
    "p": "pentagon",
    "h": "hexagon",
}
"""plotly's names of matplotlib's markers."""
STROKES = dict(
    zip(DASHES, ("solid", "dash", "dot", "dashdot", "longdashdot"), strict=True)
)
"""plotly's names of the dashes."""

BY_POINT = ("x", "y", "low", "high", "open", "says")
"""What of a trace has a value a point."""


def thinned(found: Record, total: int = POINTS) -> Record:
    """Give figures whose longest curves keep fewer points, and a sentence in each.

    Args:
        found: of `figures`.
        total: points of all figures together.

    Returns:
        The figures; those of which something was left out have a ``note``, which the
        page shows below them.
    """
    traces = [t for figure in found["figures"].values() for t in figure["traces"]]
    counts = [len(trace["x"]) for trace in traces]
    most = each(counts, total)
    if not counts or max(counts) <= most:
        return found
    return {
        **found,
        "figures": {n: _smaller(f, most) for n, f in found["figures"].items()},
    }


def _smaller(figure: Record, most: int) -> Record:
    """Give a figure whose curves keep so many points at most; it says so if need be."""
    longest = max((len(trace["x"]) for trace in figure["traces"]), default=0)
    if longest <= most:
        return figure
    note = (
        f"To keep this page small a curve shows {most} of up to {longest} points, its "
        "ends and evenly between them; learnability export --format netcdf writes all."
    )
    traces = [_fewer(trace, most) for trace in figure["traces"]]
    return {**figure, "traces": traces, "note": note}


def _fewer(trace: Record, most: int) -> Record:
    places = kept(len(trace["x"]), most)
    parts = {n: np.asarray(trace[n])[places].tolist() for n in BY_POINT if n in trace}
    return {**trace, **parts}


def _styles(members: Sequence[Member], look: Any) -> list[Style]:
    with theme(look):
        found = styles([member.name for member in members])
    return [found[member.name] for member in members]


def _makers(
    budgets: Sequence[float],
) -> dict[str, tuple[Callable[[Member, int], list[Record]], Record]]:
    every = sorted({*BUDGETS[::3], *budgets})
    lag = {"x": "lag in steps", "xlog": True, "lag": True}
    return {
        "windows": (
            lambda member, place: _windows(member, place, every),
            {
                "x": "sequences N",
                "xlog": True,
                "y": "window H<sub>N</sub> in steps",
                "open": "there or beyond",
            },
        ),
        "samples": (
            _samples,
            {
                **lag,
                "y": "sequences needed N(l)",
                "ylog": True,
                "open": "not resolved, at least",
            },
        ),
        "envelope": (_envelope, {**lag, "y": "envelope f(l)/f(0)", "ylog": True}),
        "time_scales": (
            _spectrum,
            {
                "x": "time scale in steps",
                "xlog": True,
                "y": "share of units with at least that",
                "ylog": True,
            },
        ),
        "tail_index": (_tails, {**lag, "y": "tail index alpha"}),
        "learning": (_curves, {"x": "epoch", "y": "validation error", "ylog": True}),
    }


def _trace(place: int, member: Member, x: Any, y: Any, **more: Any) -> Record:
    """Give one trace; plotly reads names as markup, so they are escaped."""
    return {
        "member": place,
        "name": escape(member.name),
        "x": np.asarray(x),
        "y": np.asarray(y, float),
        **more,
    }


def _windows(member: Member, place: int, budgets: list[float]) -> list[Record]:
    if len(member.runs) == 1:
        table = member.runs[0].window(budgets)
        middle, low, high = (table[n] for n in ("window", "lower", "upper"))
    else:
        table = window_spread(member.runs, budgets)
        middle, away = table["mean"], table["deviation"]
        low, high = (middle - away).clip(lower=0), middle + away  # none is shorter
    y = np.asarray(middle, float)
    return [
        _trace(
            place,
            member,
            budgets,
            y,
            shape="hv",
            low=np.asarray(low, float),
            high=np.asarray(high, float),
            open=(np.asarray(table["censored"]) > 0).tolist(),
            says=["there or beyond" if c else "" for c in table["censored"]],
        )
    ]


def _over_seeds(member: Member, group: str, names: Sequence[str]) -> Record:
    """Give medians over seeds by lag of some arrays of a group."""
    groups = [run.group(group) for run in member.runs]
    found = {n: np.stack([g[n].values for g in groups]) for n in names}
    lags = groups[0]["lag"].values
    return {"lag": lags, **{n: np.median(v, axis=0) for n, v in found.items()}}


def _samples(member: Member, place: int) -> list[Record]:
    table = _over_seeds(member, "detection", ("needed", "lower", "upper"))
    seen = np.isfinite(table["needed"])
    y = np.where(seen, table["needed"], table["lower"])
    return [
        _trace(
            place,
            member,
            table["lag"],
            y,
            low=table["lower"],
            high=np.where(seen, table["upper"], np.nan),
            open=(~seen).tolist(),
            says=["" if s else "not resolved: at least" for s in seen],
        )
    ]


def _envelope(member: Member, place: int) -> list[Record]:
    if len(member.runs) > 1:
        table = envelope_band(member.runs)
        ends = {"low": table["lower"].to_numpy(), "high": table["upper"].to_numpy()}
        return [_trace(place, member, table.index, table["mean"], **ends)]
    f = member.runs[0].group("envelope").sel(order="exact")
    error = (f["error"] / f["origin"]).values
    y = f["normalised"].values
    return [_trace(place, member, f["lag"].values, y, low=y - error, high=y + error)]


def _tails(member: Member, place: int) -> list[Record]:
    table = _over_seeds(member, "evidence", ("alpha", "alpha_lower", "alpha_upper"))
    ends = {"low": table["alpha_lower"], "high": table["alpha_upper"]}
    return [_trace(place, member, table["lag"], table["alpha"], **ends)]


def _spectrum(member: Member, place: int) -> list[Record]:
    tau = time_scales(member.runs)
    seen = np.sort(tau[np.isfinite(tau)])
    share = (np.arange(seen.size, 0, -1) + np.isinf(tau).sum()) / max(tau.size, 1)
    return [_trace(place, member, seen, share, shape="hv", bare=True)]


def _curves(member: Member, place: int) -> list[Record]:
    table: pd.DataFrame = learning_spread(member.runs)
    several = len(member.runs) > 1
    ends = {"low": table["p10"].to_numpy(), "high": table["p90"].to_numpy()}
    return [
        _trace(
            place,
            member,
            table.index,
            table["median"],
            bare=True,
            **(ends if several else {}),
        )
    ]

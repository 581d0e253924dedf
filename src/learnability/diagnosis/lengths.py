"""Lengths that people have to choose, from what a diagnosis holds."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np
import pandas as pd
import xarray as xr

from ..summaries.progress import OLD
from ..verdict.lengths import steps_until, truncation
from ..verdict.rules import Case
from ..verdict.truncation import COLUMNS as BIAS
from .truncation import NO_LAG
from .verdicts import cases

if TYPE_CHECKING:
    from .layer import LayerDiagnosis

LAYER = ["layer", "of", "start"]
ENOUGH = 0.5  # weight of the farthest lag
LEVELS = {"within_10": 0.1, "within_1": 0.01}
ENDS = {"": "value", "_lower": "lower", "_upper": "upper"}
WITHIN = [f"{level}{end}" for level in LEVELS for end in ENDS]
BIAS_BY_USE = [
    name.replace(kind, f"{kind}_{use}")
    for kind in ("bias", "cosine")
    for use in ("sliding", "chunks")
    for name in BIAS
    if name.startswith(kind)
]


@final
@dataclass(frozen=True, repr=False)
class Lengths:
    """How long to backpropagate, to warm up and to look back, in steps.

    Attributes:
        truncation: one row per length K of truncated backpropagation: the share of
            what the data hold that it keeps, ``sliding`` and by ``chunks``, and the
            weights of the farthest lag; how far it bends the gradient of the layer,
            ``bias_sliding`` and ``bias_chunks``, ``||E g - E g_K||/||E g||``, and the
            cosine of both, ``cosine_sliding`` and ``cosine_chunks``, each with the ends
            ``_lower`` and ``_upper`` of its interval. Empty where the data hold
            nothing.
        warm_up: one row per layer, what of it (``states`` or ``output``) and wrong
            start (``other`` or ``zero``): steps until it is within 10 % and 1 % of the
            right one, with the ends of their intervals; nan where half of a sequence is
            too short to know.
        model: steps of the input on which what the model gives hangs, through all
            layers: farther back it is within 10 % and 1 % of the largest
            ``||d yhat_t / d x_{t-l}||``, with the ends of their intervals; nan where
            sequences are too short to know.
        lookback: steps of the input that a model needs for all lags that were found,
            one by one or together; nan where none was.
        needed: sequences that show the farthest of them in one gradient; nan where
            that is not resolved.
        intervals: the ends of ``lookback`` (the next lag measured holds nothing) and of
            ``needed``.
        why: why others are not known, a sentence each, by name.
    """

    truncation: pd.DataFrame
    warm_up: pd.DataFrame
    model: pd.Series
    lookback: float
    needed: float
    intervals: dict[str, tuple[float, float]]
    why: dict[str, str]

    def __repr__(self) -> str:
        lines = [self._look_back(), *self._model(), *self._truncate(), *self._warm()]
        return "\n".join(lines)

    def _look_back(self) -> str:
        if np.isnan(self.lookback):
            return NO_LAG
        known = np.isfinite(self.needed)
        count = f"{max(1.0, self.needed):,.0f} or more sequences show"
        return (
            f"look back {self.lookback:.0f} steps; "
            f"{count if known else 'no number of sequences shows'} the farthest lag"
        )

    def _model(self) -> list[str]:
        known, *ends = map(float, self.model[WITHIN[3:]])
        if "model" in self.why:
            return []
        steps = "farther than its sequences tell"
        if np.isfinite(known):
            between = "" if ends == [known, known] else f" ({_ends(*ends)})"
            steps = f"{known:.0f} step{'s' * (known != 1)}{between}"
        return [f"the model looks back {steps}: what lies beyond moves it by under 1 %"]

    def _truncate(self) -> list[str]:
        table = self.truncation
        for k in np.flatnonzero(table["farthest_chunks"] >= ENOUGH)[:1]:
            bias = table["bias_chunks"].iloc[k]
            bent = f", and bend the gradient by {bias:.0%}" if bias >= 0 else ""
            return [
                f"backpropagate {self.lookback:.0f} steps by a sliding window, or "
                f"chunks of {table.index[k]}, which keep half of the farthest lag{bent}"
            ]
        return []

    def _warm(self) -> list[str]:
        steps = self.warm_up["within_1"].to_numpy(float)
        if not steps.size:
            return []
        known = "more than half a sequence"
        if np.isfinite(steps).all():
            known = f"{steps.max():.0f} steps"
        return [f"warm up {known}: states and output are within 1 % then"]


def _ends(lower: float, upper: float) -> str:
    """Return the ends of an interval in words.

    Example:
        >>> _ends(3.0, 5.0), _ends(3.0, np.nan)
        ('3 to 5', '3 or more')
    """
    return (
        f"{lower:.0f} to {upper:.0f}" if np.isfinite(upper) else f"{lower:.0f} or more"
    )


def lengths_of(layers: Mapping[str, "LayerDiagnosis"]) -> Lengths:
    """Return the lengths that a model's layers ask for.

    Truncation and look-back are those of the layer that sees the farthest lag.

    Args:
        layers: by name.
    """
    found = {name: _found(one) for name, one in layers.items()}
    name = max(found, key=lambda one: max(found[one], default=-1))
    held, one = found[name], layers[name]
    farthest = held[max(held)] if held else None
    table = truncation({lag: case.strength for lag, case in held.items()})
    warm = {layer: _warm_up(own) for layer, own in layers.items()}
    notes = {"bias": "truncation", "warm_up": "warm_up", "model": "look_back"}
    why = {what: _notes(one, group) for what, group in notes.items()}
    if farthest is None:
        why |= dict.fromkeys(("truncation", "lookback", "needed"), NO_LAG)
    elif not np.isfinite(farthest.needed):
        why["needed"] = "the farthest lag is not resolved; diagnose more sequences"
    return Lengths(
        table.join(_bias(one)),
        pd.concat(warm, names=LAYER),
        _model(one),
        farthest.lag + 1 if farthest else np.nan,
        farthest.needed if farthest else np.nan,
        _intervals(one, farthest),
        {what: reason for what, reason in why.items() if reason},
    )


def _found(one: "LayerDiagnosis") -> dict[int, Case]:
    every = cases(one).items()
    return {k: c for k, c in every if c.found or (c.others and c.strength > 0)}


def _notes(one: "LayerDiagnosis", name: str) -> str:
    """Return why a group holds nothing."""
    known = name in one.tree.children and "notes" in one.group(name).attrs
    return str(one.group(name).attrs["notes"]) if known else OLD


def _intervals(
    one: "LayerDiagnosis", farthest: Case | None
) -> dict[str, tuple[float, float]]:
    """Return the ends of the look-back and of the sequences needed."""
    if farthest is None:
        return dict.fromkeys(("lookback", "needed"), (np.nan, np.nan))
    lags = one.group("verdict")["lag"].values
    beyond = lags[lags > farthest.lag]
    ends = (np.nan, np.nan)
    need = one.group("detection")
    if farthest.lag in need["lag"]:
        row = need.sel(lag=farthest.lag)
        factor = farthest.needed / float(row["needed"])
        ends = factor * float(row["lower"]), factor * float(row["upper"])
    return {
        "lookback": (farthest.lag + 1.0, float(beyond[0]) if len(beyond) else np.nan),
        "needed": ends,
    }


def _bias(one: "LayerDiagnosis") -> pd.DataFrame:
    """Return how far each length bends the gradient, one row per K."""
    known = "truncation" in one.tree.children
    group = one.group("truncation") if known else xr.Dataset()
    columns = {
        name.replace(kind, f"{kind}_{use}"): group[name].sel(use=use).to_series()
        for kind in ("bias", "cosine")
        for use in ("sliding", "chunks")
        for name in BIAS
        if name.startswith(kind) and group.sizes.get("K")
    }
    return pd.DataFrame(columns, columns=BIAS_BY_USE, dtype=float)


def _model(one: "LayerDiagnosis") -> pd.Series:
    """Return how far back the model looks, with the ends of the intervals."""
    known = "look_back" in one.tree.children
    group = one.group("look_back") if known else xr.Dataset()
    if "sensitivity" not in group:
        return pd.Series(np.nan, WITHIN)
    return pd.Series(_within(group["sensitivity"]))


def _warm_up(one: "LayerDiagnosis") -> pd.DataFrame:
    """Return steps until states and output are near the right ones."""
    index = pd.MultiIndex.from_tuples([], names=LAYER[1:])
    known = "warm_up" in one.tree.children
    group = one.group("warm_up") if known else xr.Dataset()
    rows = {
        (str(what), str(start)): _within(group[what].sel(start=start))
        for what in group.data_vars
        for start in group["start"].values
    }
    if not rows:
        return pd.DataFrame(columns=WITHIN, index=index, dtype=float)
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(LAYER[1:])


def _within(distance: xr.DataArray) -> dict[str, float]:
    """Return after how many steps a distance stays within levels, with intervals."""
    return {
        f"{level}{end}": steps_until(distance.sel(end=name).values, share)
        for level, share in LEVELS.items()
        for end, name in ENDS.items()
    }

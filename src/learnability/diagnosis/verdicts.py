"""Verdicts, explanations and lengths to choose, from what a diagnosis holds."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, final

import numpy as np
import pandas as pd

from ..summaries.progress import given
from ..summaries.spread import samples_needed
from ..verdict.explanation import Explanation, explanation
from ..verdict.lengths import steps_until, truncation
from ..verdict.rules import Case, verdict, with_progress
from ..words import ranges

if TYPE_CHECKING:
    from .layer import LayerDiagnosis

OF_LAG = (
    "start",
    "strength",
    "smallest",
    "kept",
    "kept_error",
    "share",
    "share_lower",
    "share_upper",
    "gain",
    "gain_error",
)
OF_STEP = (
    "b",
    "b_error",
    "rel",
    "unfitted",
    "train_fall",
    "train_fall_error",
    "held_fall",
    "held_fall_error",
)
SHOWN = ("found", "needed", "envelope", *OF_LAG, *OF_STEP)
LAYER = ["layer", "of", "start"]
ENOUGH = 0.5  # weight of the farthest lag
LEVELS = {"within_10": 0.1, "within_1": 0.01}


def cases(one: "LayerDiagnosis") -> dict[int, Case]:
    """Return what is known of each lag of a layer, lag 0 first.

    Raises:
        ValueError: if the file is older than verdicts.
    """
    if "verdict" not in one.tree.children:
        raise ValueError(
            "this diagnosis holds no verdicts; diagnose the model again to have them"
        )
    group, attrs = one.group("verdict"), one.tree.attrs
    lags = group["lag"].values
    need = one.group("detection").reindex(lag=lags)
    needed = samples_needed(need).values
    envelope = one.envelope["normalised"].reindex(lag=lags).values
    of_step = {name: float(group.attrs.get(name, np.nan)) for name in OF_STEP}
    found = {}
    for place, lag in enumerate(lags.tolist()):
        row = group.isel(lag=place)
        own = {n: float(row[n]) for n in OF_LAG}
        found[lag] = Case(
            lag=lag,
            layer=str(attrs["layer"]),
            cell=str(attrs["cell"]),
            units=int(attrs["units"]),
            sequences=int(given(one.tree)),
            found=bool(row["found"] == 1),
            together=bool(row["together"] == 1),
            others=bool(row["others"] == 1),
            notes=str(group.attrs.get("notes", "")),
            past=past_ends(one),
            needed=float(needed[place]),
            envelope=float(envelope[place]),
            **own,
            **of_step,
        )
    return with_progress(found)


def past_ends(one: "LayerDiagnosis") -> float:
    """Return after how many steps a module's past ends, nan if it does nowhere."""
    name = "sensitivity" if "sensitivity" in one.tree.children else "envelope"
    return float(one.group(name).attrs.get("past_ends", np.nan))


def verdict_table(one: "LayerDiagnosis") -> pd.DataFrame:
    """Return one row per lag: the verdict and the numbers that it rests on."""
    rows = {
        lag: {"verdict": verdict(case)} | {n: asdict(case)[n] for n in SHOWN}
        for lag, case in cases(one).items()
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("lag")


def explained(layers: Mapping[str, "LayerDiagnosis"], lag: int) -> Explanation:
    """Return what stops a lag, of the layer that has learnt or kept most of it.

    Args:
        layers: by name.
        lag: in steps; off the grid both neighbours are named.
    """
    every = [cases(one) for one in layers.values()]
    there = [found[lag] for found in every if lag in found]
    if there:
        best = max(there, key=lambda c: np.nan_to_num([c.share, c.kept]).tolist())
        return explanation(best)
    found = every[0]
    nearest = [max((k for k in found if k < lag), default=None)]
    nearest += [min((k for k in found if k > lag), default=None)]
    said = [f"lag {k}: {verdict(found[k])}" for k in nearest if k is not None]
    return Explanation(
        lag,
        next(iter(layers)),
        "not measured",
        "; ".join(said),
        "measure it",
        f"lw.diagnose(model, data, loss, [*lags, {lag}])",
        "nothing is interpolated between lags.",
    )


def stops(one: "LayerDiagnosis") -> str:
    """Return what stops a layer's lags, in a sentence with what to try.

    Empty where no held-out data or no optimizer told whether training on pays.
    """
    if "verdict" not in one.tree.children:
        return ""
    found = {lag: case for lag, case in cases(one).items() if case.found}
    if not found or any(np.isnan(case.held_fall) for case in found.values()):
        return ""
    lags: dict[str, list[int]] = {}
    for lag, case in found.items():
        lags.setdefault(verdict(case), []).append(lag)
    parts = []
    for said, own in lags.items():
        advice = explanation(found[own[-1]]).advice
        at = f"{said} at lag{'s' * (len(own) > 1)} {ranges(own)}"
        parts.append(f"{at} ({advice})" if advice else at)
    return f"{'; '.join(parts)}."


@final
@dataclass(frozen=True, repr=False)
class Lengths:
    """How long to backpropagate, to warm up and to look back, in steps.

    Attributes:
        truncation: one row per length K of truncated backpropagation: the share of
            what the data hold that it keeps, ``sliding`` and by ``chunks``, and the
            weights of the farthest lag; empty where the data hold nothing.
        warm_up: one row per layer, what of it (``states`` or ``output``) and wrong
            start (``other`` or ``zero``): steps until it is within 10 % and 1 % of the
            right one, nan where half of a sequence is too short to know.
        lookback: steps of the input that a model needs for all lags that were found,
            one by one or together; nan where none was.
        needed: sequences that show the farthest of them in one gradient; nan where
            that is not resolved.
    """

    truncation: pd.DataFrame
    warm_up: pd.DataFrame
    lookback: float
    needed: float

    def __repr__(self) -> str:
        return "\n".join([self._look_back(), *self._truncate(), *self._warm()])

    def _look_back(self) -> str:
        if np.isnan(self.lookback):
            return "no lag was found in the data: no length follows from them"
        known = np.isfinite(self.needed)
        count = f"{max(1.0, self.needed):,.0f} or more sequences show"
        return (
            f"look back {self.lookback:.0f} steps; "
            f"{count if known else 'no number of sequences shows'} the farthest lag"
        )

    def _truncate(self) -> list[str]:
        weights = self.truncation["farthest_chunks"].to_numpy(float)
        return [
            f"backpropagate {self.lookback:.0f} steps by a sliding window, or chunks "
            f"of {self.truncation.index[k]}, which keep half of the farthest lag"
            for k in np.flatnonzero(weights >= ENOUGH)[:1]
        ]

    def _warm(self) -> list[str]:
        steps = self.warm_up["within_1"].to_numpy(float)
        if not steps.size:
            return []
        known = "more than half a sequence"
        if np.isfinite(steps).all():
            known = f"{steps.max():.0f} steps"
        return [f"warm up {known}: states and output are within 1 % then"]


def lengths_of(layers: Mapping[str, "LayerDiagnosis"]) -> Lengths:
    """Return the lengths that a model's layers ask for.

    Truncation and look-back are those of the layer that sees the farthest lag.

    Args:
        layers: by name.
    """
    found = {name: _found(one) for name, one in layers.items()}
    name = max(found, key=lambda one: max(found[one], default=-1))
    held = found[name]
    farthest = held[max(held)] if held else None
    return Lengths(
        truncation({lag: case.strength for lag, case in held.items()}),
        pd.concat({name: _warm_up(one) for name, one in layers.items()}, names=LAYER),
        farthest.lag + 1 if farthest else np.nan,
        farthest.needed if farthest else np.nan,
    )


def _found(one: "LayerDiagnosis") -> dict[int, Case]:
    every = cases(one).items()
    return {k: c for k, c in every if c.found or (c.others and c.strength > 0)}


def _warm_up(one: "LayerDiagnosis") -> pd.DataFrame:
    """Return steps until states and output are near the right ones."""
    index = pd.MultiIndex.from_tuples([], names=LAYER[1:])
    if "warm_up" not in one.tree.children:
        return pd.DataFrame(columns=list(LEVELS), index=index)
    group = one.group("warm_up")
    rows = {
        tuple(str(name).split("_")): {
            level: steps_until(group[name].values, share)
            for level, share in LEVELS.items()
        }
        for name in group.data_vars
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(LAYER[1:])

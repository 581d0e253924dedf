"""Verdicts and explanations from what a diagnosis holds."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ..verdict.explained import Explanation, explanation
from ..verdict.rules import Case, verdict, with_progress

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
OF_STEP = ("b", "b_error", "rel", "unfitted")
SHOWN = ("found", "needed", "envelope", *OF_LAG, *OF_STEP)


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
    needed = need["own"].fillna(need["needed"]).values
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
            sequences=int(attrs["sequences"]),
            found=bool(row["found"] == 1),
            needed=float(needed[place]),
            envelope=float(envelope[place]),
            **own,
            **of_step,
        )
    return with_progress(found)


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

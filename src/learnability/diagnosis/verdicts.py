"""Verdicts, explanations and lengths to choose, from what a diagnosis holds."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import xarray as xr

from ..summaries.progress import given
from ..summaries.windows import samples_needed
from ..verdict.explanation import Explanation, explanation
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
    needed = samples_needed(need)["needed"].values
    envelope = one.envelope.reindex(lag=lags)
    below = envelope.get("below", xr.zeros_like(envelope["normalised"])).values
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
            envelope=float(envelope["normalised"].values[place]),
            below=bool(below[place] == 1),
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
    if any(lag in found for found in every):
        return explanation(leading(every, lag))
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


def leading(every: list[dict[int, Case]], lag: int) -> Case:
    """Return the case of the layer that has learnt, or else kept, most of a lag.

    A layer that has not found the lag in the data speaks only where no other has.

    Args:
        every: cases by lag, of each layer.
        lag: in steps.
    """

    def order(case: Case) -> list[float]:
        return [case.found, *np.nan_to_num([case.share, case.kept]).tolist()]

    return max((found[lag] for found in every if lag in found), key=order)


def judged(layers: Mapping[str, "LayerDiagnosis"]) -> dict[int, Explanation]:
    """Return what `explained` does of every lag, none of files without verdicts.

    Args:
        layers: by name.
    """
    every = [cases(one) for one in layers.values() if "verdict" in one.tree.children]
    lags = sorted({lag for found in every for lag in found})
    return {lag: explanation(leading(every, lag)) for lag in lags}


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

"""What a calibration says: every method against the realised windows."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, final

import numpy as np
import pandas as pd
from scipy.special import expit

from learnability.randomness import stream

from .logistic import Bin, area_under_curve, fit_logistic, held_out, reliability
from .published import SETTINGS
from .table import bands_table, by_run, contiguous, longest, windows


class Predictor(NamedTuple):
    """What a logistic law sees.

    Attributes:
        columns: of the `bands_table`.
        baseline: whether it is there to be beaten.
    """

    columns: tuple[str, ...]
    baseline: bool = False


PREDICTORS = {
    "output sensitivity": Predictor(("f",)),
    "probe strength": Predictor(("s",)),
    "detection information": Predictor(("detection",)),
    "lag alone": Predictor(("log_lag",), baseline=True),
    "lag and N": Predictor(("log_lag", "log_n"), baseline=True),
    "learnt share at that step": Predictor(("now",), baseline=True),
    "output sensitivity at the start": Predictor(("f_start",)),
    "probe strength at the start": Predictor(("s_start",)),
}
CANDIDATES = {
    "A memory": Predictor(("memory",)),
    "B memory and sensitivity": Predictor(("memory", "f")),
    "C learning curve": Predictor(("now", "gain")),
    "D complexity": Predictor(("f", "log_count")),
    "E everything": Predictor(("f", "s", "now", "gain", "memory", "log_n")),
}
"""Stated before they were tried: docs/evidence/preregistered.md."""

MEASURED = {
    "detection, at the end": ("end", contiguous),
    "detection, after warm-up": ("detection", contiguous),
    **{f"published, {name}": (name, longest) for name in SETTINGS},
}
"""Windows that need no constants: what they see, and how it becomes a window."""

Frame = Any
"""A DataFrame inside this module: pandas' annotations defeat a type checker."""

RESAMPLES = 500
LEVEL = 0.95


@final
@dataclass(frozen=True)
class Findings:
    """Everything that the page shows.

    Attributes:
        rows: the `bands_table`.
        realised: the realised windows, a row a run.
        predicted: predicted windows in bands, a row a (run, method), beside the
            realised one.
        scores: a row a (family, method): area under the curve, mean error in bands and
            share of exact windows, with intervals; ``cells`` and ``runs``.
        reliability: bins by (family, predictor).
        transfer: a row a (predictor, fitted family, family).
        beyond: a row a (family, predictor): laws of smaller N, at the largest N and on
            unseen cells.
        unseen: a row a (family, method), candidates among them: laws of all other
            families, with intervals.
        needs: a row a (family, cell, band): samples that learning took (the smallest N
            of the grid with which most seeds learnt it) against those of detection.
    """

    rows: pd.DataFrame
    realised: pd.DataFrame
    predicted: pd.DataFrame
    scores: pd.DataFrame
    reliability: dict[tuple[str, str], list[Bin]]
    transfer: pd.DataFrame
    beyond: pd.DataFrame
    unseen: pd.DataFrame
    needs: pd.DataFrame


def findings(records: list[dict], *, seed: int = 0) -> Findings:
    """Compare every method with the realised windows.

    Args:
        records: what `run.run_one` gave.
        seed: of the bootstrap over cells.

    Raises:
        ValueError: if there are no records, or of fewer than two cells.
    """
    rows: Frame = bands_table(records)
    if rows["cell"].nunique() < 2:
        raise ValueError("runs of one cell only: nothing can be left out; run more")
    scored = {family: _scores(own) for family, own in rows.groupby("family")}
    return Findings(
        rows=rows,
        realised=windows(rows),
        predicted=pd.concat([_predicted(rows, f, s) for f, s in scored.items()]),
        scores=pd.concat(
            [_judged(rows, f, s, seed) for f, s in scored.items()], ignore_index=True
        ),
        reliability={
            (family, name): reliability(
                expit(scores[name]),
                _of(rows, family)["learnt"].to_numpy(),
                group=_of(rows, family)["cell"].to_numpy(),
                draws=RESAMPLES,
                seed=stream(seed, f"cells of bins {family}"),
            )
            for family, scores in scored.items()
            for name in PREDICTORS
        },
        transfer=_transfer(rows),
        beyond=_beyond(rows),
        unseen=_unseen(rows, seed),
        needs=_needs(rows),
    )


def _of(rows: Frame, family: str) -> Frame:
    return rows[rows["family"] == family]


def _x(rows: Frame, name: str) -> np.ndarray:
    return rows[list((PREDICTORS | CANDIDATES)[name].columns)].to_numpy(float)


def _scores(own: Frame) -> dict[str, np.ndarray]:
    """Give a score a row for every method; above 0 says learnt (or detected)."""
    y, cell = own["learnt"].to_numpy(), own["cell"].to_numpy()
    found = {name: held_out(_x(own, name), y, cell) for name in PREDICTORS}
    return found | {name: own[c].to_numpy() for name, (c, _) in MEASURED.items()}


def _reach(name: str) -> Callable[[np.ndarray], np.ndarray]:
    return MEASURED[name][1] if name in MEASURED else contiguous


def _predicted(rows: Frame, family: str, scores: dict[str, np.ndarray]) -> pd.DataFrame:
    own = _of(rows, family)
    first = own.groupby("run", sort=False).first()
    base = {name: first[name].to_numpy() for name in ("cell", "samples", "seed")}
    truth = contiguous(by_run(own, own["learnt"].to_numpy()))
    parts = [
        pd.DataFrame(
            {
                "family": family,
                "method": name,
                **base,
                "realised": truth,
                "predicted": _reach(name)(by_run(own, score > 0)),
            }
        )
        for name, score in scores.items()
    ]
    return pd.concat(parts, ignore_index=True)


def _judged(
    rows: Frame, family: str, scores: dict[str, np.ndarray], seed: int
) -> pd.DataFrame:
    predicted: Frame = _predicted(rows, family, scores)
    return _with_intervals(_of(rows, family), predicted, family, scores, seed)


def _with_intervals(
    own: Frame,
    predicted: Frame,
    family: str,
    scores: dict[str, np.ndarray],
    seed: int,
) -> pd.DataFrame:
    """Give areas and errors of some methods on one family, with intervals."""
    y, cells = own["learnt"].to_numpy(), own["cell"].unique()
    random = np.random.default_rng(stream(seed, f"cells {family}"))
    draws = [random.choice(cells, len(cells)) for _ in range(RESAMPLES)]
    found = []
    for name, score in scores.items():
        windows_of = predicted[predicted["method"] == name]
        off = (windows_of["predicted"] - windows_of["realised"]).abs().to_numpy()
        by_cell = {c: off[windows_of["cell"].to_numpy() == c] for c in cells}
        places = {c: np.flatnonzero(own["cell"].to_numpy() == c) for c in cells}

        def area(drawn: Any, s: np.ndarray = score, at: dict = places) -> float:
            rows_of = np.concatenate([at[c] for c in drawn])
            return area_under_curve(s[rows_of], y[rows_of])

        def error(drawn: Any, at: dict = by_cell) -> float:
            return float(np.concatenate([at[c] for c in drawn]).mean())

        row = {"family": family, "method": name, "cells": len(cells), "runs": len(off)}
        row["exact"] = float((off == 0).mean())
        for word, measure in (("auc", area), ("error", error)):
            row[word] = measure(cells)
            low, high = ends([measure(drawn) for drawn in draws])
            row |= {f"{word}_lower": low, f"{word}_upper": high}
        found.append(row)
    return pd.DataFrame(found)


def ends(values: list[float]) -> tuple[float, float]:
    known = np.array([v for v in values if np.isfinite(v)])
    if not known.size:
        return float("nan"), float("nan")
    low, high = np.quantile(known, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def _tested(fitted: Frame, tested: Frame, name: str) -> dict[str, float | int]:
    """Judge a law fitted to some rows on others, of one family."""
    law = fit_logistic(_x(fitted, name), fitted["learnt"].to_numpy())
    score, y = law.score(_x(tested, name)), tested["learnt"].to_numpy()
    off = contiguous(by_run(tested, score > 0)) - contiguous(by_run(tested, y))
    right = by_run(tested, (score > 0) == y).mean(axis=1)
    cell = by_run(tested, tested["cell"].to_numpy())[:, 0]
    return {
        "auc": area_under_curve(score, y),
        **_mean_with_ends("right", right, cell),
        **_mean_with_ends("error", np.abs(off), cell),
        "runs": len(off),
    }


def _mean_with_ends(
    word: str, values: np.ndarray, cell: np.ndarray
) -> dict[str, float | int]:
    """Give a mean over runs and its ends, by drawing cells."""
    names, place = np.unique(cell, return_inverse=True)
    sums, counts = np.bincount(place, values), np.bincount(place)
    random = np.random.default_rng(stream(0, "cells of a mean"))
    drawn = random.integers(len(names), size=(RESAMPLES, len(names)))
    low, high = ends(list(sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)))
    mean = float(values.mean())
    return {word: mean, f"{word}_lower": low, f"{word}_upper": high}


def _transfer(rows: Frame) -> pd.DataFrame:
    """Fit a law to one family and use it on another, without refitting."""
    names = rows["family"].unique()
    return pd.DataFrame(
        [
            {
                "method": predictor,
                "fitted": one,
                "family": other,
                **_tested(_of(rows, one), _of(rows, other), predictor),
            }
            for predictor in PREDICTORS
            for one in names
            for other in names
            if one != other
        ]
    )


def _unseen(rows: Frame, seed: int) -> pd.DataFrame:
    """Fit laws to all families but one; use them there, without refitting."""
    found = []
    for family in rows["family"].unique() if rows["family"].nunique() > 1 else ():
        own, others = _of(rows, family), rows[rows["family"] != family]
        y = others["learnt"].to_numpy()
        scores = {
            name: fit_logistic(_x(others, name), y).score(_x(own, name))
            for name in PREDICTORS | CANDIDATES
        }
        predicted = _predicted(rows, family, scores)
        found.append(_with_intervals(own, predicted, family, scores, seed))
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame()


def _beyond(rows: Frame) -> pd.DataFrame:
    """Fit laws to smaller N and other cells; use them at the largest N."""
    most, found = rows["samples"].max(), []
    for family, own in rows.groupby("family", sort=False):
        for name in PREDICTORS:
            for cell in own["cell"].unique():
                fitted = own[(own["cell"] != cell) & (own["samples"] < most)]
                tested = own[(own["cell"] == cell) & (own["samples"] == most)]
                if len(fitted) and len(tested):
                    result = _tested(fitted, tested, name)
                    found.append({"family": family, "method": name, **result})
    if not found:
        return pd.DataFrame(columns=["family", "method", "right", "error", "runs"])
    groups: Frame = pd.DataFrame(found).groupby(["family", "method"], sort=False)
    return pd.DataFrame(
        [
            {
                "family": family,
                "method": method,
                **_mean_with_ends(
                    "right", own["right"].to_numpy(), np.arange(len(own))
                ),
                **_mean_with_ends(
                    "error", own["error"].to_numpy(), np.arange(len(own))
                ),
                "runs": int(own["runs"].sum()),
            }
            for (family, method), own in groups
        ]
    )


def _needs(rows: Frame) -> pd.DataFrame:
    """Give samples of learning and of detection, where both are inside the grid."""
    found = []
    for (family, cell, band), own in rows.groupby(["family", "cell", "band"]):
        share: Frame = own.groupby("samples")["learnt"].mean()
        enough = share.index[share > 0.5]
        # N(l) of the network that was trained on most sequences.
        best = own[own["samples"] == own["samples"].max()]
        needed = float(np.exp(best["log_n"] - best["end"]).median())
        if len(enough):
            found.append(
                {
                    "family": family,
                    "cell": cell,
                    "band": band,
                    "lag": own["lag"].iloc[0],
                    "learning": int(enough[0]),
                    "at_smallest": bool(enough[0] == share.index[0]),
                    "detection": needed,
                }
            )
    columns = ["family", "cell", "band", "lag", "learning", "at_smallest", "detection"]
    return pd.DataFrame(found, columns=columns)

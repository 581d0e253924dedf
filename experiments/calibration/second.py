"""The second round of laws stated before they were tried, on new seeds.

Laws are fitted to all families but one at some seeds and used on that one at others
(docs/evidence/preregistered.md).
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from scipy.optimize import isotonic_regression

from learnability.randomness import stream

from .findings import RESAMPLES, ends
from .logistic import area_under_curve, fit_logistic
from .run import Record
from .settings import RunSettings
from .table import SMALLEST, bands_table, contiguous

CANDIDATES = {
    "E everything": ("f", "s", "now", "gain", "memory", "log_n"),
    "F everything, monotone": ("f", "s", "now", "gain", "memory", "log_n"),
    "G strength and share": ("s", "now"),
    "H learnt direction": ("direct", "now", "log_n"),
    "I samples and steps": ("budgets",),
    "J saturating curve": ("curve",),
    "K strength and curve": ("s", "curve"),
    "L overfitting": ("s", "now", "log_n", "gap"),
    "M parameters": ("s", "now", "per_parameter"),
    "S alone (baseline)": ("f",),
    "probe strength alone (baseline)": ("s",),
    "lag and N (baseline)": ("log_lag", "log_n"),
    "learnt share now (baseline)": ("now",),
}
MONOTONE = "F everything, monotone"
TWIN = "twin (baseline)"
AVERAGE = "average"
LEAST_SHARE = 1e-3
"""Of an extrapolated share, so that it has a logarithm."""

Frame = Any
Scores = Float[np.ndarray, "run band"]


def covariates(records: Sequence[Record], early: Sequence[Record]) -> Frame:
    """Give a `bands_table` with what the second round sees beside it.

    Args:
        records: what `run.run_one` gave.
        early: what `early.look_early` gave of the same runs.

    Returns:
        The table with ``curve``, ``budgets``, ``direct``, ``gap``, ``per_parameter``.
    """
    rows: Frame = bands_table(records)
    parts = [_more(r, e) for r, e in zip(records, early, strict=True)]
    more = pd.concat(parts, ignore_index=True)
    steps = np.log(np.maximum(more.pop("line"), LEAST_SHARE) / 0.5)
    more["budgets"] = np.minimum(rows["detection"], steps)
    return pd.concat([rows, more], axis=1)


def _more(record: Record, early: Record) -> pd.DataFrame:
    if early["settings"] != record["settings"]:
        raise ValueError("an early look belongs to another training; make it again")
    run = RunSettings.model_validate(record["settings"])
    task, n = run.family.task, run.samples
    half, now = np.array(record["half"]), np.array(record["warm"]["share"])
    c, left = np.array(record["coefficient"]), round(2 / run.warm_up) - 2
    scale = c * np.sqrt(n * task.steps * task.moments) / task.noise
    gap = np.log(early["validation_error"] / early["train_error"])
    return pd.DataFrame(
        {
            "curve": saturating(np.array(record["start"]["share"]), half, now, left),
            "line": now + left * (now - half),
            "direct": np.log(np.maximum(scale * np.array(early["g"]), SMALLEST)),
            "gap": gap,
            "per_parameter": np.log(n * task.steps / early["parameters"]),
        }
    )


def saturating(
    start: Float[np.ndarray, "band"],
    half: Float[np.ndarray, "band"],
    now: Float[np.ndarray, "band"],
    left: int,
) -> Float[np.ndarray, "band"]:
    """Give the share after some more halves of a warm-up, by a saturating law.

    ``now + b (r + r^2 + ... + r^left)``, ``r = b/a`` within [0, 1], a and b the changes
    over the first and the second half; now where a is not above 0; within [-1, 2].

    Args:
        start: share before training.
        half: after half the warm-up.
        now: after all of it.
        left: halves that are still to come.

    Example:
        >>> one = np.array([1.0])
        >>> saturating(0 * one, 0.4 * one, 0.6 * one, 100).round(6).tolist()
        [0.8]
    """
    a, b = half - start, now - half
    r = np.clip(b / np.where(a > 0, a, np.inf), 0.0, 1.0)
    powers = (r[:, None] ** np.arange(1, left + 1)).sum(axis=1)
    return np.clip(now + np.where(a > 0, b, 0.0) * powers, -1.0, 2.0)


def second_round(fitted: Frame, tried: Frame, *, seed: int = 0) -> pd.DataFrame:
    """Judge every candidate on every family that it was not fitted to.

    Args:
        fitted: `covariates` of the trainings that laws are fitted to.
        tried: of those that they are used on.
        seed: of the bootstrap over cells.

    Returns:
        A row a (candidate, held-out family), and one of the ``average`` over families:
        area under the curve and mean error in bands with ends, ``runs``.
    """
    names = list(dict.fromkeys(tried["family"]))
    judged = {}
    for family in names:
        law, own = fitted[fitted["family"] != family], tried[tried["family"] == family]
        same = fitted[fitted["family"] == family]
        judged[family] = _Held.of(law, own, same)
    cells = sorted(set(tried["cell"]))
    random = np.random.default_rng(stream(seed, "cells of the second round"))
    draws = [random.choice(cells, len(cells)) for _ in range(RESAMPLES)]
    found = []
    for method in (*CANDIDATES, TWIN):
        parts = {family: _measures(judged[family], method) for family in names}
        parts[AVERAGE] = _mean(parts, 0), _mean(parts, 1)
        for family, measures in parts.items():
            runs = [len(h.real) for f, h in judged.items() if family in (f, AVERAGE)]
            row = {"method": method, "family": family, "runs": sum(runs)}
            for word, measure in zip(("auc", "error"), measures, strict=True):
                row[word] = measure(cells)
                low, high = ends([measure(drawn) for drawn in draws])
                row |= {f"{word}_lower": low, f"{word}_upper": high}
            found.append(row)
    return pd.DataFrame(found)


Measure = Callable[[Any], float]


def _mean(parts: dict[str, tuple[Measure, ...]], place: int) -> Measure:
    chosen = [measures[place] for measures in parts.values()]

    def mean(drawn: Any) -> float:
        # A family in which all drawn bands were learnt has no area.
        values = np.array([measure(drawn) for measure in chosen])
        known = values[np.isfinite(values)]
        return float(known.mean()) if known.size else float("nan")

    return mean


class _Held:
    """The realised windows of a family, and every candidate's scores and windows."""

    def __init__(self, cell: np.ndarray, learnt: Bool[np.ndarray, "run band"]) -> None:
        self.cell, self.learnt = cell, learnt
        self.real = contiguous(learnt)
        self.scores: dict[str, Scores] = {}
        self.windows: dict[str, np.ndarray] = {}

    @classmethod
    def of(cls, law: Frame, own: Frame, same: Frame) -> "_Held":
        y = own["learnt"].to_numpy().reshape(own["run"].nunique(), -1)
        runs = own.groupby("run", sort=False).first()
        held = cls(runs["cell"].to_numpy(), y)
        for name, columns in CANDIDATES.items():
            x, known = (rows[list(columns)].to_numpy(float) for rows in (own, law))
            fit = fit_logistic(known, law["learnt"].to_numpy())
            score = fit.score(x).reshape(y.shape)
            held.scores[name] = falling(score) if name == MONOTONE else score
            held.windows[name] = contiguous(held.scores[name] > 0)
        held.windows[TWIN] = _twins(runs, same)
        return held


def falling(score: Scores) -> Scores:
    """Give the nearest scores that never rise with the lag, run by run.

    Source: Barlow, Bartholomew, Bremner and Brunk 1972 (isotonic regression).
    """
    return np.array([isotonic_regression(row, increasing=False).x for row in score])


def _twins(runs: Frame, same: Frame) -> np.ndarray:
    """Give the mean window of the same cell and N at the fitted seeds, rounded down."""
    first = same.groupby("run", sort=False).first()
    y = same["learnt"].to_numpy().reshape(len(first), -1)
    windows = pd.Series(contiguous(y)).groupby(
        [first["cell"].to_numpy(), first["samples"].to_numpy()]
    )
    mean: Frame = windows.mean()
    keys = zip(runs["cell"], runs["samples"], strict=True)
    return np.array([int(mean.loc[key]) for key in keys])


def _measures(held: _Held, method: str) -> tuple[Measure, Measure]:
    places = {c: np.flatnonzero(held.cell == c) for c in np.unique(held.cell)}

    def runs_of(drawn: Any) -> np.ndarray:
        return np.concatenate([places[c] for c in drawn if c in places])

    def area(drawn: Any) -> float:
        if method not in held.scores:
            return float("nan")
        own = runs_of(drawn)
        return area_under_curve(
            held.scores[method][own].ravel(), held.learnt[own].ravel()
        )

    def error(drawn: Any) -> float:
        own = runs_of(drawn)
        return float(np.abs(held.windows[method] - held.real)[own].mean())

    return area, error

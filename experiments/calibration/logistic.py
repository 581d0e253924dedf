"""Probabilities from a few covariates, and how good they are."""

from dataclasses import dataclass
from typing import Any, final

import numpy as np
from jaxtyping import Bool, Float
from scipy.optimize import minimize
from scipy.special import expit
from scipy.stats import rankdata

RIDGE = 1e-3
"""Of the slopes of standardised covariates: finite where classes are separable."""

Rows = Float[np.ndarray, "row covariate"]


@final
@dataclass(frozen=True)
class Logistic:
    """``P = 1/(1 + exp(-(a + b . (x - mean)/spread)))``."""

    intercept: float
    slope: Float[np.ndarray, "covariate"]
    mean: Float[np.ndarray, "covariate"]
    spread: Float[np.ndarray, "covariate"]

    def probability(self, x: Rows) -> Float[np.ndarray, "row"]:
        """Give P of every row."""
        return expit(self.score(x))

    def score(self, x: Rows) -> Float[np.ndarray, "row"]:
        """Give the logarithm of the odds of every row."""
        return self.intercept + ((x - self.mean) / self.spread) @ self.slope


def fit_logistic(x: Rows, y: Bool[np.ndarray, "row"]) -> Logistic:
    """Fit a logistic law by penalised likelihood.

    Args:
        x: covariates, in any unit.
        y: what happened.

    Returns:
        The law; with one class only, a law that nearly always says so.

    Example:
        >>> x = np.linspace(-3, 3, 50)[:, None]
        >>> law = fit_logistic(x, x[:, 0] > 0)
        >>> bool(law.probability(np.array([[2.0]]))[0] > 0.9)
        True

    Source: Cox 1958; Hoerl and Kennard 1970 (the penalty).
    """
    mean, spread = x.mean(axis=0), x.std(axis=0)
    spread = np.where(spread > 0, spread, 1.0)
    z, sign = (x - mean) / spread, np.where(y, 1.0, -1.0)

    def loss(w: np.ndarray) -> tuple[float, np.ndarray]:
        margin = sign * (w[0] + z @ w[1:])
        # The intercept's own tiny penalty keeps it finite with one class.
        penalty = RIDGE * (w[1:] @ w[1:] + 0.1 * w[0] ** 2)
        pull = -sign * expit(-margin)
        gradient = np.concatenate(([pull.mean()], z.T @ pull / len(z)))
        gradient = gradient + 2 * RIDGE * np.concatenate(([0.1 * w[0]], w[1:]))
        return float(np.logaddexp(0, -margin).mean() + penalty), gradient

    start = np.zeros(1 + x.shape[1])
    found = minimize(loss, start, jac=True, method="BFGS").x
    return Logistic(float(found[0]), found[1:], mean, spread)


def held_out(
    x: Rows, y: Bool[np.ndarray, "row"], group: np.ndarray
) -> Float[np.ndarray, "row"]:
    """Give log odds of every row from a law fitted to all other groups.

    Args:
        x: covariates.
        y: what happened.
        group: what is left out together, a name a row.
    """
    score = np.empty(len(x))
    for name in np.unique(group):
        out = group == name
        score[out] = fit_logistic(x[~out], y[~out]).score(x[out])
    return score


def area_under_curve(
    score: Float[np.ndarray, "row"], y: Bool[np.ndarray, "row"]
) -> float:
    """Give the probability that a row where it happened has the higher score.

    Args:
        score: any monotone score; ties count a half.
        y: what happened.

    Returns:
        The area; nan with one class only.

    Example:
        >>> area_under_curve(np.array([1.0, 2.0, 3.0]), np.array([False, True, True]))
        1.0

    Source: Mann and Whitney 1947; Hanley and McNeil 1982.
    """
    yes, no = int(y.sum()), int((~y).sum())
    if not yes or not no:
        return float("nan")
    ranks = rankdata(score)[y].sum()
    return float((ranks - yes * (yes + 1) / 2) / (yes * no))


@final
@dataclass(frozen=True)
class Bin:
    """One bin of a reliability diagram.

    Attributes:
        predicted: mean probability.
        observed: share that happened.
        count: rows.
        lower: end of the share's interval; nan without groups.
        upper: the other end.
    """

    predicted: float
    observed: float
    count: int
    lower: float = float("nan")
    upper: float = float("nan")


def reliability(
    probability: Float[np.ndarray, "row"],
    y: Bool[np.ndarray, "row"],
    bins: int = 10,
    *,
    group: np.ndarray | None = None,
    draws: int = 500,
    seed: Any = 0,
) -> list[Bin]:
    """Give predicted against observed shares in bins of equal width.

    Args:
        probability: P of every row.
        y: what happened.
        bins: how many; empty ones are left out.
        group: what is drawn together for 95 % intervals of the shares, a name a row.
        draws: how often.
        seed: whatever `numpy.random.default_rng` takes.

    Source: Murphy and Winkler 1977; Efron 1982 (the intervals).
    """
    place = np.minimum((probability * bins).astype(int), bins - 1)
    names = np.zeros(len(y), int) if group is None else np.unique(group, False, True)[1]
    ends = _ends(place, y, names, bins, draws, seed)
    return [
        Bin(
            float(probability[place == k].mean()),
            float(y[place == k].mean()),
            int((place == k).sum()),
            *([] if group is None else ends[:, k].tolist()),
        )
        for k in np.unique(place)
    ]


def _ends(
    place: np.ndarray,
    y: np.ndarray,
    group: np.ndarray,
    bins: int,
    draws: int,
    seed: Any,
) -> Float[np.ndarray, "end bin"]:
    """Give the ends of every bin's share by drawing groups."""
    size, at = group.max() + 1, group * bins + place
    whole, part = (
        np.bincount(at, weights, size * bins).reshape(size, bins)
        for weights in (np.ones(len(y)), y.astype(float))
    )
    drawn = np.random.default_rng(seed).integers(size, size=(draws, size))
    with np.errstate(invalid="ignore"):
        share = part[drawn].sum(axis=1) / whole[drawn].sum(axis=1)
    share[:, whole.sum(axis=0) == 0] = 0.0
    return np.nanquantile(share, [0.025, 0.975], axis=0)

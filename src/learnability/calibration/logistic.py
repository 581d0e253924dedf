"""Probabilities from a few covariates, and how good they are."""

from dataclasses import dataclass
from typing import final

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
    """

    predicted: float
    observed: float
    count: int


def reliability(
    probability: Float[np.ndarray, "row"], y: Bool[np.ndarray, "row"], bins: int = 10
) -> list[Bin]:
    """Give predicted against observed shares in bins of equal width.

    Args:
        probability: P of every row.
        y: what happened.
        bins: how many; empty ones are left out.

    Source: Murphy and Winkler 1977.
    """
    place = np.minimum((probability * bins).astype(int), bins - 1)
    return [
        Bin(
            float(probability[place == k].mean()),
            float(y[place == k].mean()),
            int((place == k).sum()),
        )
        for k in np.unique(place)
    ]

"""Learnt shares: of what targets ask for at a lag, how much do the outputs give?"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy import stats

from .regression import Regression

LEVEL = 0.95  # of intervals
TINY = 1e-300  # for what is exactly 0


class Interval(NamedTuple):
    """A number with the ends of its interval."""

    value: float
    lower: float
    upper: float


@dataclass(frozen=True)
class Coefficients:
    """What the two parts of an error signal hold of one lag.

    Attributes:
        asked: beta(e, phi_l), of all features and axes, flat.
        given: beta(p, phi_l).
        asked_deviations: by how much each cluster moves them.
        given_deviations: likewise.
    """

    asked: Float[np.ndarray, "coefficient"]
    given: Float[np.ndarray, "coefficient"]
    asked_deviations: Float[np.ndarray, "cluster coefficient"]
    given_deviations: Float[np.ndarray, "cluster coefficient"]

    def share(self) -> Interval:
        """Return the learnt share with its Fieller interval; nan if not resolved.

        ``-d'beta(p) / d'beta(e)`` along the direction d of beta(e). The error of
        beta(e) itself makes d, so that what the errors across d add to both products is
        taken off.
        """
        d = self._direction
        return fieller(*self._ratio, self.given_deviations @ -d, self._along)

    def change(self, after: "Coefficients") -> tuple[float, float]:
        """Return by how much the share changes, and its standard error.

        Args:
            after: the same clusters after the change.
        """
        apart = after._left_out - self._left_out
        count = len(apart)
        error = np.sqrt((count - 1) / count * ((apart - apart.mean()) ** 2).sum())
        (given, asked), (later, own) = self._ratio, after._ratio
        return later / own - given / asked, float(error)

    @property
    def _direction(self) -> Float[np.ndarray, "coefficient"]:
        return self.asked / max(np.linalg.norm(self.asked), TINY)

    @property
    def _along(self) -> Float[np.ndarray, "cluster"]:
        return self.asked_deviations @ self._direction

    @property
    def _ratio(self) -> tuple[float, float]:
        """Return what was learnt and what is asked along the direction."""
        d, size = self._direction, max(np.linalg.norm(self.asked), TINY)
        across = self.asked_deviations - np.outer(self._along, d)
        learnt = self.given @ d - (across * self.given_deviations).sum() / size
        return -float(learnt), float(size - (across**2).sum() / size)

    @property
    def _left_out(self) -> Float[np.ndarray, "cluster"]:
        """Return the share without each of the clusters."""
        given, asked = self._ratio
        learnt = given + self.given_deviations @ self._direction
        return learnt / (asked - self._along)


def fieller(
    above: float,
    below: float,
    above_deviations: Float[np.ndarray, "cluster"],
    below_deviations: Float[np.ndarray, "cluster"],
) -> Interval:
    """Return a ratio with the interval of all that it may be at 95 %.

    Those ratios r for which ``above - r below`` is within Student's t standard errors
    of 0; nan where they have no bound, since below may be 0.

    Args:
        above: the numerator.
        below: the denominator.
        above_deviations: by how much leaving each cluster out moves the numerator.
        below_deviations: likewise.

    Example:
        >>> none = np.zeros(8)
        >>> fieller(1.0, 2.0, none, none).value
        0.5

    Source: Fieller 1954.
    """
    t2 = stats.t.isf((1 - LEVEL) / 2, len(above_deviations) - 1) ** 2
    a = below**2 - t2 * float(below_deviations @ below_deviations)
    b = above * below - t2 * float(above_deviations @ below_deviations)
    c = above**2 - t2 * float(above_deviations @ above_deviations)
    if not (a > 0 and below > 0):
        return Interval(np.nan, np.nan, np.nan)
    half = max(0.0, b**2 - a * c) ** 0.5
    lower, upper = float((b - half) / a), float((b + half) / a)
    return Interval(above / below, lower, upper)


def coefficients(
    fitted: Regression, lags: dict[int, slice], axes: int
) -> dict[int, Coefficients]:
    """Return what both parts hold of each lag.

    Args:
        fitted: of the targets' part of all axes, then of the prediction's part.
        lags: lags in steps, with the features that count.
        axes: of the error signal.
    """
    found = {}
    for lag, features in lags.items():
        _, beta, moved, _ = fitted.of(lag, features)
        flat = len(moved), -1
        found[lag] = Coefficients(
            beta[:, :axes].ravel(),
            beta[:, axes:].ravel(),
            moved[..., :axes].reshape(flat),
            moved[..., axes:].reshape(flat),
        )
    return found

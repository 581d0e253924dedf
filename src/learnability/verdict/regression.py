"""Targets on features of all lags at once, its error by leaving clusters out."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy import linalg

from .moments import FOLDS, Moments
from .trace_test import TraceTest, by_products, trace_test

FEW_ROWS = 5  # for each coefficient, below which a ridge is chosen
ROWS = 2  # likewise, below which single lags need a ridge, too
RIDGES = (0.0, 1e-3, 1e-2, 1e-1, 1.0, 10.0)
HEAVY = 0.5  # kurtosis of sums from which on clusters alone do not tell the error
NO_RIDGE = 1e-10  # for features that one cluster alone has
SAME = 1e4
"""Inflation of a variance beyond which other lags say the same: one cue somewhere in
each sequence is told by where it is not."""


@dataclass(frozen=True)
class Regression:
    """``y_t = sum_l beta_l' phi_{t-l} + e_t``, by least squares.

    Attributes:
        beta: coefficients, lag by lag.
        deviations: by how much each cluster moves them.
        covariance: E of the features' products, all lags.
        inverse: of the covariance.
        r_squared: share of the targets' variance that lags 0 to l foretell in clusters
            that were left out.
        error: its standard error over clusters.
        ridge: added to the covariance.
        retained: by lag, the share of what it does that its coefficients hold: 1 but
            for a ridge, which shrinks them.
        plain: the coefficients' covariance, summed over targets, if errors were alike
            and independent in all rows; 0 where nothing is rare.
    """

    beta: Float[np.ndarray, "coefficient target"]
    deviations: Float[np.ndarray, "cluster coefficient target"]
    covariance: Float[np.ndarray, "coefficient coefficient"]
    inverse: Float[np.ndarray, "coefficient coefficient"]
    r_squared: Float[np.ndarray, "lag"]
    error: Float[np.ndarray, "lag"]
    ridge: float
    retained: Float[np.ndarray, "lag"]
    plain: Float[np.ndarray, "coefficient coefficient"]

    @property
    def width(self) -> int:
        """Coefficients of a lag."""
        return len(self.beta) // len(self.r_squared)

    @cached_property
    def inflation(self) -> Float[np.ndarray, "lag"]:
        """By how much other lags inflate the variance of each one's coefficients."""
        shape = (len(self.r_squared), self.width) * 2
        pairs = (a.reshape(shape) for a in (self.inverse, self.covariance))
        return np.einsum("iaib,iaib->i", *pairs) / self.width

    def of(self, lag: int, features: slice = slice(None)) -> "Own":
        """Return what is a lag's own, in standard deviations of its features.

        What does not vary at the lag has no weight, and directions that other lags
        foretell are left out, unless that is so of all.

        Args:
            lag: in steps.
            features: those of its features that count.
        """
        start, stop, _ = features.indices(self.width)
        own = slice(lag * self.width + start, lag * self.width + stop)
        size, axes = np.linalg.eigh(self.covariance[own, own])
        size = np.where(size > NO_RIDGE * max(size[-1], NO_RIDGE), size, 0.0)
        root = axes * np.sqrt(size)
        inflation, turned = np.linalg.eigh(root.T @ self.inverse[own, own] @ root)
        apart = inflation <= SAME
        into = (root @ turned[:, apart] if apart.any() else root).T
        return Own(
            into,
            into @ self.beta[own],
            into @ self.deviations[:, own],
            into @ self.plain[own, own] @ into.T,
        )

    def only(self, features: slice) -> "Regression":
        """Return what the regression says of some of the features."""
        places = np.arange(len(self.beta)).reshape(len(self.r_squared), -1)
        places = places[:, features].ravel()
        if len(places) == len(self.beta):
            return self
        pairs = np.ix_(places, places)
        return replace(
            self,
            beta=self.beta[places],
            deviations=self.deviations[:, places],
            covariance=self.covariance[pairs],
            inverse=self.inverse[pairs],
            plain=self.plain[pairs],
        )

    def test(self, lags: Sequence[int], sequences: int) -> TraceTest:
        """Return the test of a lag, or of what several add to all others.

        The latter is ``|R b|``, ``R'R`` the covariance given all other lags. Clusters
        that hold a rare token may happen to agree: where something is rare, the noise
        is at least that of errors alike in all rows.
        """
        if len(lags) == 1:
            _, beta, moved, plain = self.of(lags[0])
            moved = moved.reshape(len(moved), -1)
            return trace_test(beta.ravel(), moved, sequences, float(np.trace(plain)))
        places = np.asarray(lags)[:, None] * self.width + np.arange(self.width)
        own = places.ravel()
        both = np.ix_(own, own)
        apart = inverted(self.inverse[both])
        apart.flat[:: len(own) + 1] += NO_RIDGE * np.trace(apart) / len(own)
        every = np.concatenate([self.beta[None, own], self.deviations[:, own]])
        targets = every.swapaxes(1, 2).reshape(-1, len(own))
        products = (targets @ apart).reshape(len(every), -1)
        products = products @ targets.reshape(len(every), -1).T
        least = float(np.sum(apart * self.plain[both]))
        length = self.beta[own].size
        return by_products(products, length, sequences, least)


class Own(NamedTuple):
    """What a regression says of one lag, along the directions that are its own.

    Attributes:
        into: from coefficients of its features.
        beta: coefficients.
        deviations: by how much each cluster moves them.
        plain: their covariance if errors were alike in all rows.
    """

    into: Float[np.ndarray, "direction feature"]
    beta: Float[np.ndarray, "direction target"]
    deviations: Float[np.ndarray, "cluster direction target"]
    plain: Float[np.ndarray, "direction direction"]


def best_ridge(found: Moments) -> float:
    """Return what foretells left-out clusters best, 0 where rows are many.

    It is above 0 where rows are fewer than `ROWS` for each coefficient.
    """
    size = found.xy.shape[1]
    if found.rows >= FEW_ROWS * size:
        return 0.0
    ridges = RIDGES if found.rows >= ROWS * size else RIDGES[1:]
    errors = [_heldout(found, ridge, [size]).sum() for ridge in ridges]
    return ridges[int(np.argmin(errors))]


def regression(
    found: Moments, lags: int, ridge: float, *, nested: bool = True
) -> Regression:
    """Return the regression on all lags and what nested ones foretell.

    Args:
        found: sums of products.
        lags: L + 1.
        ridge: added to the covariance.
        nested: whether to tell what nested ones foretell; nan otherwise.
    """
    size = found.xy.shape[1]
    y = found.xy.sum(0)
    total = found.total()
    added = total + (ridge + NO_RIDGE) * found.rows * np.eye(size)
    beta = solved(added.copy(), y)
    left_out = [
        solved(added - xx, y - xy) for xx, xy in zip(found.xx, found.xy, strict=True)
    ]
    share = error = np.full(lags, np.nan)
    if nested:
        depths = [(lag + 1) * (size // lags) for lag in range(lags)]
        errors = _heldout(found, ridge, depths)
        share, error = explained(errors, found.yy[:, None])
    plain = np.zeros_like(total)
    if found.tails > HEAVY:
        left = found.yy.sum() - np.sum(beta * (2 * y - total @ beta))
        shrunk = inverted(added.copy())
        freedom = found.rows - np.sum(shrunk * total)
        plain = (shrunk @ total @ shrunk) * left / freedom
    retained = np.ones(lags)
    if ridge:
        retained = _retained(total, solved(added.copy(), total), lags)
    return Regression(
        beta=beta,
        deviations=beta - np.array(left_out),
        covariance=total / found.rows,
        inverse=inverted(total / found.rows + NO_RIDGE * np.eye(size)),
        r_squared=share,
        error=error,
        ridge=ridge,
        retained=retained,
        plain=plain,
    )


def _retained(
    total: Float[np.ndarray, "coefficient coefficient"],
    into: Float[np.ndarray, "coefficient coefficient"],
    lags: int,
) -> Float[np.ndarray, "lag"]:
    """Return the share of each lag's own effect that shrunken coefficients hold.

    They are ``R b`` on average, ``R = (X'X + ridge)^-1 X'X``: of lag l it is ``tr(C_l
    R_l)/tr C_l`` of its own blocks.

    Args:
        total: X'X.
        into: R.
        lags: L + 1.
    """
    shape = (lags, len(total) // lags) * 2
    own = total.reshape(shape)
    held = np.einsum("iaib,ibia->i", own, into.reshape(shape))
    size = np.einsum("iaia->i", own)
    return np.divide(held, size, out=np.ones(lags), where=size > 0)


def solved(
    covariance: Float[np.ndarray, "size size"], y: Float[np.ndarray, "size column"]
) -> Float[np.ndarray, "size column"]:
    """Return ``C^-1 y`` by one Cholesky factor, which takes the place of C.

    SciPy's `solve` looks for structure and estimates the condition first, which takes
    twice as long as the factor.
    """
    return linalg.cho_solve((_factor(covariance), True), y, check_finite=False)


def inverted(
    covariance: Float[np.ndarray, "size size"],
) -> Float[np.ndarray, "size size"]:
    """Return ``C^-1`` of a Cholesky factor, which takes the place of C.

    That is half the work of an inverse that does not know C to be symmetric.

    Example:
        >>> inverted(np.array([[2.0, 1.0], [1.0, 1.0]])).round(9).tolist()
        [[1.0, -1.0], [-1.0, 2.0]]
    """
    factor = _factor(covariance)
    (from_factor,) = linalg.get_lapack_funcs(("potri",), (factor,))
    half, _ = from_factor(factor, lower=True, overwrite_c=True)
    lower = np.tril(half)
    return lower + np.tril(half, -1).T


def _factor(covariance: Float[np.ndarray, "size size"]) -> Float[np.ndarray, "_ _"]:
    """Return the Cholesky factor below the diagonal, which takes the place of C.

    LAPACK wants columns; C is symmetric, so that its transpose is no copy. An upper
    factor takes twice as long.
    """
    c = covariance.T
    return linalg.cho_factor(c, True, overwrite_a=True, check_finite=False)[0]


def _heldout(
    found: Moments, ridge: float, depths: list[int]
) -> Float[np.ndarray, "cluster depth"]:
    """Return each cluster's squared error, fitted to the other folds' clusters.

    ``|y - X b|^2 = y'y - 2 b'X'y + b'X'X b``, b of the first coefficients alone: one
    Cholesky factor serves all depths.
    """
    number, size, targets = found.xy.shape
    folds = np.arange(number) * FOLDS // number
    errors = np.empty((number, len(depths)))
    total, y = found.total(), found.xy.sum(0)
    total.flat[:: size + 1] += (ridge + NO_RIDGE) * found.rows
    for fold in range(FOLDS):
        own = np.flatnonzero(folds == fold).tolist()
        factor = np.linalg.cholesky(total - found.total(own))
        others = y - found.xy[own].sum(0)
        right = linalg.solve_triangular(factor, others, lower=True)
        nested = np.zeros((size, len(depths), targets))
        for i, k in enumerate(depths):
            nested[:k, i] = linalg.solve_triangular(
                factor[:k, :k], right[:k], lower=True, trans=1
            )
        flat = nested.reshape(size, -1)
        for g in own:
            fitted = (found.xx[g] @ flat).reshape(nested.shape)
            twice = 2 * found.xy[g][:, None] - fitted
            errors[g] = found.yy[g] - (nested * twice).sum((0, 2))
    return errors


def explained(
    errors: Float[np.ndarray, "cluster lag"],
    total: Float[np.ndarray, "cluster lag"] | Float[np.ndarray, "cluster 1"],
) -> tuple[Float[np.ndarray, "lag"], Float[np.ndarray, "lag"]]:
    """Return R^2 of each lag and its standard error, that of a ratio of sums.

    Args:
        errors: squared errors.
        total: squares of what was foretold; where they are 0, R^2 is nan.
    """
    whole = total.sum(0)
    whole = np.where(whole > 0, whole, np.nan)
    unexplained = errors.sum(0) / whole
    apart = errors - unexplained * total
    error = np.sqrt((apart**2).sum(0) * len(total) / (len(total) - 1)) / whole
    return 1 - unexplained, error

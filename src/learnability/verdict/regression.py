"""Targets on features of all lags at once, its error by leaving clusters out."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy import linalg

from .features import NOTHING, PART, SMALLEST_SHARE, Whitened
from .observed import FEWEST_SHARING, Observed
from .trace_test import TraceTest, trace_test

FOLDS = 8
LARGEST = 2048
"""Coefficients of one target beyond which the regression is refused."""
HELD = 2**25  # numbers of all clusters' moments: 256 MB
FEW_ROWS = 5  # for each coefficient, below which a ridge is chosen
RIDGES = (0.0, 1e-3, 1e-2, 1e-1, 1.0, 10.0)
HEAVY = 0.5  # kurtosis of sums from which on clusters alone do not tell the error
NO_RIDGE = 1e-10  # for features that one cluster alone has
SAME = 1e4
"""Inflation of a variance beyond which other lags say the same: one cue somewhere in
each sequence is told by where it is not."""


@dataclass(frozen=True)
class Moments:
    """Sums of products over the rows of every cluster: X'X, X'Y and trace Y'Y.

    Attributes:
        tails: about the kurtosis of sums of products of the rarest feature and target.
    """

    xx: Float[np.ndarray, "cluster coefficient coefficient"]
    xy: Float[np.ndarray, "cluster coefficient target"]
    yy: Float[np.ndarray, "cluster"]
    rows: int
    tails: float

    def first(self, features: int, lags: int) -> "Moments":
        """Return the moments of the first features alone."""
        places = np.arange(self.xx.shape[1]).reshape(lags, -1)[:, :features].ravel()
        if len(places) == self.xx.shape[1]:
            return self
        xx = self.xx[:, places[:, None], places]
        return replace(self, xx=xx, xy=self.xy[:, places])


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

    def of(self, lag: int) -> "Own":
        """Return what is a lag's own, in standard deviations of its features.

        What does not vary at the lag has no weight, and directions that other lags
        foretell are left out, unless that is so of all.
        """
        own = slice(lag * self.width, (lag + 1) * self.width)
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
        else:
            places = np.asarray(lags)[:, None] * self.width + np.arange(self.width)
            own = places.ravel()
            both = np.ix_(own, own)
            apart = linalg.inv(self.inverse[both])
            apart.flat[:: len(own) + 1] += NO_RIDGE * np.trace(apart) / len(own)
            root = linalg.cholesky(apart)
            beta, moved = root @ self.beta[own], root @ self.deviations[:, own]
            plain = root @ self.plain[both] @ root.T
        moved = moved.reshape(len(moved), -1)
        return trace_test(beta.ravel(), moved, sequences, float(np.trace(plain)))


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


def targets_of(data: Observed) -> Float[np.ndarray, "row target"]:
    """Return the targets, freed of the profile that all share, of a total variance 1.

    Values become white, whatever their units; classes keep their own weight, so that
    rare ones do not outweigh the others (Goodman and Kruskal's tau).

    Raises:
        ValueError: if nothing is left.
    """
    values = data.targets - data.targets.mean(0)
    size = float((values**2).mean())
    if data.per_step and len(data.inputs) >= FEWEST_SHARING:
        count = np.bincount(data.step)
        sums = [np.bincount(data.step, weights=column) for column in values.T]
        values -= (np.array(sums) / np.maximum(count, 1)).T[data.step]
    variances, vectors = np.linalg.eigh(values.T @ values / len(values))
    kept = variances > SMALLEST_SHARE * variances[-1]
    if variances[-1] <= NOTHING * size:
        raise ValueError(
            "the targets do not vary between sequences; give targets that do"
        )
    if data.classes:
        return values[:, values.any(axis=0)] / np.sqrt(variances.sum())
    white = values @ (vectors[:, kept] / np.sqrt(variances[kept]))
    return white / np.sqrt(kept.sum())


def moments(
    features: Whitened,
    data: Observed,
    cluster: Int[np.ndarray, "row"],
    longest: int,
) -> Moments:
    """Return the sums of products of every cluster, made of parts of the rows.

    Raises:
        ValueError: if there are more than 2,048 coefficients.
    """
    size = few_enough(longest + 1, features.width)
    y = targets_of(data)
    most = int(np.clip(HELD // size**2, FOLDS, None))
    number = int(cluster.max()) + 1
    cluster = cluster * min(number, most) // number
    number = min(number, most)
    xx, xy = np.zeros((number, size, size)), np.zeros((number, size, y.shape[1]))
    fourth = np.zeros(features.width)
    for g in range(number):
        own = np.flatnonzero(cluster == g)
        for rows in np.array_split(own, -(-len(own) * size // PART)):
            x = _lagged(features, data.sequence[rows], data.step[rows], longest)
            xx[g] += x.T @ x
            xy[g] += x.T @ y[rows]
            fourth += (x[:, : features.width] ** 4).sum(0)
    yy = np.bincount(cluster, weights=(y**2).sum(1))
    kurtosis = ((y**4).mean(0) / (y**2).mean(0) ** 2).max()
    tails = float(fourth.max() * kurtosis) / len(y) ** 2
    return Moments(xx, xy, yy, len(y), tails)


def few_enough(lags: int, width: int) -> int:
    """Return the number of coefficients.

    Raises:
        ValueError: if there are more than 2,048.
    """
    if lags * width > LARGEST:
        raise ValueError(
            f"{lags} lags of {width} features are {lags * width} coefficients; "
            f"ask for fewer lags or features, at most {LARGEST} together"
        )
    return lags * width


def best_ridge(found: Moments) -> float:
    """Return what foretells left-out clusters best, 0 where rows are many."""
    size = found.xy.shape[1]
    if found.rows >= FEW_ROWS * size:
        return 0.0
    errors = [_heldout(found, ridge, [size]).sum() for ridge in RIDGES]
    return RIDGES[int(np.argmin(errors))]


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
    total = found.xx.sum(0)
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
        shrunk = linalg.inv(added)
        freedom = found.rows - np.sum(shrunk * total)
        plain = (shrunk @ total @ shrunk) * left / freedom
    return Regression(
        beta=beta,
        deviations=beta - np.array(left_out),
        covariance=total / found.rows,
        inverse=linalg.inv(total / found.rows + NO_RIDGE * np.eye(size)),
        r_squared=share,
        error=error,
        ridge=ridge,
        plain=plain,
    )


def solved(
    covariance: Float[np.ndarray, "size size"], y: Float[np.ndarray, "size column"]
) -> Float[np.ndarray, "size column"]:
    """Return ``C^-1 y`` by one Cholesky factor, which takes the place of C.

    SciPy's `solve` looks for structure and estimates the condition first, which takes
    twice as long as the factor.
    """
    # LAPACK wants columns; C is symmetric, so that its transpose is no copy.
    factor = linalg.cho_factor(covariance.T, overwrite_a=True, check_finite=False)
    return linalg.cho_solve(factor, y, check_finite=False)


def _lagged(
    features: Whitened,
    sequence: Int[np.ndarray, "row"],
    step: Int[np.ndarray, "row"],
    longest: int,
) -> Float[np.ndarray, "row coefficient"]:
    """Return the features of all lags in a row, lag 0 first."""
    own, place = np.unique(sequence, return_inverse=True)
    start = int(step.min()) - longest
    phi = features.of(own, start, int(step.max()) + 1)
    windows = np.lib.stride_tricks.sliding_window_view(phi, longest + 1, axis=1)
    past = windows[place, step - longest - start][..., ::-1]
    return past.transpose(0, 2, 1).reshape(len(step), -1)


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
    total, y = found.xx.sum(0), found.xy.sum(0)
    total.flat[:: size + 1] += (ridge + NO_RIDGE) * found.rows
    for fold in range(FOLDS):
        own = folds == fold
        factor = np.linalg.cholesky(total - found.xx[own].sum(0))
        others = y - found.xy[own].sum(0)
        right = linalg.solve_triangular(factor, others, lower=True)
        nested = np.zeros((size, len(depths), targets))
        for i, k in enumerate(depths):
            nested[:k, i] = linalg.solve_triangular(
                factor[:k, :k], right[:k], lower=True, trans=1
            )
        flat = nested.reshape(size, -1)
        for g in np.flatnonzero(own):
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

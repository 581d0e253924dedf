"""Maximum likelihood for a symmetric stable law, and how much a value tells.

The likelihood is climbed from the characteristic-function estimate, in coordinates
whitened by the outer product of the scores (Berndt, Hall, Hall and Hausman 1974): a
consistent start in round valleys leaves a handful of steps to go.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import OptimizeResult, minimize

from ._numerics import CELLS, LARGEST_X, WIDTH, log_derivatives
from .checks import (
    LOWEST_ALPHA,
    NEARLY_GAUSSIAN,
    Array,
    Reals,
    sample_values,
    tail_index,
)
from .koutrouvelis1980 import koutrouvelis
from .law import Estimate

# Between here and 2 the likelihood is not told apart from the Gaussian's.
LARGEST_ALPHA = 2 - NEARLY_GAUSSIAN

# Slope of the log likelihood a standard error, at which the climb ends.
TOLERANCE = 1e-3

# Where rounding ends the climb earlier: a twentieth of a standard error is left.
LARGEST_GRADIENT = 0.05

STEPS = 100

# Of log sigma from its start: the likelihood of many equal values has no maximum, it
# grows without end as sigma shrinks to them.
FARTHEST = 20.0

# Gauss-Legendre nodes a panel; 16 change the information by less than 1e-10.
PANEL_NODES = 8

# The integrals stop where the probability left is TAIL_MASS.
TAIL_PANELS, TAIL_MASS = 40, 1e-16


class Point(NamedTuple):
    """Log likelihood and its derivatives at one (alpha, sigma, location).

    value: sum of log densities; log_density: (sequence); scores: (3, sequence), by
    alpha, log sigma, location in units of sigma.
    """

    alpha: float
    sigma: float
    location: float
    value: float
    log_density: Array
    scores: Array


def maximum_likelihood(values: ArrayLike) -> Estimate:
    """Estimate alpha, sigma and location by maximum likelihood.

    maximise sum_j log p((x_j - location)/sigma; alpha) - n log sigma

    Args:
        values: samples (..., sequence), at least 50 sequences.

    Returns:
        An `Estimate` of arrays (...); alpha between 0.5 and 2, and 2 exactly where the
        Gaussian is more likely than any heavier tail.

    Raises:
        ValueError: fewer than 50 values, NaN, or constant values.
        ArithmeticError: the likelihood did not reach a maximum.

    Example:
        >>> from learnability.stable import law
        >>> maximum_likelihood(law.sample(1.5, (3, 1000), seed=1)).alpha.shape
        (3,)

    Source: DuMouchel 1973, Ann. Stat. 1, 948; Nolan 2001, Levy Processes, p. 379.
    """
    array = sample_values(values)
    start = koutrouvelis(array)
    rows = array.reshape(-1, array.shape[-1])
    starts = np.stack([np.ravel(part) for part in start], -1)
    columns = np.empty((3, len(rows)))
    for lag, (row, (alpha, sigma, location)) in enumerate(
        zip(rows, starts, strict=True)
    ):
        # In units of the start no square of a value leaves the range of a double.
        found = _climb((row - location) / sigma, float(alpha))
        columns[:, lag] = (
            found.alpha,
            sigma * found.sigma,
            location + sigma * found.location,
        )
    return Estimate(*columns.reshape(3, *array.shape[:-1]))


def evaluate(values: Array, alpha: float, sigma: float, location: float) -> Point:
    """Return log likelihood and scores of one sample.

    value = sum_j log p((x_j - location)/sigma; alpha) - n log sigma

    Args:
        values: one sample (sequence).
        alpha: tail index in [0.5, 2].
        sigma: scale, in the unit of the values.
        location: centre, in the unit of the values.

    Returns:
        A `Point`.

    Example:
        >>> point = evaluate(np.array([-1.0, 1.0]), 2.0, 1.0, 0.0)
        >>> float(point.scores[2].sum())
        0.0

    Source: DuMouchel 1973, Ann. Stat. 1, 948.
    """
    z = (values - location) / sigma
    magnitude = np.abs(z)
    if alpha > LARGEST_ALPHA:
        # A Gaussian of variance 2; its score in alpha is not finite and not used.
        log_density, slope = -z * z / 4 - np.log(4 * np.pi) / 2, -magnitude / 2
        by_alpha = np.full(z.shape, np.nan)
    else:
        log_density, slope, by_alpha = log_derivatives(magnitude, alpha)
    logs = log_density - np.log(sigma)
    scores = np.stack([by_alpha, -1 - magnitude * slope, -np.sign(z) * slope])
    return Point(alpha, sigma, location, float(logs.sum()), logs, scores)


def _climb(values: Array, start: float) -> Point:
    """Climb from alpha, scale 1, location 0; a unit of y is one standard error."""
    alpha = float(np.clip(start, LOWEST_ALPHA, LARGEST_ALPHA))
    origin = evaluate(values, alpha, 1.0, 0.0)
    # Lower triangular, so that the bounds of alpha bound the first coordinate alone.
    errors = np.linalg.cholesky(np.linalg.inv(origin.scores @ origin.scores.T))

    def at(y: Array) -> Point:
        change = errors @ y
        return evaluate(
            values,
            float(np.clip(alpha + change[0], LOWEST_ALPHA, LARGEST_ALPHA)),
            float(np.exp(np.clip(change[1], -FARTHEST, FARTHEST))),
            float(change[2]),
        )

    def loss(y: Array) -> tuple[float, Array]:
        point = at(y)
        gradient = point.scores.sum(1) / [1, 1, point.sigma]
        return origin.value - point.value, -errors.T @ gradient

    bounds = (np.array([LOWEST_ALPHA, LARGEST_ALPHA]) - alpha) / errors[0, 0]
    result = minimize(
        loss,
        np.zeros(3),
        jac=True,
        method="L-BFGS-B",
        bounds=[tuple(bounds), (None, None), (None, None)],
        options={"gtol": TOLERANCE, "ftol": 1e-12, "maxcor": 6, "maxiter": STEPS},
    )
    best = at(result.x)
    _require_maximum(result, bounds, best.sigma, values.size)
    return _or_gaussian(values, best)


def _require_maximum(
    result: OptimizeResult, bounds: Array, sigma: float, count: int
) -> None:
    """Raise where the likelihood still rises by more than rounding explains."""
    moved = result.x - result.jac
    moved[0] = np.clip(moved[0], *bounds)
    rise = float(np.abs(moved - result.x).max())
    if rise > LARGEST_GRADIENT or abs(np.log(sigma)) >= FARTHEST:
        raise ArithmeticError(
            f"the likelihood of {count} values has no maximum that can be found, its "
            f"slope is {rise:.2g} a standard error: use the method 'koutrouvelis'"
        )


def _or_gaussian(values: Array, best: Point) -> Point:
    """Return the Gaussian's maximum where alpha stopped at its upper bound."""
    if best.alpha < LARGEST_ALPHA:
        return best
    location, sigma = float(values.mean()), float(values.std() / np.sqrt(2))
    gaussian = evaluate(values, 2.0, sigma, location)
    return gaussian if gaussian.value >= best.value else best


class Information(NamedTuple):
    """Fisher information of one value at scale 1.

    The location is orthogonal to the others by symmetry. At scale sigma divide
    `sigma` and `location` by sigma^2 and `cross` (alpha with sigma) by sigma.
    """

    alpha: Reals
    cross: Reals
    sigma: Reals
    location: Reals


def information(alpha: ArrayLike) -> Information:
    """Return the Fisher information of one value.

    I_jk = int (d log p/d j) (d log p/d k) p dx

    Args:
        alpha: tail index in [0.5, 2], any shape.

    Returns:
        An `Information` of arrays of the shape of alpha; at alpha = 2 (within 1e-6)
        the entries `alpha` and `cross` are infinite.

    Raises:
        ValueError: alpha outside [0.5, 2].

    Example:
        >>> round(float(information(1.0).location), 9), float(information(2.0).sigma)
        (0.5, 2.0)

    Source: DuMouchel 1975, J. Am. Stat. Assoc. 70, 386.
    """
    index = tail_index(alpha)
    flat = np.array([_information(float(value)) for value in index.ravel()])
    columns = flat.T.reshape(4, *index.shape)
    return Information(*(column[()] for column in columns))


@lru_cache(maxsize=4096)
def _information(alpha: float) -> tuple[float, float, float, float]:
    if alpha > 2 - NEARLY_GAUSSIAN:
        # Gaussian of variance 2; the tail that alpha < 2 adds is infinitely telling.
        return np.inf, -np.inf, 2.0, 0.5
    x, weight = _quadrature(alpha)
    log_density, by_x, by_alpha = log_derivatives(x, alpha)
    by_sigma = -1 - x * by_x
    # Twice the half line.
    weight = 2 * weight * np.exp(log_density)
    return (
        float(weight @ (by_alpha * by_alpha)),
        float(weight @ (by_alpha * by_sigma)),
        float(weight @ (by_sigma * by_sigma)),
        float(weight @ (by_x * by_x)),
    )


def _quadrature(alpha: float) -> tuple[Array, Array]:
    """Return nodes and weights for integrals over x > 0: asinh first, then log."""
    s, weight = panels(float(np.arcsinh(LARGEST_X / WIDTH)), CELLS, PANEL_NODES)
    near = WIDTH * np.sinh(s)
    near_weight = weight * np.hypot(near, WIDTH)
    s, weight = panels(-np.log(TAIL_MASS) / alpha, TAIL_PANELS, PANEL_NODES)
    far = LARGEST_X * np.exp(s)
    return np.concatenate([near, far]), np.concatenate([near_weight, weight * far])


def panels(end: float, count: int, order: int) -> tuple[Array, Array]:
    """Return nodes and weights of Gauss and Legendre on equal panels of [0, end].

    Args:
        end: where the last panel ends.
        count: number of panels.
        order: nodes of a panel.

    Example:
        >>> x, weight = panels(2.0, 4, 3)
        >>> round(float(weight @ x**5), 9)
        10.666666667
    """
    nodes, weights = np.polynomial.legendre.leggauss(order)
    edges = np.linspace(0, end, count + 1)
    half = np.diff(edges)[:, None] / 2
    return (edges[:-1, None] + half * (nodes + 1)).ravel(), (half * weights).ravel()

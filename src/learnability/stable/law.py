"""The symmetric alpha-stable law with characteristic function exp(-|u|^alpha).

Standard means scale 1 and location 0: alpha = 2 is a Gaussian of variance 2, alpha = 1
the Cauchy law. Values x = location + scale * xi bring their own scale to `sample` only.
"""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike
from scipy.optimize import elementwise
from scipy.special import gamma, ndtr, ndtri

from . import _numerics
from .checks import NEARLY_GAUSSIAN, Array, Reals, positive, probability, tail_index

# So close to 1/2 the distribution bends by less than its square, 1e-14.
STRAIGHT = 1e-7

# With more distinct tail indices than this, one table per index no longer pays.
FEW_ALPHAS = 64


Batch = Float[np.ndarray, "*batch"]


class Estimate(NamedTuple):
    """Parameters of one stable law for every leading index of the values.

    alpha: tail index; sigma: scale and location: centre, in the unit of the values.
    """

    alpha: Batch
    sigma: Batch
    location: Batch


def kappa(alpha: ArrayLike) -> Reals:
    """Return the averaging exponent of a tail index.

    kappa = alpha / (alpha - 1): the mean of N values has scale sigma N^(-1/kappa).

    Args:
        alpha: tail index in (1, 2], any shape.

    Returns:
        kappa in [2, inf), same shape.

    Raises:
        ValueError: alpha outside (1, 2].

    Example:
        >>> float(kappa(1.5))
        3.0

    Source: Samorodnitsky and Taqqu 1994, property 1.2.1, applied to a mean.
    """
    value = tail_index(alpha, mean_exists=True)
    return (value / (value - 1))[()]


def tail_constant(alpha: ArrayLike) -> Reals:
    """Return the constant of the tail.

    c = sin(pi alpha/2) Gamma(alpha)/pi in P(xi > x) ~ c x^-alpha.

    Args:
        alpha: tail index in [0.5, 2], any shape.

    Returns:
        c, same shape; 0 at alpha = 2.

    Raises:
        ValueError: alpha outside [0.5, 2].

    Example:
        >>> round(float(tail_constant(1.0)) * np.pi, 12)
        1.0

    Source: Samorodnitsky and Taqqu 1994, property 1.2.15.
    """
    value = tail_index(alpha)
    return (np.sin(np.pi / 2 * (2 - value)) * gamma(value) / np.pi)[()]


def sample(
    alpha: ArrayLike,
    size: int | tuple[int, ...],
    *,
    sigma: ArrayLike = 1.0,
    location: ArrayLike = 0.0,
    seed: Any,
) -> Array:
    """Draw values of the law.

    xi = sin(alpha U) / cos(U)^(1/alpha) * (cos((1-alpha) U) / W)^((1-alpha)/alpha)
    with U uniform on (-pi/2, pi/2) and W exponential.

    Args:
        alpha: tail index in [0.5, 2], broadcast against `size`.
        size: shape of the result.
        sigma: scale, in the unit of the values, broadcast against `size`.
        location: centre, in the unit of the values, broadcast against `size`.
        seed: whatever `numpy.random.default_rng` takes, a Generator included.

    Returns:
        Values of shape `size`.

    Raises:
        ValueError: alpha outside [0.5, 2] or sigma not positive.

    Example:
        >>> sample(1.5, (2, 3), seed=1).shape
        (2, 3)

    Source: Chambers, Mallows and Stuck 1976, J. Am. Stat. Assoc. 71, 340.
    """
    index, scale = tail_index(alpha), positive("sigma", sigma)
    rng = np.random.default_rng(seed)
    angle = np.pi * (rng.random(size) - 0.5)
    wait = rng.standard_exponential(size)
    power = (1 - index) / index
    xi = np.sin(index * angle) / np.cos(angle) ** (1 / index)
    xi = xi * (np.cos((1 - index) * angle) / wait) ** power
    return np.asarray(location) + scale * xi


def density(x: ArrayLike, alpha: ArrayLike) -> Reals:
    """Return the density of the standard law.

    p(x) = (1/pi) int_0^inf cos(u x) exp(-u^alpha) du

    Args:
        x: values, broadcast against alpha.
        alpha: tail index in [0.5, 2].

    Returns:
        Densities; relative error below 1e-9, far tail included, for 2 - alpha > 1e-3;
        between there and the Gaussian absolute error below 1e-12.

    Raises:
        ValueError: alpha outside [0.5, 2].

    Example:
        >>> round(float(density(0.0, 1.0)) * np.pi, 12)
        1.0

    Source: Zolotarev 1986, One-dimensional stable distributions, section 2.2.
    """
    return _evaluate("density", np.abs(np.asarray(x, np.float64)), tail_index(alpha))


def survival(x: ArrayLike, alpha: ArrayLike) -> Reals:
    """Return the upper tail probability of the standard law.

    P(xi > x) = 1/2 - (1/pi) int_0^inf sin(u x)/u exp(-u^alpha) du

    Args:
        x: values, broadcast against alpha.
        alpha: tail index in [0.5, 2].

    Returns:
        Probabilities; relative error below 1e-9, upper tail included, for
        2 - alpha > 1e-3; between there and the Gaussian absolute error below 1e-12.

    Raises:
        ValueError: alpha outside [0.5, 2].

    Example:
        >>> round(float(survival(1.0, 1.0)), 12)
        0.25

    Source: Zolotarev 1986, One-dimensional stable distributions, section 2.2.
    """
    values = np.asarray(x, np.float64)
    upper = _evaluate("survival", np.abs(values), tail_index(alpha))
    return np.where(values < 0, 1 - upper, upper)[()]


def distribution(x: ArrayLike, alpha: ArrayLike) -> Reals:
    """Return the distribution function of the standard law.

    F(x) = P(xi <= x) = P(xi > -x)

    Args:
        x: values, broadcast against alpha.
        alpha: tail index in [0.5, 2].

    Returns:
        Probabilities; relative error below 1e-9 in the lower tail.

    Raises:
        ValueError: alpha outside [0.5, 2].

    Example:
        >>> round(float(distribution(1.0, 1.0)), 12)
        0.75

    Source: symmetry of the law.
    """
    return survival(-np.asarray(x, np.float64), alpha)


def quantile(p: ArrayLike, alpha: ArrayLike) -> Reals:
    """Return the quantile of the standard law.

    q_p: P(xi <= q_p) = p

    Args:
        p: probability inside (0, 1), broadcast against alpha.
        alpha: tail index in [0.5, 2].

    Returns:
        Quantiles.

    Raises:
        ValueError: p outside (0, 1) or alpha outside [0.5, 2].

    Example:
        >>> round(float(quantile(0.95, 1.5)), 4)
        3.0519

    Source: root of the distribution function (Chandrupatla 1997).
    """
    level, index = np.broadcast_arrays(probability("p", p), tail_index(alpha))
    tail = np.minimum(level, 1 - level)
    # Near the centre the distribution is a straight line, beyond a root is sought.
    upper = np.array((0.5 - tail) / np.asarray(density(0.0, index)))
    gaussian, other = index == 2, (index < 2) & (0.5 - tail > STRAIGHT)
    upper[gaussian] = -np.sqrt(2) * ndtri(tail[gaussian])
    if other.any():
        upper[other] = _upper_quantile(tail[other], index[other])
    return np.where(level < 0.5, -upper, upper)[()]


def _upper_quantile(tail: Array, alpha: Array) -> Array:
    """Return the root of log P(xi > sinh s) = log tail for alpha < 2."""
    # x^alpha P(xi > x) stays below 1, so tail^(-1/alpha) lies beyond the quantile.
    farthest = np.arcsinh(tail ** (-1 / alpha))
    root = elementwise.find_root(
        lambda s, p, a: np.log(survival(np.sinh(s), a)) - np.log(p),
        (np.zeros_like(farthest), farthest),
        args=(tail, alpha),
        tolerances={"xatol": 1e-13, "xrtol": 1e-13, "fatol": 0.0, "frtol": 0.0},
    )
    return np.sinh(root.x)


def _evaluate(kind: _numerics.Kind, x: Reals, alpha: Array) -> Reals:
    """Return density or survival at x >= 0 with the branch that suits each value."""
    x, alpha = np.broadcast_arrays(x, alpha)
    values, index = x.ravel(), alpha.ravel()
    result = np.empty(values.shape)
    gaussian = 2 - index < NEARLY_GAUSSIAN
    far = ~gaussian & (values > _numerics.LARGEST_X)
    near = ~gaussian & (values <= _numerics.LARGEST_X)
    if far.any():
        result[far] = _numerics.series(kind, values[far], index[far])
    if near.any():
        result[near] = _near(kind, values[near], index[near])
    if gaussian.any():
        result[gaussian] = _near_gaussian(kind, values[gaussian], index[gaussian])
    result[np.isnan(values)] = np.nan
    return result.reshape(x.shape)[()]


def _near(kind: _numerics.Kind, x: Array, alpha: Array) -> Array:
    distinct, which = np.unique(alpha, return_inverse=True)
    if distinct.size > FEW_ALPHAS:
        return _numerics.lookup_each(kind, x, alpha)
    if distinct.size == 1:
        return _numerics.lookup(kind, x, float(distinct[0]))
    result = np.empty_like(x)
    for position, value in enumerate(distinct):
        here = which == position
        result[here] = _numerics.lookup(kind, x[here], float(value))
    return result


def _near_gaussian(kind: _numerics.Kind, x: Array, alpha: Array) -> Array:
    """Return the law for 2 - alpha < 1e-6: the Gaussian and its first-order change."""
    gauss = (
        np.exp(-x * x / 4) / np.sqrt(4 * np.pi)
        if kind == "density"
        else ndtr(-x / np.sqrt(2))
    )
    change = np.zeros_like(gauss)
    other = alpha < 2
    if other.any():
        edge = np.full(np.count_nonzero(other), 2 - 2 * NEARLY_GAUSSIAN)
        moved = np.asarray(_evaluate(kind, x[other], edge)) - gauss[other]
        change[other] = moved * (2 - alpha[other]) / (2 * NEARLY_GAUSSIAN)
    return gauss + change

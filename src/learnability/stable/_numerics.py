"""The law and its derivatives at one point: by table near the centre, by series beyond.

Three ways, each where it is exact.

The Fourier integral along a ray where it is short. For u = r exp(i theta) with
0 < theta < pi/(2 alpha) both factors of exp(i u x - u^alpha) decay, for every x >= 0
and every alpha in (0, 2], alpha = 1 included:

    density(x)  = (1/pi) Re int_0^inf exp(i u x - u^alpha) du
    survival(x) = 1/2 - theta/pi - (1/pi) Im int_0^inf exp(i u x - u^alpha) dr/r

The term theta/pi is the quarter circle around the pole at zero. The substitution
r = exp(t - exp(-t)) turns both into integrals that the trapezoidal rule gets to
machine precision (Takahasi and Mori 1974, Publ. RIMS 9, 721).

A table of them between 0 and 20, filled once and looked up ever after. Tabulated are
functions without scale, smooth in both arguments,

    density(x) (1 + x^2)^((1+alpha)/2)   and   survival(x) (1 + x^2)^(alpha/2),

as Chebyshev polynomials in alpha times polynomials on equal cells of
s = asinh(x / WIDTH). Filling the table takes a third of a second and happens at the
first call; the relative error is below 1e-10.

From 20 on a series in x^-alpha,

    density(x)  = (1/pi) sum_k Gamma(k alpha+1)/k! sin(k pi (2-alpha)/2) x^(-k alpha-1)
    survival(x) = (1/pi) sum_k Gamma(k alpha)/k!   sin(k pi (2-alpha)/2) x^(-k alpha),

asymptotic for alpha > 1 and convergent below (Feller 1971, vol. II, XVII.6; the sines
are written so that they are exact as alpha -> 2).
"""

from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import NDArray
from scipy.special import digamma, gammaln

from .checks import LOWEST_ALPHA, Array, Reals

Kind = Literal["density", "survival"]

# Error below 1e-15 for alpha in [0.5, 2] and x in [0, 20], seen by doubling.
RAY_NODES = 200

# Limits in t: beyond them the integrands are below 1e-17 of their maximum.
LOWER, UPPER = -4.6, 0.6

# exp(-38) = 3e-17: where the integrand is cut off.
EXPONENT = 38.0

# From here on the tail series is exact to rounding.
LARGEST_X = 20.0

# The scale on which the density bends at alpha = 0.5, the sharpest peak.
WIDTH = 0.05

# Cells in s, degree in a cell, Chebyshev orders in alpha: relative error 1e-11.
CELLS, DEGREE, ORDERS = 64, 9, 44

# Values worked on at once where every value has its own alpha: 6 MB at a time.
SMALL_BATCH = 2048

# Of the series; at x = 20 the last is below 1e-16 of the first for every alpha.
TERMS = np.arange(1, 21)


def ray_integrals(x: Array, alpha: float) -> tuple[Array, Array]:
    """Return density and survival of the standard law at x >= 0 for one alpha."""
    # A third of pi/alpha is two thirds of the way to where u^alpha stops decaying.
    theta = min(np.pi / (3 * alpha), np.pi / 3)
    t, step = np.linspace(LOWER, UPPER, RAY_NODES, retstep=True)
    slowest = np.maximum(
        x * np.sin(theta) / EXPONENT, (np.cos(alpha * theta) / EXPONENT) ** (1 / alpha)
    )
    r = np.exp(t - np.exp(-t)) / slowest[:, None]
    ray = np.exp(1j * theta)
    weight = step / np.pi * (1 + np.exp(-t))
    wave = np.exp(1j * ray * r * x[:, None] - ray**alpha * r**alpha)
    density = (ray * r * wave).real @ weight
    survival = 0.5 - theta / np.pi - wave.imag @ weight
    return density, survival


class Nodes(NamedTuple):
    """Chebyshev nodes in [-1, 1] and the matrix from node values to coefficients."""

    points: Array
    to_coefficients: Array


def _nodes(count: int, basis: Literal["chebyshev", "power"]) -> Nodes:
    points = np.cos(np.pi * (np.arange(count) + 0.5) / count)
    if basis == "chebyshev":
        matrix = chebyshev.chebvander(points, count - 1)
    else:
        matrix = np.vander(points, count, increasing=True)
    return Nodes(points, np.asarray(np.linalg.inv(matrix), np.float64))


def _power(kind: Kind, alpha: Array | float) -> Reals:
    return np.asarray(alpha) / 2 + (0.5 if kind == "density" else 0.0)


@lru_cache(maxsize=1)
def _tables() -> dict[Kind, Array]:
    """Return coefficients (order, cell, power) of both functions."""
    inner, outer = _nodes(DEGREE + 1, "power"), _nodes(ORDERS, "chebyshev")
    s = (np.arange(CELLS)[:, None] + (inner.points + 1) / 2) * _cell_width()
    x = (WIDTH * np.sinh(s)).ravel()
    alphas = LOWEST_ALPHA + (2 - LOWEST_ALPHA) * (outer.points + 1) / 2
    both = np.stack([ray_integrals(x, float(alpha)) for alpha in alphas], 1)
    tables: dict[Kind, Array] = {}
    kinds: tuple[Kind, Kind] = ("density", "survival")
    for kind, values in zip(kinds, both, strict=True):
        scaled = values * (1 + x * x) ** _power(kind, alphas[:, None])
        in_cells = scaled.reshape(ORDERS, CELLS, -1) @ inner.to_coefficients.T
        coefficients = np.tensordot(outer.to_coefficients, in_cells, 1)
        tables[kind] = np.asarray(coefficients, np.float64)
    return tables


@lru_cache(maxsize=1)
def _alpha_derivative() -> Array:
    """Return the coefficients (order, cell, power) of d/d alpha of the density."""
    stretch = 2 / (2 - LOWEST_ALPHA)
    slope = chebyshev.chebder(_tables()["density"], axis=0)
    return np.asarray(slope * stretch, np.float64)


def _cell_width() -> float:
    return float(np.arcsinh(LARGEST_X / WIDTH) / CELLS)


def _alpha_basis(alpha: Array, orders: int) -> Array:
    mapped = 2 * (alpha - LOWEST_ALPHA) / (2 - LOWEST_ALPHA) - 1
    return np.asarray(chebyshev.chebvander(mapped, orders - 1), np.float64)


def _place(x: Array) -> tuple[NDArray[np.intp], Array]:
    """Return the cell of every x in [0, 20] and its position in [-1, 1] there."""
    s = np.arcsinh(x / WIDTH) / _cell_width()
    cell = np.minimum(s.astype(np.intp), CELLS - 1)
    return cell, 2 * (s - cell) - 1


def _horner(polynomials: Array, cell: NDArray[np.intp], position: Array) -> Array:
    result = polynomials[-1].take(cell)
    for coefficients in polynomials[-2::-1]:
        result *= position
        result += coefficients.take(cell)
    return result


@lru_cache(maxsize=256)
def _polynomials(kind: Kind | Literal["by_alpha"], alpha: float) -> Array:
    """Return the polynomials (power, cell) of one alpha."""
    table = _alpha_derivative() if kind == "by_alpha" else _tables()[kind]
    basis = _alpha_basis(np.array([alpha]), table.shape[0])[0]
    return np.ascontiguousarray(np.tensordot(basis, table, 1).T)


def lookup(kind: Kind, x: Array, alpha: float) -> Array:
    """Return density or survival at 0 <= x <= 20 for one alpha."""
    cell, position = _place(x)
    scaled = _horner(_polynomials(kind, alpha), cell, position)
    return scaled * (1 + x * x) ** -_power(kind, alpha)


def lookup_each(kind: Kind, x: Array, alpha: Array) -> Array:
    """Return density or survival at 0 <= x <= 20, each value with its own alpha."""
    table = np.ascontiguousarray(np.moveaxis(_tables()[kind], 1, 0))
    result = np.empty_like(x)
    for start in range(0, x.size, SMALL_BATCH):
        part = slice(start, start + SMALL_BATCH)
        cell, position = _place(x[part])
        powers = np.vander(position, DEGREE + 1, increasing=True)
        basis = _alpha_basis(alpha[part], ORDERS)
        scaled = np.einsum("no,nop,np->n", basis, table[cell], powers, optimize=True)
        result[part] = scaled * (1 + x[part] ** 2) ** -_power(kind, alpha[part])
    return result


def lookup_log_scores(x: Array, alpha: float) -> tuple[Array, Array, Array]:
    """Return the log density at 0 <= x <= 20, its derivatives by x and by alpha."""
    cell, position = _place(x)
    polynomials = _polynomials("density", alpha)
    powers = np.arange(1, DEGREE + 1)[:, None]
    slopes = polynomials[1:] * powers * (2 / _cell_width())
    value = _horner(polynomials, cell, position)
    by_s = _horner(slopes, cell, position) / value
    by_alpha = _horner(_polynomials("by_alpha", alpha), cell, position) / value
    square = 1 + x * x
    log_square = np.log(square)
    return (
        np.log(value) - (1 + alpha) / 2 * log_square,
        by_s / np.hypot(x, WIDTH) - (1 + alpha) * x / square,
        by_alpha - 0.5 * log_square,
    )


def series(kind: Kind, x: Array, alpha: Array) -> Array:
    """Return density or survival at x >= 20, each value with its own alpha."""
    shift = 1 if kind == "density" else 0
    order = TERMS * alpha[:, None]
    log_size = (
        gammaln(order + shift)
        - gammaln(TERMS + 1.0)
        - (order + shift) * np.log(x)[:, None]
    )
    angle = np.pi / 2 * TERMS * (2 - alpha[:, None])
    return (np.exp(log_size) / np.pi * np.sin(angle)).sum(-1)


def series_log_scores(x: Array, alpha: float) -> tuple[Array, Array, Array]:
    """Return the log density and its derivatives by x and by alpha at x >= 20.

    Everything is relative to the first term, so that no x is too large.
    """
    order, angle = TERMS * alpha, np.pi / 2 * TERMS * (2 - alpha)
    log_x = np.log(x)
    powers = np.exp(-np.outer(log_x, order - alpha))
    factor = np.exp(gammaln(order + 1) - gammaln(TERMS + 1.0))
    sines = factor * np.sin(angle)
    total = powers @ sines
    by_x = -(powers @ (sines * (order + 1))) / total / x
    own = TERMS * (sines * digamma(order + 1) - factor * np.cos(angle) * np.pi / 2)
    by_alpha = (powers @ own - log_x * (powers @ (sines * TERMS))) / total
    return np.log(total / np.pi) - (alpha + 1) * log_x, by_x, by_alpha


def log_derivatives(x: Array, alpha: float) -> tuple[Array, Array, Array]:
    """Return the log density at x >= 0 and its derivatives by x and by alpha.

    For one axis of x and one alpha in [0.5, 2 - 1e-6].
    """
    far = x > LARGEST_X
    if not far.any():
        return lookup_log_scores(x, alpha)
    whole = np.empty((3, *x.shape))
    whole[:, ~far] = lookup_log_scores(x[~far], alpha)
    whole[:, far] = series_log_scores(x[far], alpha)
    return whole[0], whole[1], whole[2]

"""Characteristic-function estimator of a symmetric stable law (Koutrouvelis 1980).

The empirical characteristic function of n values is, at frequencies u,

    phi(u) = (1/n) sum exp(i u x),   Re phi ~ exp(-(sigma u)^alpha) around the location,

and log(-log|phi|) is linear in log u with slope alpha. Its errors are correlated: with
t = sigma u and c(t) = exp(-t^alpha),

    n Cov(Re phi_j, Re phi_k) = (c(t_j + t_k) + c(t_j - t_k))/2 - c(t_j) c(t_k)
    n Cov(Im phi_j, Im phi_k) = (c(t_j - t_k) - c(t_j + t_k))/2,

which gives the weights of the regression; weights and residuals are renewed at every
iteration. Residuals are taken of phi itself, divided by the slope of log(-log), so that
noise where phi is small stays linear.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Complex, Float
from numpy.typing import ArrayLike, NDArray

from .checks import (
    LOWEST_ALPHA,
    NEARLY_GAUSSIAN,
    Array,
    Reals,
    positive,
    sample_values,
    tail_index,
)
from .law import Batch, Estimate
from .mcculloch1986 import mcculloch

# In units of 1/sigma. Asymptotic efficiency for alpha, sigma, location at least .93 for
# alpha in [1.05, 2); low frequencies carry the tail, at 1.8 little is left.
FREQUENCIES = np.geomspace(0.03, 1.8, 12)

# The start is consistent, so every iteration gains a factor of n^-1/2 or so.
ITERATIONS = 6

# Added to the unit diagonal of a correlation matrix that is singular to rounding.
RIDGE = 1e-9

# From so many values on the characteristic function is summed by cells, which takes a
# tenth of the time for 200,000.
MANY = 20_000

# Width of a cell in units of 1/u, cells on either side of the median (22 sigma), and
# orders of the series in a cell: what is left out is below 1e-12.
CELL, CELLS, ORDERS = 0.02, 2000, 5


# At 2 - alpha below this the errors are those at this distance: the estimate stops at 2
# and has no standard error of its own.
EDGE = 1e-3


Values = Float[np.ndarray, " sequence"]
Grid = Float[np.ndarray, "*batch frequency"]
Waves = Complex[np.ndarray, "*batch frequency"]


class Errors(NamedTuple):
    """Standard errors of alpha, sigma and location, each of the shape of alpha."""

    alpha: Batch
    sigma: Batch
    location: Batch


class Regression(NamedTuple):
    """The weighted regression at one (alpha, sigma).

    estimator: (..., 2, frequency), from residuals to changes of alpha and log sigma;
    centre: (..., frequency), from residuals of the argument to a change of location
    in units of sigma; covariance: (..., 2, 2) and location_variance: (...), both
    times n.
    """

    estimator: Float[np.ndarray, "*batch 2 frequency"]
    centre: Grid
    covariance: Float[np.ndarray, "*batch 2 2"]
    location_variance: Batch


def koutrouvelis(values: ArrayLike) -> Estimate:
    """Estimate alpha, sigma and location from the empirical characteristic function.

    log(-log|phi(u)|) = alpha log(sigma u), weighted by the inverse covariance

    Args:
        values: samples (..., sequence), at least 50 sequences.

    Returns:
        An `Estimate` of arrays (...); alpha between 0.5 and 2.

    Raises:
        ValueError: fewer than 50 values, NaN, or constant values.

    Example:
        >>> from learnability.stable import law
        >>> koutrouvelis(law.sample(1.5, (3, 1000), seed=1)).alpha.shape
        (3,)

    Source: Koutrouvelis 1980, J. Am. Stat. Assoc. 75, 918, eqs. 3.2-3.5; covariance
    weights as in Koutrouvelis 1981, Commun. Stat. Simul. Comput. 10, 17.
    """
    array = sample_values(values)
    start = mcculloch(array)
    frequencies = FREQUENCIES / start.sigma[..., None]
    phi = characteristic_function(array, frequencies)
    return iterate(phi, frequencies, start)


def characteristic_function(
    values: Float[np.ndarray, "*batch sequence"], frequencies: Grid
) -> Waves:
    """Return the empirical characteristic function.

    phi(u) = (1/n) sum_j exp(i u x_j)

    Args:
        values: samples (..., sequence).
        frequencies: u (..., frequency), in the inverse unit of the values.

    Returns:
        phi (..., frequency).

    Example:
        >>> characteristic_function(np.zeros((1, 5)), np.ones((1, 2))).real
        array([[1., 1.]])

    Source: Feuerverger and Mureika 1977, Ann. Stat. 5, 88.
    """
    phi = np.empty(frequencies.shape, dtype=np.complex128)
    if values.shape[-1] >= MANY:
        for place in np.ndindex(values.shape[:-1]):
            sums = _sums_by_cells(values[place], frequencies[place])
            phi[place] = sums / values.shape[-1]
        return phi
    # One frequency at a time: the full array of phases would not fit into memory.
    for k in range(frequencies.shape[-1]):
        phase = frequencies[..., k, None] * values
        phi[..., k] = np.cos(phase).mean(-1) + 1j * np.sin(phase).mean(-1)
    return phi


def _sums_by_cells(
    values: Values, frequencies: Float[np.ndarray, " frequency"]
) -> Complex[np.ndarray, " frequency"]:
    """Return sum_j exp(i u x_j) by the moments of the values in narrow cells.

    sum_cells exp(i u c) sum_m (i u)^m/m! sum_(x in cell) (x - c)^m, and x far out alone
    """
    width = CELL / float(frequencies.max())
    centre = float(np.median(values))
    place = (values - centre) / width
    near = np.abs(place) < CELLS
    cell = np.rint(place[near])
    offset, cell = place[near] - cell, cell.astype(np.intp) + CELLS
    sums = np.exp(1j * frequencies * (values[~near, None] - centre)).sum(0)
    turns = frequencies * width
    waves = np.exp(1j * turns * np.arange(-CELLS, CELLS + 1)[:, None])
    power, factor = np.ones_like(offset), np.ones(turns.shape, np.complex128)
    for order in range(ORDERS):
        moments = np.bincount(cell, weights=power, minlength=2 * CELLS + 1)
        sums += factor * (moments @ waves)
        power *= offset
        factor = factor * 1j * turns / (order + 1)
    return sums * np.exp(1j * frequencies * centre)


def iterate(phi: Waves, frequencies: Grid, start: Estimate) -> Estimate:
    """Improve a consistent estimate by regressions with renewed weights.

    (d alpha, d log sigma) = (X' Z^-1 X)^-1 X' Z^-1 r,  X = (log(sigma u), alpha)

    Args:
        phi: empirical characteristic function (..., frequency).
        frequencies: u (..., frequency), in the inverse unit of the values.
        start: a consistent `Estimate` of arrays (...).

    Returns:
        An `Estimate` of arrays (...), alpha between 0.5 and 2.

    Example:
        >>> u = FREQUENCIES
        >>> start = Estimate(np.array(1.4), np.array(1.1), np.array(0.1))
        >>> round(float(iterate(np.exp(-(u**1.6)) + 0j, u, start).alpha), 4)
        1.6

    Source: Koutrouvelis 1980, J. Am. Stat. Assoc. 75, 918, section 3.
    """
    alpha, sigma, location = start
    for _ in range(ITERATIONS):
        t = sigma[..., None] * frequencies
        fit = regression(alpha, t)
        turn = np.exp(-1j * frequencies * location[..., None])
        centred: NDArray[np.complex128] = phi * turn
        model = np.exp(-(t ** alpha[..., None]))
        residual = (centred.real - model) / (-model * t ** alpha[..., None])
        change = np.einsum("...pk,...k->...p", fit.estimator, residual)
        location = location + sigma * (fit.centre * (centred.imag / model)).sum(-1)
        bounded = np.clip(alpha + change[..., 0], LOWEST_ALPHA, 2.0)
        # Where alpha meets its bound, sigma is regressed given that alpha.
        excess = alpha + change[..., 0] - bounded
        tilt = fit.covariance[..., 1, 0] / fit.covariance[..., 0, 0]
        sigma = sigma * np.exp(np.clip(change[..., 1] - tilt * excess, -1, 1))
        alpha = bounded
    return Estimate(alpha, sigma, location)


def regression(alpha: Batch, t: Grid) -> Regression:
    """Return weights and covariance of the regression.

    Z = D^-1 Cov D^-1,  D = c log c,  covariance = (X' Z^-1 X)^-1

    Args:
        alpha: tail index (...).
        t: frequencies (..., frequency) in units of 1/sigma.

    Returns:
        A `Regression`.

    Example:
        >>> regression(np.array(1.5), FREQUENCIES).covariance.shape
        (2, 2)

    Source: Koutrouvelis 1980, J. Am. Stat. Assoc. 75, 918, eq. 3.4.
    """
    index = alpha[..., None, None]
    c = np.exp(-(t ** alpha[..., None]))
    total = np.exp(-((t[..., :, None] + t[..., None, :]) ** index))
    difference = np.exp(-(np.abs(t[..., :, None] - t[..., None, :]) ** index))
    slope = c * np.log(c)
    product = c[..., :, None] * c[..., None, :]
    real = ((total + difference) / 2 - product) / (
        slope[..., :, None] * slope[..., None, :]
    )
    imaginary = (difference - total) / 2 / product
    design = np.stack([np.log(t), np.broadcast_to(alpha[..., None], t.shape)], -1)
    weighted = _solve(real, design)
    information = np.swapaxes(design, -1, -2) @ weighted
    covariance = np.linalg.inv(information)
    centre = _solve(imaginary, t[..., None])[..., 0]
    strength = (t * centre).sum(-1)
    return Regression(
        covariance @ np.swapaxes(weighted, -1, -2),
        centre / strength[..., None],
        covariance,
        1 / strength,
    )


def standard_errors(alpha: ArrayLike, sigma: ArrayLike, sequences: int) -> Errors:
    """Return the standard errors of the estimates from n values of a stable law.

    (X' Z^-1 X)^-1/n

    Args:
        alpha: tail index in [0.5, 2], any shape.
        sigma: scale, in the unit of the values, same shape.
        sequences: number of values.

    Returns:
        `Errors`; for alpha within 0.001 of 2 those at this distance.

    Raises:
        ValueError: alpha outside [0.5, 2], sigma or sequences not positive.

    Example:
        >>> few, many = (standard_errors(1.5, 1.0, n).alpha for n in (100, 400))
        >>> round(float(few / many), 9)
        2.0

    Source: Koutrouvelis 1980, J. Am. Stat. Assoc. 75, 918, eq. 3.4.
    """
    index = np.minimum(tail_index(alpha), 2 - EDGE)
    count = float(positive("sequences", sequences))
    scale = positive("sigma", sigma)
    errors = np.sqrt(variances(index) / count)
    return Errors(errors[0], errors[1] * scale, errors[2] * scale)


def variances(alpha: Reals) -> Array:
    """Return n times the variances (3, ...) of alpha, log sigma and location/sigma."""
    index = np.asarray(alpha)
    fit = regression(
        index, np.broadcast_to(FREQUENCIES, (*index.shape, FREQUENCIES.size))
    )
    diagonal = np.diagonal(fit.covariance, axis1=-2, axis2=-1)
    return np.stack([diagonal[..., 0], diagonal[..., 1], fit.location_variance])


def influence(
    values: Values, alpha: float, sigma: float, location: float
) -> Float[np.ndarray, "three sequence"]:
    """Return what each value adds to alpha, log sigma and location/sigma, over n.

    The regression's weights times the value's part of the residuals of phi.
    """
    z = (values - location) / sigma
    fit = regression(np.array(alpha), FREQUENCIES)
    model = np.exp(-(FREQUENCIES**alpha))
    phase = z[:, None] * FREQUENCIES
    real, imaginary = np.cos(phase), np.sin(phase)
    slope = -model * FREQUENCIES**alpha
    shape = fit.estimator @ ((real - real.mean(0)) / slope).T
    if alpha > 2 - NEARLY_GAUSSIAN:
        tilt = fit.covariance[1, 0] / fit.covariance[0, 0]
        shape = np.stack([np.zeros(len(z)), shape[1] - tilt * shape[0]])
    centre = (imaginary - imaginary.mean(0)) @ (fit.centre / model)
    return np.concatenate([shape, centre[None]]) / len(z)


def _solve(
    covariance: Float[np.ndarray, "*batch frequency frequency"],
    right: Float[np.ndarray, "*batch frequency column"],
) -> Float[np.ndarray, "*batch frequency column"]:
    """Return covariance^-1 right, scaled to a correlation matrix with a small ridge."""
    scale = np.sqrt(np.diagonal(covariance, axis1=-2, axis2=-1))
    correlation = covariance / (scale[..., :, None] * scale[..., None, :])
    ridge = RIDGE * np.eye(covariance.shape[-1])
    scaled = right / scale[..., None]
    return np.linalg.solve(correlation + ridge, scaled) / scale[..., None]

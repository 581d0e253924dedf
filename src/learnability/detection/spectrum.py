"""Densities of time scales to envelopes and back.

    f(l) = int p(log tau) exp(-l/tau) dlog tau

Forward this is an average. Backward it is an inverse Laplace transform, which no data
can determine finely: detail in log tau finer than the resolution stated with every
result is lost in the noise (McWhirter and Pike 1978).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import nnls

from learnability.stable._checks import Reals, positive

STRENGTHS = np.geomspace(1e-8, 1e2, 41)
"""Of the regularisation, relative to the data; the discrepancy chooses among them."""


@dataclass(frozen=True)
class Spectrum:
    """A density of time scales found from an envelope.

    tau: grid of time scales in steps (tau); density: of log tau, in the unit of the
    envelope (tau); fitted: envelope of that density (lag); misfit: root mean square
    residual in units of the noise; strength: of the regularisation; resolution: ratio
    of two time scales that this noise can just tell apart.
    """

    tau: Float[np.ndarray, " tau"]
    density: Float[np.ndarray, " tau"]
    fitted: Float[np.ndarray, " lag"]
    misfit: float
    strength: float
    resolution: float

    def mean_log_tau(self) -> float:
        """Return the mean of log tau under the density."""
        weight = self.density * _widths(self.tau)
        return float(weight @ np.log(self.tau) / weight.sum())

    def spread_log_tau(self) -> float:
        """Return the standard deviation of log tau under the density."""
        weight = self.density * _widths(self.tau)
        square = (np.log(self.tau) - self.mean_log_tau()) ** 2
        return float(np.sqrt(weight @ square / weight.sum()))


def envelope_of(tau: ArrayLike, density: ArrayLike, lags: ArrayLike) -> Reals:
    """Return the envelope of a density of time scales.

    f(l) = int p(log tau) exp(-l/tau) dlog tau, trapezoidal rule in log tau

    Arguments:
        tau: increasing grid of time scales in steps (tau).
        density: of log tau on the grid (tau).
        lags: l >= 0, any shape.

    Returns:
        f, in the unit of the density.

    Raises:
        ValueError: a grid that is not positive and increasing, or lengths that differ.

    Example:
        >>> tau = np.geomspace(1e-3, 1e6, 4000)
        >>> gamma = 10.0 / tau * np.exp(-10.0 / tau)
        >>> bool(abs(envelope_of(tau, gamma, 10.0) - 0.5) < 1e-5)
        True

    Source: Laplace transform of the density of rates.
    """
    grid, values = _grid(tau), np.asarray(density, np.float64)
    if values.shape != grid.shape:
        raise ValueError(
            f"density has shape {values.shape}, but tau has {grid.shape}: "
            "give one value a time scale"
        )
    modes = np.exp(-np.asarray(lags, np.float64)[..., None] / grid)
    return (modes @ (values * _widths(grid)))[()]


def envelope_of_units(time_scales: ArrayLike, lags: ArrayLike) -> Reals:
    """Return the envelope of a finite number of units.

    f(l) = (1/H) sum_q exp(-l/tau_q)

    Arguments:
        time_scales: tau_q > 0, in steps (unit).
        lags: l >= 0, any shape.

    Returns:
        f, 1 at lag 0.

    Raises:
        ValueError: a time scale that is not positive and finite.

    Example:
        >>> float(envelope_of_units([50.0, 50.0], 0.0))
        1.0

    Source: Livi 2025, arXiv 2512.05790, envelope of order zero.
    """
    tau = positive("time_scales", time_scales)
    return np.exp(-np.asarray(lags, np.float64)[..., None] / tau).mean(-1)[()]


def resolution(relative_noise: float) -> float:
    """Return the ratio of two time scales that noise can just tell apart.

    The Laplace transform passes the frequency w of log tau with strength
    sqrt(pi/cosh(pi w)); at noise e the last to pass has cosh(pi w) = pi/e^2, and the
    ratio is exp(pi/w)

    Arguments:
        relative_noise: e, noise over signal of the envelope, below 1.

    Returns:
        A ratio above 1; lags that span less than the time scales make it worse.

    Raises:
        ValueError: noise outside (0, 1).

    Example:
        >>> bool(resolution(1e-2) > resolution(1e-6) > 1)
        True

    Source: McWhirter and Pike 1978, J. Phys. A 11, 1729.
    """
    if not 0 < relative_noise < 1:
        raise ValueError(
            f"relative noise must lie inside (0, 1), but is {relative_noise:g}"
        )
    return float(np.exp(np.pi**2 / np.arccosh(np.pi / relative_noise**2)))


def invert(
    lags: ArrayLike, envelope: ArrayLike, noise: ArrayLike, *, tau: ArrayLike
) -> Spectrum:
    """Find a smooth, non-negative density of time scales behind an envelope.

    minimise |(f - K p)/noise|^2 + s |p''|^2 over p >= 0, s the largest for which the
    misfit stays at one unit of noise (Morozov), or at the least misfit that p >= 0
    allows where that is more

    Arguments:
        lags: l >= 0, increasing (lag).
        envelope: f(l) (lag).
        noise: standard error of f(l), one number or (lag), in the unit of f.
        tau: increasing grid of time scales in steps, at least 8 (tau).

    Returns:
        A `Spectrum` with its resolution.

    Raises:
        ValueError: lengths that differ, fewer than 4 lags or 8 time scales, NaN, noise
            that is not positive or not below the envelope's maximum.

    Example:
        >>> lags = np.arange(0.0, 300.0)
        >>> found = invert(lags, np.exp(-lags / 50), 1e-3, tau=np.geomspace(5, 500, 40))
        >>> bool(abs(np.exp(found.mean_log_tau()) / 50 - 1) < 0.05)
        True

    Source: Provencher 1982, Comput. Phys. Commun. 27, 213; discrepancy: Morozov 1966.
    """
    grid, delays, values, error = _checked(lags, envelope, noise, tau)
    kernel = np.exp(-delays[:, None] / grid) * _widths(grid) / error[:, None]
    target = values / error
    # Second differences in log tau, from outside the grid where the density is zero.
    rough = np.diff(np.eye(grid.size + 4)[:, 2:-2], n=2, axis=0)
    scale = np.linalg.norm(kernel) / np.linalg.norm(rough)
    least, found = np.inf, []
    for strength in STRENGTHS:
        stacked = np.vstack([kernel, np.sqrt(strength) * scale * rough])
        padded = np.concatenate([target, np.zeros(len(rough))])
        density = nnls(stacked, padded)[0]
        misfit = float(np.sqrt(np.mean((kernel @ density - target) ** 2)))
        least = min(least, misfit)
        found.append((float(strength), density, misfit))
    allowed = max(1.0, least * (1 + 1e-3))
    strength, density, misfit = [one for one in found if one[2] <= allowed][-1]
    ratio = resolution(float(np.median(error) / np.abs(values).max()))
    return Spectrum(grid, density, kernel @ density * error, misfit, strength, ratio)


def _widths(tau: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the trapezoidal weights of a grid in log tau."""
    steps = np.diff(np.log(tau))
    return (np.append(steps, 0.0) + np.insert(steps, 0, 0.0)) / 2


def _grid(tau: ArrayLike) -> NDArray[np.float64]:
    grid = positive("tau", tau)
    if grid.ndim != 1 or grid.size < 2 or (np.diff(grid) <= 0).any():
        raise ValueError("tau must be an increasing list of time scales")
    return grid


def _checked(
    lags: ArrayLike, envelope: ArrayLike, noise: ArrayLike, tau: ArrayLike
) -> tuple[NDArray[np.float64], ...]:
    grid = _grid(tau)
    delays, values = np.asarray(lags, np.float64), np.asarray(envelope, np.float64)
    if delays.ndim != 1 or delays.shape != values.shape:
        raise ValueError(
            f"lags {delays.shape} and envelope {values.shape} must be equally long"
        )
    if delays.size < 4 or grid.size < 8:
        raise ValueError(
            f"{delays.size} lags and {grid.size} time scales are too few: "
            "give at least 4 and 8"
        )
    if not np.isfinite(values).all():
        raise ValueError("the envelope holds NaN or infinity: leave those lags out")
    error = np.broadcast_to(positive("noise", noise), values.shape)
    if np.median(error) >= np.abs(values).max():
        raise ValueError("the noise is as large as the envelope: nothing can be found")
    return grid, delays, values, error

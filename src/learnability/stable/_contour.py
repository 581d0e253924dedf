"""The law by its Fourier integral, along a ray where the integral is short.

For u = r exp(i theta) with 0 < theta < pi/(2 alpha) both factors of
exp(i u x - u^alpha) decay, for every x >= 0 and every alpha in (0, 2], alpha = 1
included:

    density(x)  = (1/pi) Re int_0^inf exp(i u x - u^alpha) du
    survival(x) = 1/2 - theta/pi - (1/pi) Im int_0^inf exp(i u x - u^alpha) dr/r

The term theta/pi is the quarter circle around the pole at zero. The substitution
r = exp(t - exp(-t)) turns both into integrals that the trapezoidal rule gets to
machine precision (Takahasi and Mori 1974, Publ. RIMS 9, 721).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

NODES = 200
"""Error below 1e-15 for alpha in [0.5, 2] and x in [0, 20], seen by doubling."""

LOWER, UPPER = -4.6, 0.6
"""Limits in t: beyond them the integrands are below 1e-17 of their maximum."""

EXPONENT = 38.0
"""exp(-38) = 3e-17: where the integrand is cut off."""


def integrals(
    x: NDArray[np.float64], alpha: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return density and survival of the standard law at x >= 0 for one alpha."""
    # A third of pi/alpha is two thirds of the way to where u^alpha stops decaying.
    theta = min(np.pi / (3 * alpha), np.pi / 3)
    t, step = np.linspace(LOWER, UPPER, NODES, retstep=True)
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

"""Where the fit of each envelope family begins, and its unbounded parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from .envelope import Envelope
from .families import (
    Exponential,
    Logarithmic,
    Plateau,
    PowerLaw,
    Stretched,
    TruncatedPower,
)
from .mixtures import (
    BetaGates,
    GammaRates,
    GammaShapes,
    LogUniform,
    TwoExponentials,
    UniformTimeScales,
)


def build(
    family: type[Envelope], parameters: NDArray[np.float64], c: float
) -> Envelope:
    """Return a family at unbounded parameters: logarithms, or a logit for a weight.

    theta_j = exp(y_j); w = 1/(1 + exp(-y)); t2 = t1 (1 + exp(y)); T = 1 + exp(y)

    Args:
        family: envelope class.
        parameters: unbounded, in the order of the fields, without the amplitude.
        c: amplitude.

    Returns:
        An envelope.

    Example:
        >>> build(Exponential, np.array([0.0]), 2.0)
        Exponential(tau=1.0, c=2.0)

    Source: change of variables.
    """
    values = np.exp(parameters)
    if family is TwoExponentials:
        values[0] = expit(parameters[0])
    if family is LogUniform:
        values[1] = values[0] * (1 + values[1])
    if family is UniformTimeScales:
        values[0] = 1 + values[0]
    return cast(Callable[..., Envelope], family)(*values.tolist(), c)


def starts(
    family: type[Envelope], lags: NDArray[np.float64]
) -> list[NDArray[np.float64]]:
    """Return unbounded parameters to start from: time scales across the grid.

    Args:
        family: envelope class.
        lags: increasing, from 1 on (lag).

    Returns:
        One or more starts.

    Raises:
        ValueError: a family that is not known here.

    Example:
        >>> len(starts(PowerLaw, np.arange(1.0, 9.0)))
        1

    Source: several starts, because sums of exponentials have several valleys.
    """
    first, middle, last = np.log([lags[0], np.sqrt(lags[0] * lags[-1]), lags[-1]])
    times = [first + 0.5, middle, last]
    modes = [(first, middle), (middle, last)]
    known: dict[type[Envelope], list[list[float]]] = {
        Exponential: [[t] for t in times],
        PowerLaw: [[0.0]],
        Logarithmic: [[]],
        Stretched: [[g, t] for t in times for g in (-0.7, 0.0)],
        TruncatedPower: [[b, t] for t in times for b in (-1.5, 0.0)],
        Plateau: [[t, t - 1.0] for t in times],
        GammaRates: [[0.0, t] for t in times],
        LogUniform: [[first, last - first + 1e-3], [first, 1.0], [middle, 1.0]],
        TwoExponentials: [[logit(w), a, b] for w in (0.1, 0.5) for a, b in modes],
        BetaGates: [[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]],
        GammaShapes: [[0.0]],
        UniformTimeScales: [[t] for t in times],
    }
    if family not in known:
        names = ", ".join(one.__name__ for one in known)
        raise ValueError(f"{family.__name__} cannot be fitted: choose among {names}")
    return [np.array(one, np.float64) for one in known[family]]

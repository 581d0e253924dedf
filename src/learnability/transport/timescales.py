"""Time scales of single units, from the decay of their envelopes."""

import numpy as np
from jaxtyping import Float, Int


def time_scales(
    lags: Int[np.ndarray, "lag"], unit_mean: Float[np.ndarray, "lag unit"]
) -> Float[np.ndarray, "unit"]:
    """Give ``tau_q = -1/slope`` of ``log mean|mu[q]|`` against the lag.

    The slope is the least-squares line over the lags at which the unit's envelope is
    a normal float64 number. A unit that does not decay has ``tau = inf``; one that is
    gone within the first two lags of the grid has no slope and gets nan.

    Args:
        lags: lags in steps.
        unit_mean: ``mean |mu[q]|`` of each lag and unit.

    Returns:
        Time scales in steps.

    Example:
        >>> import numpy as np
        >>> lags = np.arange(1, 9)
        >>> np.round(time_scales(lags, np.exp(-lags / 5.0)[:, None]), 6)
        array([5.])

    Source: Livi 2025, time scales of units (arXiv 2512.05790).
    """
    alive = unit_mean > np.finfo(float).tiny
    weight = alive.astype(float)
    count = weight.sum(axis=0)
    logs = np.log(np.where(alive, unit_mean, 1.0))
    with np.errstate(invalid="ignore", divide="ignore"):
        lag = lags[:, None] - (weight * lags[:, None]).sum(axis=0) / count
        slope = (weight * lag * logs).sum(axis=0) / (weight * lag**2).sum(axis=0)
        tau = np.where(slope < 0, -1 / slope, np.inf)
    return np.where(count < 2, np.nan, tau)

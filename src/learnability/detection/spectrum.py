"""From the time scales of units to their envelope."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ..stable.checks import Reals, positive


def envelope_of_units(time_scales: ArrayLike, lags: ArrayLike) -> Reals:
    """Return the envelope of a finite number of units.

    f(l) = (1/H) sum_q exp(-l/tau_q)

    Args:
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

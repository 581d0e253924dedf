"""What every estimator of this package returns."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float


class Estimate(NamedTuple):
    """Parameters of one stable law for every leading index of the values.

    alpha: tail index; sigma: scale and location: centre, in the unit of the values.
    """

    alpha: Float[np.ndarray, "*batch"]
    sigma: Float[np.ndarray, "*batch"]
    location: Float[np.ndarray, "*batch"]

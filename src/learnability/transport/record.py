"""What is known of an envelope."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int


@dataclass(frozen=True)
class Envelope:
    """Envelopes over lags; levels depend on the base rates, ratios to f(0) do not.

    Attributes:
        lags: lags in steps; (lag,).
        mean: ``f(l) = mean_{n,t} sum_q |mu[q]|``; (lag,).
        error: standard error of ``mean`` over sequences (or sampled windows); (lag,).
        typical: ``exp mean_{n,t} log sum_q |mu[q]|``; (lag,).
        unit_mean: ``mean_{n,t} |mu[q]|``; (lag, unit).
        unit_typical: ``exp mean_{n,t} log |mu[q]|``; (lag, unit).
        origin: f(0), by which ``normalised`` divides.
    """

    lags: Int[np.ndarray, "lag"]
    mean: Float[np.ndarray, "lag"]
    error: Float[np.ndarray, "lag"]
    typical: Float[np.ndarray, "lag"]
    unit_mean: Float[np.ndarray, "lag unit"]
    unit_typical: Float[np.ndarray, "lag unit"]
    origin: float

    @property
    def normalised(self) -> Float[np.ndarray, "lag"]:
        """Give ``f(l)/f(0)``."""
        return self.mean / self.origin

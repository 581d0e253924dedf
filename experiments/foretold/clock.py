"""C: the update from which on a network fits its own sequences and no others."""

import numpy as np
from jaxtyping import Float


def half_gap(gaps: tuple[float, float], updates: int) -> float:
    """Return by how much the noise that an update fits raises the loss on other data.

    ``o = (gap(t) - gap(t'))/(2 (t - t'))``, the gap being that of the losses ``1/2
    E (yhat - y)^2`` on other and on its own sequences: what is fitted of noise lowers
    the one and raises the other by the same.

    Args:
        gaps: of the mean square errors, so twice that of the losses, at two looks.
        updates: between them.

    Example:
        >>> half_gap((0.25, 0.75), 10)
        0.0125
    """
    return (gaps[1] - gaps[0]) / updates / 4


def overfit_clock(
    loss: Float[np.ndarray, "time"], times: Float[np.ndarray, "time"], rate: float
) -> int:
    """Return the place of the time ``argmin_t L(t) + o t``, after which nothing pays.

    L is the loss that is foretold on any data, o what fitting adds to it.

    Args:
        loss: L at each time.
        times: in updates, ascending.
        rate: o; below 0 training goes on to the end.

    Example:
        >>> overfit_clock(np.array([3.0, 1.0, 0.9]), np.array([0.0, 1, 2]), 0.2)
        1
    """
    return int((loss + rate * times).argmin())

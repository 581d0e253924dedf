"""Products of an input at one lag with inputs at all others: what needs two lags."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from .lag_sums import LagSums
from .moments import Moments
from .regression import Regression, regression

MOST = 128  # products for a lag: more probes are multiplied only where there is room
WORK = 2e9  # floating-point operations for a lag, about


def probes_of(lags: int, width: int) -> int:
    """Return how many probes are multiplied: their squares times lags are few.

    Example:
        >>> probes_of(13, 4), probes_of(200, 4)
        (3, 1)
    """
    return int(np.clip((MOST // lags) ** 0.5, 1, width))


def pair_regressions(
    sums: LagSums,
    fitted: Regression,
    scale: Float[np.ndarray, "column"],
    lags: Sequence[int],
    probes: int,
) -> dict[int, Regression]:
    """Return the regressions of what is left of columns on the products of each lag.

    ``r_t = sum_{m != l} gamma_m z_{t-l} z_{t-m} + e_t``, r what features of single lags
    leave. Where nothing is left, no product is found, whatever the inputs are like:
    products are not freed of the features.

    Args:
        sums: of features and columns.
        fitted: the regression on the features of all lags.
        scale: of the columns.
        lags: l, whose sums are made in one pass over the rows.
        probes: inputs that are multiplied, the first features.
    """
    groups, size = len(sums.xx), probes**2 * (sums.lags - 1)
    xx = np.zeros((len(lags), groups, size, size))
    xy = np.zeros((len(lags), groups, size, len(scale)))
    yy, rows, most = np.zeros(groups), 0, WORK / (2 * size**2)
    for g, every, y, there in sums.each():
        if rows >= most or not len(lags):
            break
        x = every[there]
        left = y[there][:, : len(scale)] * scale - x @ fitted.beta
        inputs = x.reshape(len(x), sums.lags, -1)[..., :probes]
        for place, lag in enumerate(lags):
            z = _products(inputs, lag)
            xx[place, g] += z.T @ z
            xy[place, g] += z.T @ left
        yy[g] += (left**2).sum()
        rows += len(x)
    used = yy > 0
    return {
        lag: regression(
            Moments([*xx[place, used]], xy[place, used], yy[used], rows, 0.0),
            1,
            0.0,
            nested=False,
        )
        for place, lag in enumerate(lags)
    }


def _products(
    z: Float[np.ndarray, "row lag probe"], lag: int
) -> Float[np.ndarray, "row product"]:
    """Return the products of the probes at a lag with those at all others."""
    rows, lags, probes = z.shape
    found = np.empty((rows, probes, lags - 1, probes))
    nearer = slice(lag), slice(lag)
    farther = slice(lag + 1, None), slice(lag, None)
    for others, place in (nearer, farther):  # without a copy of them, which costs more
        own = found[:, :, place]
        np.einsum("ri,rmj->rimj", z[:, lag], z[:, others], out=own)
    return found.reshape(rows, -1)

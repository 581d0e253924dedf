"""By how much truncated backpropagation bends the gradient."""

import numpy as np
import pandas as pd
from jaxtyping import Float

from .rules import Z

COLUMNS = [
    f"{name}{end}" for name in ("bias", "cosine") for end in ("", "_lower", "_upper")
]


def resolved(sums: Float[np.ndarray, "cluster place"]) -> bool:
    """Return whether the mean gradient is told from nothing.

    Args:
        sums: of the gradient over the sequences of each cluster.
    """
    value, left_out = _products(sums, sums)
    return bool(value - Z * _error(left_out) > 0)


def gradient_bias(
    whole: Float[np.ndarray, "cluster place"], lost: Float[np.ndarray, "cluster place"]
) -> list[float]:
    r"""Return by how much a gradient is bent by what it loses.

    ``bias = ||E d||/||E g||`` and the cosine of ``E g - E d`` with ``E g``: g the whole
    gradient, d what is lost, squares from pairs of different clusters, intervals by
    leaving each out.

    Args:
        whole: sums of g over the sequences of each cluster.
        lost: sums of d.

    Returns:
        `COLUMNS`; nan where a square is not above 0, and so is not resolved.

    Example:
        >>> g = np.array([[3.0, 0.0], [3.0, 0.0], [3.0, 0.0]])
        >>> np.round(gradient_bias(g, g / 3), 3).tolist()
        [0.333, 0.333, 0.333, 1.0, 1.0, 1.0]

    Source: Aicher, Foti and Fox 2019 (the bias of truncation); Hoeffding 1948 (products
    of pairs).
    """
    pairs = ((whole, whole), (lost, lost), (whole, lost))
    size, gone, both = (
        np.append(v, rest) for v, rest in (_products(*p) for p in pairs)
    )
    kept = size - 2 * both + gone
    with np.errstate(invalid="ignore", divide="ignore"):
        share = gone / size
        cosine = (size - both) / np.sqrt(size * kept)
    square = np.array([share[0], *_interval(share)])
    bias = np.sqrt(np.maximum(square, 0.0))
    bias[0] = bias[0] if square[0] > 0 or not gone.any() else np.nan
    return [*bias.tolist(), float(cosine[0]), *_interval(cosine)]


def _products(
    one: Float[np.ndarray, "cluster place"], other: Float[np.ndarray, "cluster place"]
) -> tuple[float, Float[np.ndarray, "cluster"]]:
    """Return the sum of products of different clusters, and that without each."""
    first, second = one.sum(0), other.sum(0)
    own = (one * other).sum(1)
    value = float(first @ second - own.sum())
    return value, value - one @ second - other @ first + 2 * own


def _error(left_out: Float[np.ndarray, "cluster"]) -> float:
    """Return the jackknife's standard error."""
    count = len(left_out)
    apart = left_out - left_out.mean()
    return float(np.sqrt((count - 1) / count * (apart**2).sum()))


def _interval(values: Float[np.ndarray, "whole_and_left_out"]) -> tuple[float, float]:
    """Return the interval at 95 % of a value that comes first."""
    away = Z * _error(values[1:])
    return float(values[0] - away), float(values[0] + away)


def bias_table(
    sums: Float[np.ndarray, "cluster row place"], lengths: list[int]
) -> pd.DataFrame:
    """Return the bias of each use and length K, one row each.

    Args:
        sums: over the sequences of each cluster: of the gradient, then of what each K
            loses by a sliding window, then of what each loses in chunks.
        lengths: K.
    """
    names = [(use, k) for use in ("sliding", "chunks") for k in lengths]
    rows = [gradient_bias(sums[:, 0], lost) for lost in sums[:, 1:].swapaxes(0, 1)]
    index = pd.MultiIndex.from_tuples(names, names=["use", "K"])
    return pd.DataFrame(rows, index, COLUMNS)

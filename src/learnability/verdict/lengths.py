"""Lengths that people have to choose: truncation and warm-up."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float

from ..grid import thinned

MOST = 16  # lengths that are compared


def kept_weight(
    lags: Float[np.ndarray, "lag"], k1: int, k2: int
) -> Float[np.ndarray, "lag"]:
    """Return the weight with which truncated backpropagation keeps each lag.

    ``w_l = clip((k2 - l)/k1, 0, 1)``: every k1 steps the gradient goes back k2 steps.
    Chunks of K steps are ``k1 = k2 = K``, a sliding window of K steps ``k1 = 1``.

    Args:
        lags: in steps.
        k1: steps between two backward passes.
        k2: steps that each one goes back.

    Raises:
        ValueError: if k1 or k2 is below 1.

    Example:
        >>> kept_weight(np.array([10.0, 40.0]), 80, 80).tolist()
        [0.875, 0.5]

    Source: Williams and Peng 1990.
    """
    if k1 < 1 or k2 < 1:
        raise ValueError(f"k1 {k1} and k2 {k2} are no steps; give numbers from 1")
    return np.clip((k2 - lags) / k1, 0, 1)


def lengths_for(lags: Sequence[int]) -> list[int]:
    """Return lengths K that are worth comparing for lags, ascending.

    Those that are enough for each lag, sliding (one step more) and by chunks (twice and
    four times as long), thinned out to 16 and those of the farthest lag.

    Example:
        >>> lengths_for([4, 40])
        [5, 8, 16, 41, 80, 160]
    """
    every = sorted({int(k) for lag in lags for k in _enough(lag)})
    return sorted({*thinned(every, MOST), *_enough(max(lags))}) if every else []


def _enough(lag: int) -> list[int]:
    return [k for k in (lag + 1, 2 * lag, 4 * lag) if k]


def truncation(
    strength: Mapping[int, float], lengths: Sequence[int] | None = None
) -> pd.DataFrame:
    """Return what of the dependences each length K keeps, one row per K.

    Args:
        strength: of the dependence at each lag that holds one.
        lengths: K; those of `lengths_for` unless given.

    Returns:
        ``sliding`` and ``chunks``: the share of the dependences' variance that is kept,
        and ``farthest_sliding`` and ``farthest_chunks``, the weight of the farthest.

    Example:
        >>> truncation({4: 1.0}).round(2).loc[8].tolist()
        [1.0, 0.5, 1.0, 0.5]
    """
    names = ["sliding", "chunks", "farthest_sliding", "farthest_chunks"]
    if not strength:
        return pd.DataFrame(columns=names, dtype=float).rename_axis("K")
    lags = np.array(sorted(strength), dtype=float)
    squares = np.array([strength[int(lag)] ** 2 for lag in lags])
    own = lengths_for(sorted(strength)) if lengths is None else sorted(set(lengths))
    rows = {}
    for k in own:
        sliding, chunks = kept_weight(lags, 1, k), kept_weight(lags, k, k)
        shares = [float(w @ squares / squares.sum()) for w in (sliding, chunks)]
        rows[k] = [*shares, float(sliding[-1]), float(chunks[-1])]
    table = pd.DataFrame.from_dict(rows, orient="index", columns=names)
    return table.rename_axis("K")


def steps_until(distance: Float[np.ndarray, "step"], level: float) -> float:
    """Return after how many steps a distance stays within a level; nan if never.

    Example:
        >>> steps_until(np.array([1.0, 0.05, 0.2, 0.01]), 0.1)
        3.0
    """
    above = np.flatnonzero(~(distance <= level))
    steps = float(above[-1] + 1) if above.size else 0.0
    return steps if steps < len(distance) else np.nan

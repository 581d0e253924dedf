"""What a diagnosis says as single numbers, for tools that watch experiments."""

import re
from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

ODD = re.compile(r"[^\w ./-]+")
"""What not every tool takes in a name."""


def bands(lags: Iterable[int]) -> dict[str, list[int]]:
    """Return lags in octaves, from 1 on: the names of bands with the lags in each.

    Args:
        lags: in steps.

    Example:
        >>> bands([1, 2, 3, 5, 9])
        {'lag 1': [1], 'lags 2-3': [2, 3], 'lags 4-7': [5], 'lags 8-15': [9]}
    """
    found: dict[str, list[int]] = {}
    for lag in sorted(lag for lag in lags if lag > 0):
        first = 1 << (lag.bit_length() - 1)
        name = f"lags {first}-{2 * first - 1}" if first > 1 else "lag 1"
        found.setdefault(name, []).append(lag)
    return found


def by_band(table: pd.DataFrame) -> dict[str, float]:
    """Return the mean of each column over the lags of each band.

    Args:
        table: one row per lag; what is not finite is left out.

    Returns:
        Numbers by ``column/band``; a band in which nothing is finite has none.

    Example:
        >>> by_band(pd.DataFrame({"share": [1.0, 0.5, np.nan]}, [2, 3, 4]))
        {'share/lags 2-3': 0.75}
    """
    found = {}
    for band, lags in bands(map(int, table.index)).items():
        for column, values in table.loc[lags].items():
            finite = values[np.isfinite(values)]
            if len(finite):
                found[f"{column}/{band}"] = float(finite.mean())
    return found


def named(layers: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Return the numbers of all layers, by ``layer/name``, in letters that tools take.

    Example:
        >>> named({"rnn[layer 0, forward]": {"window": 3.0}})
        {'rnn layer 0 forward/window': 3.0}
    """
    return {
        f"{ODD.sub(' ', layer).strip().replace('  ', ' ')}/{name}": value
        for layer, values in layers.items()
        for name, value in values.items()
        if np.isfinite(value)
    }

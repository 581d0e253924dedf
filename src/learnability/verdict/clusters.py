"""Which rows hang together: sequences, groups, blocks of one series or of windows."""

from typing import Any

import numpy as np
from jaxtyping import Bool, Int, Num

from .observed import Observed

FEWEST = 8
"""Clusters below which no interval can be told."""
MOST = 64
"""Clusters beyond which neighbours are put together: more change no interval."""
SERIES = 16
"""Sequences below which each one is cut into blocks."""


def stride_of_windows(x: Num[np.ndarray, "sequence step ..."]) -> int | None:
    """Return by how many steps consecutive sequences are shifted windows of a series.

    Args:
        x: inputs, in the order of the series.

    Returns:
        None if fewer than half of the sequences go on where the one before began, with
        a quarter of their steps in common or more.

    Example:
        >>> series = np.random.default_rng(0).normal(size=40)
        >>> windows = np.lib.stride_tricks.sliding_window_view(series, 16)[::3]
        >>> stride_of_windows(windows)
        3
    """
    steps = x.shape[1]
    some = np.linspace(0, max(len(x) - 2, 0), 32).astype(int)
    for stride in range(1, steps - max(1, steps // 4)):
        if len(x) > 2 and _shifted(x, some, stride).mean() > 0.5:
            return stride
    return None


def clusters(
    data: Observed, longest: int, groups: Any = None
) -> tuple[Int[np.ndarray, "row"], str]:
    """Return the cluster of every row, -1 for rows that are left out, and what it is.

    Neighbours are put together, so that what hangs on in the order of the sequences
    stays within a cluster.

    Args:
        data: rows of which each has all lags.
        longest: L, the longest lag.
        groups: a label of each sequence; labels that are alike are one cluster.

    Raises:
        ValueError: if there are fewer than 8 clusters.
    """
    stride = None if groups is not None else stride_of_windows(data.inputs)
    if groups is not None:
        units, kind = _labels(groups, len(data.inputs))[data.sequence], "groups"
    elif stride is not None:
        units, kind = _window_blocks(data, stride)[data.sequence], "blocks of windows"
    elif len(data.inputs) < SERIES and data.per_step:
        units, kind = _series_blocks(data, longest), "blocks of steps"
    else:
        units, kind = data.sequence, "sequences"
    known, code = np.unique(units[units >= 0], return_inverse=True)
    if len(known) < FEWEST:
        raise ValueError(
            f"{len(known)} {kind} with all lags up to {longest} are too few; give at "
            f"least {FEWEST}, longer sequences, shorter lags, or a series as it is in "
            "place of its windows"
        )
    merged = np.full(len(units), -1)
    merged[units >= 0] = code * min(len(known), MOST) // len(known)
    return merged, f"{len(known)} {kind}"


def _shifted(
    x: Num[np.ndarray, "sequence step ..."], first: Int[np.ndarray, "pair"], stride: int
) -> Bool[np.ndarray, "pair"]:
    """Return which sequences are followed by themselves some steps later."""
    same = x[first, stride:] == x[first + 1, : x.shape[1] - stride]
    return same.reshape(len(first), -1).all(axis=1)


def _labels(groups: Any, sequences: int) -> Int[np.ndarray, "sequence"]:
    """Return labels as numbers in the order of their first appearance."""
    labels = np.asarray(groups)
    if labels.shape != (sequences,):
        raise ValueError(
            f"groups have shape {labels.shape}; give one label for each of "
            f"{sequences} sequences"
        )
    _, first, code = np.unique(labels, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[code]


def _window_blocks(data: Observed, stride: int) -> Int[np.ndarray, "sequence"]:
    """Return blocks of windows that share no step with those of another block.

    A block is two windows long where 8 of them remain; a window that lies across the
    border of two is left out.
    """
    steps = data.inputs.shape[1]
    goes_on = _shifted(data.inputs, np.arange(len(data.inputs) - 1), stride)
    starts = np.cumsum(np.append(0, np.where(goes_on, stride, 2 * steps)))
    span = int(starts[-1]) + steps
    block = max(span // MOST, min(2 * steps, span // FEWEST))
    inside = starts % block + steps <= block
    return np.where(inside, starts // block, -1)


def _series_blocks(data: Observed, longest: int) -> Int[np.ndarray, "row"]:
    """Return blocks of a few long sequences' steps: two windows of lags if enough."""
    sequences, rows = len(data.inputs), len(data.step)
    wanted = rows // sequences // (2 * (longest + 1))
    fewest = -(-FEWEST // sequences)
    pieces = int(np.clip(wanted, fewest, max(fewest, MOST // sequences)))
    if rows < FEWEST * FEWEST:
        raise ValueError(
            f"{rows} steps have all lags up to {longest}; give longer sequences or "
            "shorter lags"
        )
    place = data.step - longest
    length = data.lengths[data.sequence] - longest
    return data.sequence * pieces + place * pieces // length

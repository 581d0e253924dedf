"""Which rows hang together: sequences, groups, blocks of one series or of windows."""

from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Int, Num

from .observed import Observed

FEWEST = 8
"""Clusters below which no interval can be told."""
MOST = 64
"""Clusters beyond which neighbours are put together: more change no interval."""
SERIES = 16
"""Sequences below which each one is cut into blocks."""


def window_starts(
    x: Num[np.ndarray, "sequence step ..."],
) -> Int[np.ndarray, "sequence"] | None:
    """Return where in their series overlapping windows begin.

    Where no step of a window is like another one, windows are put together by the steps
    that they share, in whatever order they come. Elsewhere (tokens) each one must be
    the one before, shifted by as many steps; what stays the same tells no shift.

    Args:
        x: inputs.

    Returns:
        None if fewer than half of the sequences have a quarter of their steps or more
        in common with another. Series that share nothing lie two windows apart.

    Example:
        >>> series = np.random.default_rng(0).normal(size=40)
        >>> windows = np.lib.stride_tricks.sliding_window_view(series, 16)[::6]
        >>> window_starts(windows[[2, 0, 1]]).tolist()
        [12, 0, 6]
    """
    sequences, steps = x.shape[:2]
    flat = x.reshape(sequences, steps, -1)
    weights = np.random.default_rng(0).normal(size=flat.shape[-1])
    _, name = np.unique(flat @ weights, return_inverse=True)
    name = name.reshape(sequences, steps)
    ordered = np.sort(name, axis=1)
    if (ordered[:, 1:] != ordered[:, :-1]).all(axis=1).mean() > 0.5:
        return _linked(name)
    begins = name[:-1, 1 : steps - max(1, steps // 4)] == name[1:, :1]
    for stride in np.flatnonzero(begins.sum(axis=0) > sequences / 2) + 1:
        shared = name[:-1, stride:], name[1:, : steps - stride]
        goes_on = (shared[0] == shared[1]).all(axis=1)
        told = np.any([(one != one[:, :1]).any(axis=1) for one in shared], axis=0)
        if goes_on.sum() > sequences / 2 and goes_on[told].sum() > told.sum() / 2:
            return np.cumsum(np.append(0, np.where(goes_on, stride, 3 * steps)))
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
    starts = None if groups is not None else window_starts(data.inputs)
    if groups is not None:
        units, kind = _labels(groups, len(data.inputs))[data.sequence], "groups"
    elif starts is not None:
        blocks = _window_blocks(starts, data.inputs.shape[1])
        units, kind = blocks[data.sequence], "blocks of windows"
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


def _linked(
    name: Int[np.ndarray, "sequence step"],
) -> Int[np.ndarray, "sequence"] | None:
    """Return where windows begin that share named steps.

    Each one hangs on the window in which its first step comes next soonest; what it
    hangs on is followed to the first window of the series, twice as far each time.
    """
    sequences, steps = name.shape
    holder = np.full(name.max() + 1, -1)
    later = name[:, :0:-1].T.ravel()  # the last step first, so that the second wins
    holder[later] = np.arange(later.size)
    place = holder[name[:, 0]]
    shift = steps - 1 - place // sequences
    known = (place >= 0) & (shift <= steps - max(1, steps // 4))
    if known.mean() < 0.5:
        return None
    parent = np.where(known, place % sequences, np.arange(sequences))
    start = np.where(known, shift, 0)
    for _ in range(sequences.bit_length()):
        start, parent = start + start[parent], parent[parent]
    first, series = np.unique(parent, return_inverse=True)
    ends = np.zeros(len(first), dtype=int)
    np.maximum.at(ends, series, start + 3 * steps)
    return start + (np.cumsum(ends) - ends)[series]


def _labels(groups: Any, sequences: int) -> Int[np.ndarray, "sequence"]:
    """Return labels as numbers in the order of their first appearance."""
    labels = np.asarray(groups)
    if labels.shape != (sequences,):
        raise ValueError(
            f"groups have shape {labels.shape}; give one label for each of "
            f"{sequences} sequences"
        )
    code = pd.factorize(labels)[0]
    if (code < 0).any():
        raise ValueError(
            f"groups hold {labels[code < 0][0]}; give each sequence a label"
        )
    return code


def _window_blocks(
    starts: Int[np.ndarray, "sequence"], steps: int
) -> Int[np.ndarray, "sequence"]:
    """Return blocks of windows that share no step with those of another block.

    A block is two windows long where 8 of them remain; a window that lies across the
    border of two is left out.
    """
    span = int(starts.max()) + steps
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

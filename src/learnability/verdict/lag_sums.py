"""Sums of products of features at all lags and what happened at the same step."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, Num

from .features import PART
from .observed import FEWEST_SHARING
from .regression import Moments, few_enough

MOST = 32
"""Clusters beyond which neighbours are put together: more change no interval."""
HELD = 2**23
"""Numbers of all clusters' sums, 64 MB, beyond which there are fewer clusters."""
LATE = 0.25  # of the looking steps that have all lags, from which on they are enough


class Part(NamedTuple):
    """Some sequences.

    Attributes:
        features: phi of every step.
        columns: what is regressed on the features.
        own: steps that belong to the sequence.
        looks: steps at which the loss looks.
        cluster: sequences of one cluster hang together.
    """

    features: Float[np.ndarray, "sequence step feature"]
    columns: Float[np.ndarray, "sequence step column"]
    own: Bool[np.ndarray, "sequence step"]
    looks: Bool[np.ndarray, "sequence step"]
    cluster: Int[np.ndarray, "sequence"]


Parts = Callable[[], Iterable[Part]]


class LagSums(NamedTuple):
    """Sums over the rows of every cluster, a row being a step at which the loss looks.

    X holds phi of all lags, lag 0 first, and Y the columns, both less their means over
    the sequences at each step.

    Attributes:
        xx: X'X.
        xy: X'Y.
        yy: Y'Y.
        rows: how many there are.
        first: the first step that is a row; before a sequence's begin phi is 0.
        sequences: how many there are.
        lags: L + 1.
    """

    xx: Float[np.ndarray, "cluster coefficient coefficient"]
    xy: Float[np.ndarray, "cluster coefficient column"]
    yy: Float[np.ndarray, "cluster column column"]
    rows: int
    first: int
    sequences: int
    lags: int

    def moments(self, scale: Float[np.ndarray, "column"]) -> Moments:
        """Return the moments of the leading columns, each times a factor."""
        own = slice(len(scale))
        traces = np.einsum("gkk,k->g", self.yy[:, own, own], scale**2)
        return Moments(self.xx, self.xy[..., own] * scale, traces, self.rows, 0.0)


def lag_sums(parts: Parts, longest: int, clusters: int) -> LagSums:
    """Return the sums of products of features at lags 0 to the longest.

    The rows are the steps that have all lags. Where fewer than a quarter of those at
    which the loss looks have them, all are rows.

    Args:
        parts: gives the sequences, some at a time.
        longest: L.
        clusters: how many there are; neighbours are put together.

    Raises:
        ValueError: if there are more than 2,048 coefficients.
    """
    features, columns, looking = _means(parts())
    first = longest if looking[longest:].sum() >= LATE * looking.sum() else 0
    width, number = features.shape[1], columns.shape[1]
    size = few_enough(longest + 1, width)
    room = HELD // max(size, number) ** 2
    groups = min(clusters, MOST, max(FEWEST_SHARING, room))
    edges, first_row = np.zeros((groups, size, size)), np.zeros((groups, size, width))
    xy, yy = np.zeros((groups, size, number)), np.zeros((groups, number, number))
    rows, sequences = 0, 0
    most = max(1, PART // (len(features) * size))
    for part in parts():
        steps = part.own.shape[1]
        phi = (part.features - features[:steps]) * part.own[..., None]
        y = part.columns - columns[:steps]
        looks = part.looks & (np.arange(steps) >= first)
        own = part.cluster * groups // clusters
        for g in np.unique(own):
            chosen = np.flatnonzero(own == g)
            for some in np.array_split(chosen, -(-len(chosen) // most)):
                x, there = lagged(phi[some], longest), looks[some]
                edges[g] += _edges(x, there)
                x, values = x[there], y[some][there]
                first_row[g] += x.T @ x[:, :width]
                xy[g] += x.T @ values
                yy[g] += values.T @ values
                rows += len(x)
        sequences += len(phi)
    xx = _by_shift(first_row, edges)
    return LagSums(xx, xy, yy, rows, first, sequences, longest + 1)


def _edges(
    x: Float[np.ndarray, "sequence step coefficient"],
    looks: Bool[np.ndarray, "sequence step"],
) -> Float[np.ndarray, "coefficient coefficient"]:
    """Return by what X'X changes if all rows are those one step earlier."""
    change = np.diff(looks.astype(float), axis=1, append=0)
    here = change != 0
    return (x[here] * change[here][:, None]).T @ x[here]


def _by_shift(
    first: Float[np.ndarray, "cluster coefficient feature"],
    edges: Float[np.ndarray, "cluster coefficient coefficient"],
) -> Float[np.ndarray, "cluster coefficient coefficient"]:
    """Return X'X from its products with lag 0: lags one further are a step earlier.

    ``X'X(l + 1, m + 1) = X'X(l, m) + E(l, m)``, E the change at the first and the last
    of the rows, so that the rows' number costs nothing.

    Args:
        first: ``X'X(l, 0)``.
        edges: E, whose place X'X takes.
    """
    width = first.shape[-1]
    for xx, row in zip(edges, first, strict=True):
        change = xx[:width].copy()
        xx[:width] = row.T
        for start in range(width, len(xx), width):
            own, nearer = slice(start, start + width), slice(start - width, start)
            moved = xx[nearer, :-width] + change[:, :-width]
            change = xx[own].copy()
            xx[own, :width], xx[own, width:] = row[own], moved
    return edges


def lagged(
    phi: Float[np.ndarray, "sequence step feature"], longest: int
) -> Float[np.ndarray, "sequence step coefficient"]:
    """Return the features of lags 0 to the longest at every step, lag 0 first.

    Example:
        >>> lagged(np.array([[[1.0], [2.0]]]), 1).tolist()
        [[[1.0, 0.0], [2.0, 1.0]]]
    """
    padded = np.pad(phi, [(0, 0), (longest, 0), (0, 0)])
    windows = np.lib.stride_tricks.sliding_window_view(padded, longest + 1, axis=1)
    past = windows[..., ::-1].swapaxes(2, 3)
    return past.reshape(*phi.shape[:2], -1)


def _means(parts: Iterable[Part]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return means over sequences step by step, and how many look at each step."""
    features, columns, own, looking = (np.zeros((0, 1)) for _ in range(4))
    for part in parts:
        inside, looks = part.own[..., None], part.looks[..., None]
        features = _plus(features, (part.features * inside).sum(0))
        columns = _plus(columns, (part.columns * looks).sum(0))
        own, looking = _plus(own, inside.sum(0)), _plus(looking, looks.sum(0))
    means = features / np.maximum(own, 1), columns / np.maximum(looking, 1)
    return *means, looking[:, 0]


def _plus(
    one: Num[np.ndarray, "steps a"], other: Num[np.ndarray, "others b"]
) -> Num[np.ndarray, "every b"]:
    """Return the sum of arrays of which one may have fewer steps, or no columns."""
    steps = max(len(one), len(other))
    both = (np.pad(v, [(0, steps - len(v)), (0, 0)]) for v in (one, other))
    return sum(both, np.zeros(1))

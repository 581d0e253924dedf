"""Sums of products of features at all lags and what happened at the same step."""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, Num
from scipy import linalg

from .features import PART
from .moments import Moments, few_enough
from .observed import FEWEST_SHARING

MOST = 32
"""Clusters beyond which neighbours are put together: more change no interval."""
HELD = 2**23
"""Numbers of all clusters' sums, 64 MB, beyond which there are fewer clusters."""
LATE = 0.25  # of the looking steps that have all lags, from which on no others count
ENOUGH = 16  # such rows for each coefficient, from which on likewise


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


class Rows(NamedTuple):
    """Steps of some sequences of one cluster.

    The first of them is the one before any that is a row.

    Attributes:
        cluster: which.
        x: phi of all lags, less its means, at every step.
        y: the columns, less their means.
        there: which steps are rows.
    """

    cluster: int
    x: Float[np.ndarray, "sequence step coefficient"]
    y: Float[np.ndarray, "sequence step column"]
    there: Bool[np.ndarray, "sequence step"]


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
        parts: gives the sequences, some at a time.
        clusters: of sequences, before neighbours were put together.
        means: of features and of columns over the sequences at each step.
    """

    xx: Float[np.ndarray, "cluster coefficient coefficient"]
    xy: Float[np.ndarray, "cluster coefficient column"]
    yy: Float[np.ndarray, "cluster column column"]
    rows: int
    first: int
    sequences: int
    lags: int
    parts: Parts
    clusters: int
    means: tuple[Float[np.ndarray, "step feature"], Float[np.ndarray, "step column"]]

    def each(self) -> Iterator[Rows]:
        """Yield the rows that the sums are of, those of one cluster at a time."""
        for part in self.parts():
            steps = part.own.shape[1]
            features, columns = (mean[:steps] for mean in self.means)
            phi = (part.features - features) * part.own[..., None]
            looks = part.looks & (np.arange(steps) >= self.first)
            own = part.cluster * len(self.xx) // self.clusters
            start = max(0, self.first - 1)
            numbers = (steps - start) * len(self.xx[0])
            for g in np.unique(own):
                for some in _few(np.flatnonzero(own == g), numbers):
                    x = lagged(phi[some], self.lags - 1, start)
                    y = part.columns[some, start:] - columns[start:]
                    yield Rows(int(g), x, y, looks[some, start:])

    def moments(self, scale: Float[np.ndarray, "column"]) -> Moments:
        """Return the moments of the leading columns, each times a factor."""
        own = slice(len(scale))
        traces = np.einsum("gkk,k->g", self.yy[:, own, own], scale**2)
        return Moments([*self.xx], self.xy[..., own] * scale, traces, self.rows, 0.0)


def lag_sums(parts: Parts, longest: int, clusters: int, most: int = MOST) -> LagSums:
    """Return the sums of products of features at lags 0 to the longest.

    The rows are the steps that have all lags: with zeros in place of what was before a
    sequence's begin, lags of inputs that hang together would share their strengths with
    others. Where steps with all lags are too few, all are rows.

    Args:
        parts: gives the sequences, some at a time.
        longest: L.
        clusters: how many there are; neighbours are put together.
        most: clusters at most.

    Raises:
        ValueError: if there are more than 2,048 coefficients.
    """
    features, columns, looking = _means(parts())
    width, number = features.shape[1], columns.shape[1]
    size = few_enough(longest + 1, width)
    whole, every = looking[longest:].sum(), looking.sum()
    first = longest if whole >= min(ENOUGH * size, LATE * every) else 0
    room = HELD // max(size, number) ** 2
    groups = min(clusters, most, max(FEWEST_SHARING, room))
    xx, first_row = np.zeros((groups, size, size)), np.zeros((groups, size, width))
    xy, yy = np.zeros((groups, size, number)), np.zeros((groups, number, number))
    means = features, columns
    found = LagSums(xx, xy, yy, 0, first, 0, longest + 1, parts, clusters, means)
    rows, sequences = 0, 0
    for g, x, y, there in found.each():
        sequences += len(x)
        _add_edges(xx[g], x, there)
        x, y = x[there], y[there]
        first_row[g] += x.T @ x[:, :width]
        xy[g] += x.T @ y
        yy[g] += y.T @ y
        rows += len(x)
    _by_shift(first_row, xx)
    return found._replace(rows=rows, sequences=sequences)


def _few(chosen: Int[np.ndarray, "sequence"], numbers: int) -> list[np.ndarray]:
    """Return some sequences in parts, of so many numbers each, that fit into memory."""
    most = max(1, PART // numbers)
    return np.array_split(chosen, -(-len(chosen) // most))


def _add_edges(
    xx: Float[np.ndarray, "coefficient coefficient"],
    x: Float[np.ndarray, "sequence step coefficient"],
    looks: Bool[np.ndarray, "sequence step"],
) -> None:
    """Add by what X'X changes if all rows are those one step earlier."""
    change = np.diff(looks.astype(float), axis=1, append=0)
    here = change != 0
    ends = x[here].T
    signed = ends * change[here]
    # In place: an array as large as X'X costs as much as the products.
    (multiply,) = linalg.get_blas_funcs(("gemm",), (xx,))
    multiply(1.0, signed, ends, 1.0, xx.T, trans_b=True, overwrite_c=True)


def _by_shift(
    first: Float[np.ndarray, "cluster coefficient feature"],
    edges: Float[np.ndarray, "cluster coefficient coefficient"],
) -> None:
    """Make X'X of its products with lag 0: lags one further are a step earlier.

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


def lagged(
    phi: Float[np.ndarray, "sequence step feature"], longest: int, start: int = 0
) -> Float[np.ndarray, "sequence some coefficient"]:
    """Return the features of lags 0 to the longest at steps from one on, lag 0 first.

    Example:
        >>> lagged(np.array([[[1.0], [2.0]]]), 1).tolist()
        [[[1.0, 0.0], [2.0, 1.0]]]
    """
    padded = np.pad(phi, [(0, 0), (longest, 0), (0, 0)])[:, start:]
    windows = np.lib.stride_tricks.sliding_window_view(padded, longest + 1, axis=1)
    past = windows[..., ::-1].swapaxes(2, 3)
    return past.reshape(*past.shape[:2], -1)


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

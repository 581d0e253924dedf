"""Sums of products of features at all lags and what happened at the same step."""

from collections.abc import Callable, Iterable, Iterator
from functools import reduce
from itertools import chain
from typing import Any, NamedTuple

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
Over = Callable[[Callable[..., Any]], Iterator[Any]]


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


class Layout(NamedTuple):
    """Which steps are rows, and of which cluster.

    Attributes:
        lags: L + 1.
        first: the first step that is a row.
        groups: clusters, after neighbours were put together.
        clusters: before that.
        means: of features and of columns over the sequences at each step.
    """

    lags: int
    first: int
    groups: int
    clusters: int
    means: tuple[Float[np.ndarray, "step feature"], Float[np.ndarray, "step column"]]

    def each(self, parts: Iterable[Part]) -> Iterator[Rows]:
        """Yield the rows of some sequences, those of one cluster at a time."""
        for part in parts:
            steps = part.own.shape[1]
            features, columns = (mean[:steps] for mean in self.means)
            phi = (part.features - features) * part.own[..., None]
            looks = part.looks & (np.arange(steps) >= self.first)
            own = part.cluster * self.groups // self.clusters
            start = max(0, self.first - 1)
            if steps <= start:
                continue
            numbers = (steps - start) * self.lags * phi.shape[2]
            for g in np.unique(own):
                for some in _few(np.flatnonzero(own == g), numbers):
                    x = lagged(phi[some], self.lags - 1, start)
                    y = part.columns[some, start:] - columns[start:]
                    yield Rows(int(g), x, y, looks[some, start:])

    def sums(self, parts: Parts, before: int, count: int) -> "Sums":
        """Return the sums over the rows of a piece.

        Args:
            parts: gives its sequences.
            before: clusters before those of the piece.
            count: clusters of the piece.
        """
        start = before * self.groups // self.clusters
        stop = (before + count - 1) * self.groups // self.clusters + 1
        number = self.means[1].shape[1]
        width, own = self.means[0].shape[1], stop - start
        size = self.lags * width
        xx, first_row = np.zeros((own, size, size)), np.zeros((own, size, width))
        xy, yy = np.zeros((own, size, number)), np.zeros((own, number, number))
        rows, sequences = 0, 0
        for cluster, x, y, there in self.each(parts()):
            g = cluster - start
            sequences += len(x)
            _add_edges(xx[g], x, there)
            x, y = x[there], y[there]
            first_row[g] += x.T @ x[:, :width]
            xy[g] += x.T @ y
            yy[g] += y.T @ y
            rows += len(x)
        return Sums(start, xx, first_row, xy, yy, rows, sequences)


class Sums(NamedTuple):
    """Sums over the rows of some clusters, neighbours of each other.

    Attributes:
        start: the first of the clusters.
        xx: by what X'X changes if rows are a step earlier.
        first_row: its products with lag 0.
        xy: X'Y.
        yy: Y'Y.
        rows: how many there are.
        sequences: likewise.
    """

    start: int
    xx: Float[np.ndarray, "cluster coefficient coefficient"]
    first_row: Float[np.ndarray, "cluster coefficient feature"]
    xy: Float[np.ndarray, "cluster coefficient column"]
    yy: Float[np.ndarray, "cluster column column"]
    rows: int
    sequences: int


def _together(every: Iterator[Sums], groups: int) -> Sums:
    """Return the sums over the rows of all pieces, in the arrays of one that has all.

    Args:
        every: of pieces, one behind the other; neighbours may share a cluster.
        groups: clusters.
    """
    whole = next(every)
    if len(whole.xx) < groups:
        shapes = {n: getattr(whole, n).shape[1:] for n in Sums._fields[1:5]}
        none = {n: np.zeros((groups, *shape)) for n, shape in shapes.items()}
        every = chain([whole], every)
        whole = whole._replace(start=0, rows=0, sequences=0, **none)
    for one in every:
        own = slice(one.start, one.start + len(one.xx))
        for total, more in zip(whole[1:5], one[1:5], strict=True):
            total[own] += more
        rows, sequences = whole.rows + one.rows, whole.sequences + one.sequences
        whole = whole._replace(rows=rows, sequences=sequences)
    return whole


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
        layout = Layout(self.lags, self.first, len(self.xx), self.clusters, self.means)
        return layout.each(self.parts())

    def moments(self, scale: Float[np.ndarray, "column"]) -> Moments:
        """Return the moments of the leading columns, each times a factor."""
        own = slice(len(scale))
        traces = np.einsum("gkk,k->g", self.yy[:, own, own], scale**2)
        return Moments([*self.xx], self.xy[..., own] * scale, traces, self.rows, 0.0)


def lag_sums(
    parts: Parts,
    longest: int,
    clusters: int,
    most: int = MOST,
    over: Over | None = None,
) -> LagSums:
    """Return the sums of products of features at lags 0 to the longest.

    The rows are the steps that have all lags: with zeros in place of what was before a
    sequence's begin, lags of inputs that hang together would share their strengths with
    others. Where steps with all lags are too few, all are rows.

    Args:
        parts: gives the sequences, some at a time.
        longest: L.
        clusters: how many there are; neighbours are put together.
        most: clusters at most.
        over: yields what a work makes of each piece of the sequences; it is called with
            the piece's parts, the clusters before them and their own. One piece unless
            given.

    Raises:
        ValueError: if there are more than 2,048 coefficients.
    """

    def in_one(work: Callable[..., Any]) -> Iterator[Any]:
        yield work(parts, 0, clusters)

    over = over or in_one
    features, columns, looking = _means(over)
    width, number = features.shape[1], columns.shape[1]
    size = few_enough(longest + 1, width)
    whole, every = looking[longest:].sum(), looking.sum()
    first = longest if whole >= min(ENOUGH * size, LATE * every) else 0
    room = HELD // max(size, number) ** 2
    groups = min(clusters, most, max(FEWEST_SHARING, room))
    means = features, columns
    layout = Layout(longest + 1, first, groups, clusters, means)
    found = _together(over(layout.sums), groups)
    _, xx, first_row, xy, yy, rows, sequences = found
    _by_shift(first_row, xx)
    return LagSums(
        xx, xy, yy, rows, first, sequences, longest + 1, parts, clusters, means
    )


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


def _means(over: Over) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return means over sequences step by step, and how many look at each step."""
    totals = zip(*over(_totals), strict=True)
    features, columns, own, looking = (reduce(_plus, every) for every in totals)
    means = features / np.maximum(own, 1), columns / np.maximum(looking, 1)
    return *means, looking[:, 0]


def _totals(parts: Parts, before: int, count: int) -> tuple[np.ndarray, ...]:
    """Return a piece's sums of features and columns by step, and of their numbers."""
    del before, count
    features, columns, own, looking = (np.zeros((0, 1)) for _ in range(4))
    for part in parts():
        inside, looks = part.own[..., None], part.looks[..., None]
        features = _plus(features, (part.features * inside).sum(0))
        columns = _plus(columns, (part.columns * looks).sum(0))
        own, looking = _plus(own, inside.sum(0)), _plus(looking, looks.sum(0))
    return features, columns, own, looking


def _plus(
    one: Num[np.ndarray, "steps a"], other: Num[np.ndarray, "others b"]
) -> Num[np.ndarray, "every b"]:
    """Return the sum of arrays of which one may have fewer steps, or no columns."""
    steps = max(len(one), len(other))
    both = (np.pad(v, [(0, steps - len(v)), (0, 0)]) for v in (one, other))
    return sum(both, np.zeros(1))

"""Errors of ratios of sums over sequences that are independent only by clusters."""

from copy import deepcopy
from typing import final

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor


@final
class RatioSums:
    """Sums over clusters k of ``f(l) = sum_k s_k(l) / sum_k w_k(l)``, for its error.

    To first order ``f`` errs by ``sum_k d_k / sum_k w_k`` with ``d_k = s_k - f w_k``
    and its logarithm by ``sum_k d_k / sum_k s_k``; with n clusters the variance of such
    a sum is ``n/(n-1)`` times the sum of squares. Sums are held about a first value of
    f, in its unit, so that nothing is lost where clusters hardly differ; what is held
    does not grow with their number. Row 0 of the lags is lag 0.

    Args:
        orders: how many kinds of s there are.
        lags: how many lags, lag 0 included.

    Example:
        >>> found = RatioSums(1, 2)
        >>> found.add(np.array([[[2.0, 1.0]], [[2.0, 3.0]]]), np.ones((2, 2)))
        >>> found.error(0).tolist(), found.log_error(0).tolist()
        ([0.0, 1.0], [0.0, 0.5])

    Source: Cochran 1977, Sampling Techniques, section 2.11 (the error of a ratio).
    """

    def __init__(self, orders: int, lags: int) -> None:
        shape = (orders, lags)
        self._unit = np.full(shape, np.nan)  # about which sums are held
        self._total = np.zeros(shape)  # of s, in this unit
        self._gram = np.zeros((*shape, 4, 4))  # of (d, w) at the lag and at lag 0
        self._weights, self._clusters = np.zeros(lags), np.zeros(lags, dtype=int)
        self._rows, self._last = 0, -1
        self._open = np.zeros((0, *shape)), np.zeros((0, lags))

    def add(
        self,
        sums: Float[np.ndarray, "row order lag"],
        weights: Float[np.ndarray, "row lag"],
        clusters: Int[Tensor, "row"] | None = None,
    ) -> None:
        """Add sequences.

        Args:
            sums: s of each.
            weights: w of each.
            clusters: number of the cluster of each, not below those before it; a
                cluster each unless given.

        Raises:
            ValueError: if clusters are not in ascending order.
        """
        own = np.arange(self._rows, self._rows + len(sums))
        if clusters is not None:
            own = clusters.cpu().numpy()
        if not len(own):
            return
        own = np.concatenate([np.full(len(self._open[0]), self._last), own])
        if (np.diff(own) < 0).any() or own[0] < self._last:
            raise ValueError(
                f"cluster {int(own.min())} comes after a higher one; "
                "add the sequences in the order of their clusters"
            )
        starts = np.flatnonzero(np.diff(own, prepend=own[0] - 1))
        every = [
            np.concatenate(two) for two in zip(self._open, (sums, weights), strict=True)
        ]
        joined = [np.add.reduceat(values, starts, axis=0) for values in every]
        self._close(joined[0][:-1], joined[1][:-1])
        self._open = joined[0][-1:], joined[1][-1:]
        self._rows, self._last = self._rows + len(sums), int(own[-1])

    def _close(self, s: np.ndarray, w: np.ndarray) -> None:
        """Add whole clusters."""
        total, weights = s.sum(axis=0), w.sum(axis=0)
        first = np.isnan(self._unit) & (total > 0)
        self._unit[first] = (total / np.maximum(weights, 1e-300))[first]
        size = np.where(np.isnan(self._unit), 1.0, self._unit)  # as yet all s are 0
        with np.errstate(over="ignore", invalid="ignore"):
            apart, by = s / size - w[:, None], np.broadcast_to(w[:, None], s.shape)
            start = [np.broadcast_to(v[..., :1], s.shape) for v in (apart, by)]
            rows = np.stack([apart, by, *start], axis=-1)
            self._gram += np.einsum("kola,kolb->olab", rows, rows)
            self._total += total / size
        self._weights += weights
        self._clusters += (w > 0).sum(axis=0)

    def __add__(self, other: "RatioSums") -> "RatioSums":
        """Return the sums over the clusters of both; none lies in both.

        In another unit u', s about f is ``s/u' - w = r (s/u - w) + (r - 1) w``, ``r =
        u/u'``: a Gram matrix is turned with that map.
        """
        one, two = self._whole(), other._whole()
        one._unit = np.where(np.isnan(one._unit), two._unit, one._unit)
        ratio = np.where(np.isnan(two._unit), 1.0, two._unit / one._unit)
        into = np.zeros((*ratio.shape, 4, 4))
        for place, r in enumerate((ratio, np.broadcast_to(ratio[:, :1], ratio.shape))):
            into[..., 2 * place, 2 * place] = r
            into[..., 2 * place, 2 * place + 1] = r - 1
            into[..., 2 * place + 1, 2 * place + 1] = 1
        one._gram = one._gram + into @ two._gram @ into.swapaxes(-1, -2)
        one._total = one._total + two._total * ratio
        one._weights = one._weights + two._weights
        one._clusters = one._clusters + two._clusters
        one._rows += two._rows
        return one

    def _whole(self) -> "RatioSums":
        """Return all clusters so far, the last one included."""
        whole = deepcopy(self)
        whole._close(*self._open)
        whole._open = self._open[0][:0], self._open[1][:0]
        return whole

    @property
    def weights(self) -> Float[np.ndarray, "lag"]:
        """Return the sum of w at each lag."""
        return self._whole()._weights

    @property
    def clusters(self) -> Int[np.ndarray, "lag"]:
        """Return how many clusters have a weight at each lag."""
        return self._whole()._clusters

    def error(self, order: int) -> Float[np.ndarray, "lag"]:
        """Return the standard error of f, nan where fewer than two clusters count."""
        whole = self._whole()
        unit = np.nan_to_num(whole._unit[order], nan=1.0)
        return unit * whole._root(order, whole._away(order) / whole._known_weights)

    def log_error(self, order: int) -> Float[np.ndarray, "lag"]:
        """Return the standard error of ``log f(l)/f(0)``, nan where f is 0, too."""
        whole = self._whole()
        total = whole._total[order]
        known = np.where(total > 0, total, np.nan)
        away = whole._away(order)
        both = away / known
        start = np.zeros_like(away)
        start[2:] = away[:2, :1] / known[0]
        return whole._root(order, both - start)

    @property
    def _known_weights(self) -> np.ndarray:
        return np.where(self._weights > 0, self._weights, np.nan)

    def _away(self, order: int) -> Float[np.ndarray, "four lag"]:
        """Return what makes d of a Gram row: 1, and minus the distance from the unit.

        In this unit f is ``1 + sum_k d_k / sum_k w_k``, d about the unit.
        """
        distance = self._total[order] / self._known_weights - 1
        none = np.zeros_like(distance)
        return np.stack([none + 1, -distance, none, none])

    def _root(
        self, order: int, factors: Float[np.ndarray, "four lag"]
    ) -> Float[np.ndarray, "lag"]:
        """Return the deviation of a sum over clusters of rows times factors."""
        few = self._clusters < 2
        inflated = self._clusters / np.where(few, np.nan, self._clusters - 1)
        gram = self._gram[order]
        squares = np.einsum("al,lab,bl->l", factors, gram, factors)
        return np.sqrt(np.maximum(squares, 0.0) * inflated)

"""Envelopes of many sequences, of one length or of several, a batch at a time."""

from collections.abc import Iterable
from typing import cast, final

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..cells import Cell
from ..grid import checked_lags
from .clusters import RatioSums
from .envelope import Envelope, Totals
from .orders import Order
from .sums import COMPILED, WindowSums

Kind = tuple[torch.dtype, bool]


@final
class Windows:
    """Envelopes of the orders zero, first and diagonal over windows inside sequences.

    Over all sequences f(l) is a ratio of sums, ``sum_n s_n / sum_n w_n``, with w_n the
    windows of sequence n and s_n the sum of ``sum_q |mu_{t,l}[q]|`` over them; its
    standard error is that of `RatioSums`. What is held does not grow with the number
    of sequences.

    A total that underflows in the inputs' dtype counts as 0, and makes its typical
    value 0; so does a unit's gain in order first. The units' typical values of the
    other two orders are sums of logarithms and do not underflow.

    Args:
        cell: the recurrence.
        lags: lags in steps, at least 1.

    Example:
        >>> import torch
        >>> from learnability.cells import ConstGate
        >>> from learnability.unroll import unroll
        >>> cell, x = ConstGate(3, 4, s=0.5), torch.zeros(2, 9, 3)
        >>> sums = Windows(cell, [1, 2])
        >>> sums.add(x, unroll(cell, x), torch.tensor([9, 4]))
        >>> sums.result()["zero"].normalised
        array([0.5 , 0.25])

    Source: Livi 2025, envelope (arXiv 2512.05790).
    """

    def __init__(self, cell: Cell, lags: Iterable[int]) -> None:
        self._cell, self._lags = cell, sorted(lags)
        self._sums: dict[int, WindowSums] = {}
        self._ratio = RatioSums(len(COMPILED), len(self._lags) + 1)
        self._kind: Kind | None = None

    def add(
        self,
        x: Float[Tensor, "sequence step input"],
        states: Float[Tensor, "sequence step state"],
        lengths: Int[Tensor, "sequence"] | None = None,
        *,
        rates: Float[Tensor, "sequence step unit"] | None = None,
        clusters: Int[Tensor, "sequence"] | None = None,
    ) -> None:
        """Add a batch of sequences.

        Args:
            x: inputs.
            states: the states after each step, from a zero initial state.
            lengths: steps of each sequence; what comes after them does not count. All
                T unless given.
            rates: base rates Lambda at every state; 1 unless given.
            clusters: number of the cluster of each sequence, not below those before it;
                a cluster each unless given.

        Raises:
            ValueError: if a batch is of another kind than those before it, or clusters
                are not in ascending order.
        """
        kind = x.dtype, rates is not None
        if self._kind not in (None, kind):
            raise ValueError(
                f"a batch of {_named(*kind)} comes after one of {_named(*self._kind)}; "
                "add batches of one kind"
            )
        self._kind = kind
        if lengths is None:
            lengths = torch.full((len(x),), x.shape[1])
        grid, size = np.array([0, *self._lags]), lengths.cpu().numpy()
        number = np.maximum(size[:, None] - grid, 0.0)
        sums = np.zeros((len(x), len(COMPILED), len(grid)))
        for length in np.unique(size[size > 0]).tolist():
            lags = [lag for lag in self._lags if lag < length]
            found = self._add(x, states, rates, lengths == length, length, lags)
            sums[size == length, :, : len(lags) + 1] = found
        self._ratio.add(sums, number, clusters)

    def _add(
        self,
        x: Tensor,
        states: Tensor,
        rates: Tensor | None,
        own: Tensor,
        length: int,
        lags: list[int],
    ) -> Float[np.ndarray, "own order lag"]:
        """Add the sequences of one length; where all are, none is copied."""
        chosen = slice(None) if bool(own.all()) else own
        kept = None if rates is None else rates[chosen][:, :length]
        if length not in self._sums:
            self._sums[length] = WindowSums(self._cell, length, lags)
        return self._sums[length].add(
            x[chosen][:, :length], states[chosen][:, :length], kept
        )

    def result(self) -> dict[Order, Envelope]:
        """Return the envelopes of all sequences so far.

        Raises:
            ValueError: if no sequence is longer than the longest lag.
        """
        if self._kind is None:
            raise ValueError("no sequence has been added; there is nothing to average")
        checked_lags(self._lags, max(self._sums, default=0))
        return {order: self._merged(order) for order in COMPILED}

    def _merged(self, order: Order) -> Envelope:
        place, dtype = COMPILED.index(order), cast(Kind, self._kind)[0]
        totals = Totals.none(len(self._lags) + 1, self._cell.units)
        for length, sums in self._sums.items():
            own = slice(0, len(sums.lags))
            totals.number[own] += sums.count * (length - sums.lags)
            totals.sizes[own] += sums.sizes[place]
            totals.logs[own] += sums.logs[place]
            totals.unit_logs[own] += sums.unit_log_sums(order)
        return totals.envelope(self._lags, self._ratio, place, dtype)


def _named(dtype: torch.dtype, rated: bool) -> str:
    return f"{dtype} {'with' if rated else 'without'} base rates"

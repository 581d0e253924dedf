"""Envelopes and matched evidence of many sequences, a batch at a time.

What is held does not grow with the number of sequences, apart from one number of
evidence a sequence, lag, direction and order.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float
from torch import Tensor

from ..cells import Cell
from ..grid import checked_lags
from .orders import Alignment, Order
from .record import Envelope
from .sums import COMPILED, Batch, WindowSums


@final
@dataclass(frozen=True)
class Windows:
    """What the windows of some sequences carry.

    Attributes:
        envelopes: by order.
        evidence: by order ``psi_n(l)``, (lag, direction, sequence), sequences as they
            came; empty without directions.
    """

    envelopes: dict[Order, Envelope]
    evidence: dict[Order, Float[np.ndarray, "lag direction sequence"]]


@final
class Accumulator:
    """Envelopes and evidence of the orders zero, first and diagonal, in one pass.

    ``f(l) = mean_{n,t} sum_q |mu_{t,l}[q]|`` and what else `Envelope` has, and
    ``psi_n(l) = mean_t sum_q mu_{t,l}[q] delta_t[q] v_{t-l}[q]``.

    A total that underflows in the inputs' dtype counts as 0, and makes its typical
    value 0; so does a unit's gain in order first. The units' typical values of the
    other two orders are sums of logarithms and do not underflow.

    Args:
        cell: the recurrence.
        lags: lags in steps, at least 1.
        alignment: which windows the envelopes count; see `orders.Alignment`. Evidence
            always has the windows between two recorded states.

    Raises:
        ValueError: if the alignment is unknown.

    Example:
        >>> import torch
        >>> from learnability.cells import ConstGate
        >>> from learnability.unroll import unroll
        >>> cell, x = ConstGate(3, 4, s=0.5), torch.zeros(2, 9, 3)
        >>> sums = Accumulator(cell, [1, 2])
        >>> for part in x.split(1):
        ...     sums.add(part, unroll(cell, part))
        >>> sums.result().envelopes["zero"].normalised
        array([0.5 , 0.25])

    Source: Livi 2025, envelope and matched statistic (arXiv 2512.05790).
    """

    def __init__(
        self, cell: Cell, lags: Iterable[int], *, alignment: Alignment = "states"
    ) -> None:
        if alignment not in ("states", "steps"):
            raise ValueError(
                f"alignment {alignment!r} is unknown; use 'states' or 'steps'"
            )
        self._cell, self._lags = cell, list(lags)
        self._first = 0 if alignment == "states" else -1
        self._sums: WindowSums | None = None

    def add(
        self,
        x: Float[Tensor, "sequence step input"],
        states: Float[Tensor, "sequence step state"],
        *,
        rates: Float[Tensor, "sequence step unit"] | None = None,
        delta: Float[Tensor, "sequence step unit"] | None = None,
        total: Float[Tensor, "direction sequence step unit"] | None = None,
    ) -> None:
        """Add a batch of sequences.

        Args:
            x: inputs, float32 or float64 on the CPU.
            states: the states after each step, from a zero initial state.
            rates: base rates Lambda at every state; 1 unless given.
            delta: the loss's derivative by the output h of each step.
            total: the total sensitivity v of h along one or more directions.

        Raises:
            ValueError: if a lag does not fit, rates come with the alignment ``steps``,
                only one of delta and total is given, or a batch is of another kind
                than those before it.
        """
        if (delta is None) != (total is None):
            raise ValueError("evidence needs both delta and total; give both or none")
        if rates is not None and self._first < 0:
            raise ValueError("base rates need a source state: use alignment='states'")
        batch = Batch(self._cell, x, states, rates, delta, total)
        if self._sums is None:
            lags = checked_lags(self._lags, x.shape[1])
            self._sums = WindowSums(batch.layout, lags, self._first)
        if self._sums.layout != batch.layout:
            raise ValueError(
                f"a batch of {batch.layout} comes after {self._sums.layout}; "
                "accumulate batches of one kind"
            )
        self._sums.add(batch)

    def result(self, orders: Iterable[Order] = COMPILED) -> Windows:
        """Give envelopes and evidence of all sequences so far.

        Raises:
            ValueError: if no sequence has been added or an order has no kernel.
        """
        if self._sums is None:
            raise ValueError("no sequence has been added; there is nothing to average")
        chosen = list(orders)
        for order in chosen:
            if order not in COMPILED:
                raise ValueError(
                    f"order {order!r} has no kernel; use one of {COMPILED}"
                )
        evident = chosen if self._sums.layout.directions else []
        return Windows(
            envelopes={order: self._sums.envelope(order) for order in chosen},
            evidence={order: self._sums.evidence(order) for order in evident},
        )

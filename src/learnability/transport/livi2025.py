"""The published programme's transport, to the letter, for comparison only.

It differs from the derivative in four ways: LayerNorm's Jacobian is left out of the
correction; the GRU's zero order is ``prod(1-z) + prod r + prod((1-z) r)`` with the
first-order term on the first product only, and its correction keeps only the
candidate's own entry; leaks are clamped to [1e-12, 1]; the LSTM's output-gate path is
dropped. Nothing else in the library uses these formulas.

Source: L. Livi, arXiv 2512.05790, and the numerical programme published with it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from ..cells import GRU, LSTM, Cell, Steps, previous
from ..cells.leaky import Leaky
from ..grid import checked_lags
from .orders import per_unit_gains

SMALLEST_LEAK = 1e-12  # the published clamp

Alignment = Literal["states", "steps"]
"""How windows are counted in sequences of T steps.

``states``: windows between two recorded states; entry i holds the steps i+1 .. i+l,
from state i to state i+l, T - l entries.
``steps``: every l consecutive steps, the one from the zero initial state included;
entry i holds the steps i .. i+l-1, T - l + 1 entries. The published envelopes have it.
"""


@dataclass(frozen=True)
class PublishedSteps:
    """Leak and correction as published, and the GRU's reset gate.

    Attributes:
        steps: leak, correction and exit; (sequence, step, unit) each. The LSTM's
            correction is ``k_t e_{t-1}``, with the published ``cdiag`` for k.
        reset: the GRU's r, None for other cells.
    """

    steps: Steps
    reset: Float[Tensor, "sequence step unit"] | None = None


def published_steps(
    cell: Cell,
    x: Float[Tensor, "sequence step input"],
    states: Float[Tensor, "sequence step state"],
) -> PublishedSteps:
    """Give leak and correction of every step as the published programme has them.

    Args:
        cell: a leaky cell, a `GRU` or an `LSTM`.
        x: inputs.
        states: the states after each step, from a zero initial state.

    Raises:
        ValueError: if the programme has no formula for the cell.
    """
    if isinstance(cell, Leaky):
        steps = cell.split(states, x, lambda a: cell.W_h.diagonal())
        return PublishedSteps(_clamped(steps))
    if isinstance(cell, LSTM):
        steps = cell.split(states, x, lambda a: cell.U_g.diagonal())
        return PublishedSteps(_clamped(steps))
    if isinstance(cell, GRU):
        return _gru(cell, x, previous(states))
    name = type(cell).__name__
    raise ValueError(f"the published programme has no {name}; use transport.orders")


def published_gains(
    published: PublishedSteps,
    lags: Iterable[int],
    *,
    order: str,
    alignment: Alignment = "states",
) -> dict[int, Float[Tensor, "sequence window unit"]]:
    """Give the published gains of order ``zero`` or ``first`` by lag.

    Raises:
        ValueError: if the order is neither, or a lag does not fit.
    """
    if order not in ("zero", "first"):
        raise ValueError(f"order {order!r} was not published; use 'zero' or 'first'")
    leak = published.steps.leak
    chosen = checked_lags(lags, leak.shape[1])
    gains = dict(per_unit_gains(published.steps, chosen, order))
    if published.reset is not None:
        for extra in (published.reset, leak * published.reset):
            path = Steps(leak=extra, correction=torch.zeros_like(extra))
            for lag, gain in per_unit_gains(path, chosen, "zero"):
                gains[lag] = gains[lag] + gain
    first = 1 if alignment == "states" else 0
    return {lag: gain[:, first:] for lag, gain in gains.items()}


def _clamped(steps: Steps) -> Steps:
    return replace(steps, leak=steps.leak.clamp(SMALLEST_LEAK, 1.0))


def _gru(cell: GRU, x: Tensor, h: Tensor) -> PublishedSteps:
    z, r, from_g = cell.gates(h, cell.project(x))
    a = from_g + (r * h) @ cell.U_g.T
    k = cell.U_g.diagonal() * (r + h * r * (1 - r) * cell.U_r.diagonal())
    return PublishedSteps(_clamped(cell.split(h, z, a, k)), reset=r)

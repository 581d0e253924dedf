"""The published programme's transport, to the letter, for comparison only.

It differs from the derivative in four ways: LayerNorm's Jacobian is left out of the
correction; the GRU's zero order is ``prod(1-z) + prod r + prod((1-z) r)`` with the
first-order term on the first product only, and its correction keeps only the
candidate's own entry; leaks are clamped to [1e-12, 1]; the LSTM's output-gate path is
dropped. Nothing else in the library uses these formulas.

Source: L. Livi, arXiv 2512.05790, and the numerical programme published with it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
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
    """Return leak and correction of every step as the published programme has them.

    Args:
        cell: a leaky cell, a `GRU` or an `LSTM`.
        x: inputs.
        states: the states after each step, from a zero initial state.

    Raises:
        ValueError: if the programme has no formula for the cell.
    """
    if isinstance(cell, Leaky):
        keep, by_gate, slope, _ = cell.derivatives(states, x)
        correction = by_gate * cell.gate_diagonal() + slope * cell.W_h.diagonal()
        return PublishedSteps(Steps(_clamped(keep), correction))
    if isinstance(cell, LSTM):
        keep, e, by_i, by_f, _, slope, _ = cell.derivatives(states, x)
        k = by_f * cell.U_f.diagonal() + slope * cell.U_g.diagonal()
        k = k + by_i * cell.U_i.diagonal()
        return PublishedSteps(Steps(_clamped(keep), k * previous(e), e))
    if isinstance(cell, GRU):
        keep, by_z, r, turned, slope, _ = cell.derivatives(states, x)
        k = cell.U_g.diagonal() * (r + turned * cell.U_r.diagonal())
        correction = by_z * cell.U_z.diagonal() + slope * k
        return PublishedSteps(Steps(_clamped(keep), correction), reset=r)
    name = type(cell).__name__
    raise ValueError(f"the published programme has no {name}; use transport.orders")


def published_gains(
    published: PublishedSteps,
    lags: Iterable[int],
    *,
    order: str,
    alignment: Alignment = "states",
) -> dict[int, Float[Tensor, "sequence window unit"]]:
    """Return the published gains of order ``zero`` or ``first`` by lag.

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


def matched_statistic(
    gains: Mapping[int, Float[Tensor, "sequence window unit"]],
    delta: Float[Tensor, "sequence step unit"],
    total: Float[Tensor, "sequence step unit"],
) -> dict[int, Float[Tensor, "sequence window"]]:
    """Return ``psi_t(l) = sum_q mu_{t,l}[q] delta_t[q] v_{t-l}[q]`` by lag.

    With exact transport, and products over whole states, this is the cumulated
    gradient of all lags >= l; with the published gains it only resembles it.

    Args:
        gains: mu by lag, windows aligned by ``states`` (entry i from i to i + l).
        delta: the loss's derivative by the output h of each step.
        total: the total sensitivity v of h along a direction.

    Source: Livi 2025, matched statistic (arXiv 2512.05790).
    """
    return {
        lag: (mu * delta[:, lag:] * total[:, : mu.shape[1]]).sum(dim=-1)
        for lag, mu in gains.items()
    }


def _clamped(leak: Tensor) -> Tensor:
    return leak.clamp(SMALLEST_LEAK, 1.0)

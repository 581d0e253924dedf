"""The loss gradient's part from each lag, exactly, by one backward sweep.

``g_{t,l} = (d+ state_{t-l}/d theta)^T lambda_{t,l}`` with ``lambda_{t,0} = delta_t``,
``lambda_{t,l} = J_{t-l+1}^T lambda_{t,l-1}``. Over all lags the parts add up to the
gradient of the loss at t: that is the conservation law the tests hold.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import SupportsIndex

import torch
from jaxtyping import Float
from torch import Tensor
from torch.func import functional_call, vjp

from ..cells import Cell, previous
from ..compiled import engine as loops
from ..compiled.engine import Engine, check_direction, check_sweep, chosen
from ..grid import checked_lags
from .sensitivity import Direction, immediate_sensitivity, parameters


def sweep(
    cell: Cell,
    x: Float[Tensor, "sequence step input"],
    states: Float[Tensor, "sequence step state"],
    delta: Float[Tensor, "sequence step state"],
    anchors: Iterable[SupportsIndex],
    longest: int,
) -> Iterator[tuple[int, Tensor, Tensor]]:
    """Yield for each lag 0, 1, .. longest the source steps and lambda.

    Args:
        cell: the recurrence.
        x: inputs.
        states: the states after each step, from a zero initial state.
        delta: the loss's derivative by each state at a fixed past.
        anchors: the steps t at which the loss is looked at.
        longest: the last lag.

    Yields:
        The lag, the source step ``t - l`` of each anchor (anchor,), negative where
        the sequence has not begun, and ``lambda_{t,l}`` (sequence, anchor, state),
        zero there.

    Raises:
        ValueError: if an anchor or the last lag lies outside the sequences, or a shape
            does not fit.
    """
    at = check_sweep(cell, x, anchors, longest, states=states, delta=delta)
    return _swept(cell, x, states, delta, at, longest)


def _swept(
    cell: Cell, x: Tensor, states: Tensor, delta: Tensor, at: list[int], longest: int
) -> Iterator[tuple[int, Tensor, Tensor]]:
    """Yield what `sweep` says."""
    anchors = torch.tensor(at, dtype=torch.int64, device=x.device)
    with torch.no_grad():
        partials = cell.local_derivatives(states, x)
    adjoint = delta[:, anchors].detach()
    for lag in range(longest + 1):
        source = anchors - lag
        yield lag, source, adjoint
        if lag < longest:
            with torch.no_grad():
                own = partials.index_select(1, source.clamp(min=0))
                adjoint = cell.vjp(adjoint, own)[0]
                if bool((source <= 0).any()):
                    adjoint = adjoint * (source > 0)[:, None]


def _pullback(cell: Cell, before: Tensor, x: Tensor) -> Callable:
    """Return the map from a step's output cotangent to its state and its parameters."""

    def step(state: Tensor, p: Direction) -> Tensor:
        return functional_call(cell, p, (state, x))

    return vjp(step, before, parameters(cell))[1]


def lag_gradients(
    cell: Cell,
    x: Float[Tensor, "sequence step input"],
    states: Float[Tensor, "sequence step state"],
    delta: Float[Tensor, "sequence step state"],
    *,
    anchors: Iterable[SupportsIndex] | None = None,
    longest: int | None = None,
) -> Iterator[tuple[int, Direction]]:
    """Yield each lag with its part of the gradient, summed over anchors and sequences.

    Args:
        cell: the recurrence.
        x: inputs.
        states: the states after each step, from a zero initial state.
        delta: the loss's derivative by each state at a fixed past.
        anchors: the steps t at which the loss is looked at; all unless given.
        longest: the last lag; T - 1 unless given.

    Yields:
        Lags 0, 1, .. and ``sum_{n,t} g_{t,l}`` by parameter name.

    Raises:
        ValueError: as `sweep`.
    """
    steps = x.shape[1]
    at = range(steps) if anchors is None else anchors
    last = steps - 1 if longest is None else longest
    return _parts(cell, x, states, sweep(cell, x, states, delta, at, last))


def _parts(
    cell: Cell, x: Tensor, states: Tensor, swept: Iterator[tuple[int, Tensor, Tensor]]
) -> Iterator[tuple[int, Direction]]:
    """Yield what `lag_gradients` says."""
    before = previous(states).detach()
    for lag, source, adjoint in swept:
        alive = source.clamp(min=0)
        yield lag, _pullback(cell, before[:, alive], x[:, alive])(adjoint)[1]


def lag_projection(
    cell: Cell,
    x: Float[Tensor, "sequence step input"],
    states: Float[Tensor, "sequence step state"],
    delta: Float[Tensor, "sequence step state"],
    direction: Direction,
    lags: Iterable[int],
    *,
    anchors: Iterable[SupportsIndex] | None = None,
    source: Float[Tensor, "sequence step state"] | None = None,
    engine: Engine = "auto",
) -> Float[Tensor, "lag sequence anchor"]:
    """Return ``psi_t(l) = delta_t . M_{t,l} b_{t-l}[w]``, the lag-l gradient along w.

    Args:
        cell: the recurrence.
        x: inputs.
        states: the states after each step, from a zero initial state.
        delta: the loss's derivative by each state at a fixed past.
        direction: w by parameter name.
        lags: lags in steps, from 0.
        anchors: the steps t at which the loss is looked at; all unless given.
        source: what stands in place of the immediate b; with the total sensitivity v
            psi is the cumulated gradient of all lags >= l.
        engine: ``compiled`` sweeps this package's cells on a CPU; ``auto`` takes it
            where it can, ``reference`` is PyTorch anywhere.

    Returns:
        psi, nan where the anchor lies less than l steps after the start.

    Raises:
        ValueError: if a lag, an anchor or a shape does not fit, the direction does not
            match the cell, or the engine is unknown or cannot do this.
    """
    grid = checked_lags(lags, x.shape[1], least=0)
    check_direction(cell, direction)
    given = {"states": states, "delta": delta}
    given |= {} if source is None else {"source": source}
    at = range(x.shape[1]) if anchors is None else anchors
    at = check_sweep(cell, x, at, grid[-1], **given)
    if chosen(engine, cell, x) == "compiled":
        if source is None:
            source = loops.tangent(cell, x, direction, carry=False)
        return loops.lag_projection(cell, x, delta, source, grid, at)
    if source is None:
        source = immediate_sensitivity(cell, x, states, direction)
    rows = []
    for lag, step, adjoint in sweep(cell, x, states, delta, at, grid[-1]):
        if lag in grid:
            psi = (adjoint * source[:, step.clamp(min=0)]).sum(dim=-1)
            rows.append(psi.masked_fill(step < 0, torch.nan))
    return torch.stack(rows)

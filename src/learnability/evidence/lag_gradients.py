"""The loss gradient's part from each lag, exactly, by one backward sweep.

``g_{t,l} = (d+ state_{t-l}/d theta)^T lambda_{t,l}`` with ``lambda_{t,0} = delta_t``,
``lambda_{t,l} = J_{t-l+1}^T lambda_{t,l-1}``. Over all lags the parts add up to the
gradient of the loss at t: that is the conservation law the tests hold.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import SupportsIndex

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.func import functional_call, vjp

from ..cells import Cell, previous
from ..cells.base import WORKING_BYTES, Inputs, States, split
from ..compiled import engine as loops
from ..compiled.engine import Engine, check_direction, check_sweep, chosen
from ..grid import checked_lags
from ..randomness import Seed, torch_generator
from .sample import Sample

# Sequences whose partial derivatives are held at a time: at least so many, and more
# as long as their states take no more bytes than that.
CHUNK, BYTES = 16, 2**23

Direction = dict[str, Tensor]


def parameters(module: nn.Module) -> dict[str, Tensor]:
    """Return the trained parameters by name, detached."""
    return {name: p.detach() for name, p in module.named_parameters()}


def random_direction(module: nn.Module, seed: Seed) -> Direction:
    """Draw a direction of unit length in parameter space, uniformly.

    Args:
        module: whose parameters the direction spans.
        seed: NumPy-style seed.
    """
    generator = torch_generator(seed)
    draw = {
        name: torch.randn(p.shape, generator=generator, dtype=p.dtype).to(p.device)
        for name, p in parameters(module).items()
    }
    length = torch.cat([d.flatten() for d in draw.values()]).norm()
    return {name: d / length for name, d in draw.items()}


def immediate_sensitivity(
    cell: Cell,
    x: Inputs,
    states: States,
    direction: Direction,
) -> States:
    """Return ``b_k[w]``, the derivative of state_k along w at a fixed state_{k-1}.

    It is made for some sequences at a time: PyTorch holds a dozen arrays of their size.

    Args:
        cell: the recurrence.
        x: inputs.
        states: the states after each step, from a zero initial state.
        direction: w by parameter name; what is not named is 0.

    Raises:
        ValueError: if the direction is none of the cell's parameters.
    """
    check_direction(cell, direction)
    at = parameters(cell)
    along = {n: direction.get(n, torch.zeros_like(p)) for n, p in at.items()}
    found = torch.empty_like(states)
    for part in split(cell, x, max_bytes=WORKING_BYTES):
        before = previous(states[part]).detach()
        found[part] = cell.parameter_jvp(before, x[part], at, along).detach()
    return found


def sweep(
    cell: Cell,
    x: Inputs,
    states: States,
    delta: States,
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
    shared = torch.tensor(at, dtype=torch.int64, device=x.device)
    return own_sweep(cell, x, states, delta, shared, longest)


def own_sweep(
    cell: Cell, x: Tensor, states: Tensor, delta: Tensor, anchors: Tensor, longest: int
) -> Iterator[tuple[int, Tensor, Tensor]]:
    """Yield what `sweep` says, of anchors of all sequences or each one's own.

    Args:
        cell, x, states, delta, longest: as `sweep` takes them.
        anchors: steps of all sequences, or of each one, negative for none.
    """
    with torch.no_grad():
        partials = cell.local_derivatives(states, x)
    adjoint = _taken(delta, anchors).detach()
    for lag in range(longest + 1):
        source = anchors - lag
        yield lag, source, adjoint
        if lag < longest:
            with torch.no_grad():
                adjoint = _led_back(cell, partials, source, adjoint)


def _led_back(cell: Cell, partials: Tensor, source: Tensor, adjoint: Tensor) -> Tensor:
    """Return ``J^T lambda`` of the sources that have a step before them, else 0."""
    alive = source > 0
    if bool(alive.all()):
        return cell.vjp(adjoint, _taken(partials, source))[0]
    found = torch.zeros_like(adjoint)
    if alive.ndim == 1:
        local = partials.index_select(1, source[alive])
        found[:, alive] = cell.vjp(adjoint[:, alive], local)[0]
    else:
        local = partials[alive.nonzero()[:, 0], source[alive]]
        found[alive] = cell.vjp(adjoint[alive], local)[0]
    return found


def _taken(values: Tensor, steps: Tensor) -> Tensor:
    """Return the values at steps of all sequences or each one's own, at 0 before it."""
    at = steps.clamp(min=0)
    if at.ndim == 1:
        return values.index_select(1, at)
    return values[torch.arange(len(values))[:, None], at]


def _pullback(cell: Cell, before: Tensor, x: Tensor) -> Callable:
    """Return the map from a step's output cotangent to its state and its parameters."""

    def step(state: Tensor, p: Direction) -> Tensor:
        return functional_call(cell, p, (state, x))

    return vjp(step, before, parameters(cell))[1]


def lag_gradients(
    cell: Cell,
    x: Inputs,
    states: States,
    delta: States,
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
    x: Inputs,
    states: States,
    delta: States,
    direction: Direction,
    lags: Iterable[int],
    *,
    anchors: Iterable[SupportsIndex] | None = None,
    source: States | None = None,
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
    if chosen(engine, cell, x, task="lag_projection") == "compiled":
        if source is None:
            source = loops.tangent(cell, x, direction, carry=False)
        return loops.lag_projection(cell, x, delta, source, grid, at)
    if source is None:
        source = immediate_sensitivity(cell, x, states, direction)
    return _projected(source, grid, sweep(cell, x, states, delta, at, grid[-1]))


def _projected(
    source: Tensor, lags: list[int], swept: Iterator[tuple[int, Tensor, Tensor]]
) -> Float[Tensor, "lag sequence anchor"]:
    """Return ``lambda_{t,l} . source_{t-l}``, nan before the start."""
    rows = []
    for lag, step, adjoint in swept:
        if lag in lags:
            psi = (adjoint * _taken(source, step)).sum(dim=-1)
            rows.append(psi.masked_fill(step < 0, torch.nan))
    return torch.stack(rows)


def own_lag_projection(
    sample: Sample,
    direction: Direction,
    lags: list[int],
    anchors: Int[np.ndarray, "sequence anchor"],
) -> Float[Tensor, "lag sequence"]:
    """Return ``psi_n(l)``, the mean over a sequence's own anchors of `lag_projection`.

    Args:
        sample: the sequences.
        direction: w by parameter name.
        lags: lags in steps, from 0.
        anchors: the steps of each sequence at which the loss is looked at, -1 for none.

    Returns:
        psi, nan where no anchor of a sequence has l steps before it.
    """
    delta, cell = sample.by_step(sample.delta), sample.cell
    fit = [lag for lag in lags if lag < sample.x.shape[1]]
    if not fit or (anchors < 0).all():
        return sample.x.new_full((len(lags), len(sample.x)), torch.nan)
    if fit != lags:  # other sequences are longer
        found = own_lag_projection(sample, direction, fit, anchors)
        rest = found.new_full((len(lags) - len(fit), len(sample.x)), torch.nan)
        return torch.cat([found, rest])
    if (anchors == anchors[0]).all():
        at = [int(t) for t in anchors[0] if t >= 0]
        parts = (sample.x, sample.states, delta)
        size = max(CHUNK, BYTES // max(1, sample.states[0].nbytes))
        found = [
            lag_projection(cell, x, states, by, direction, lags, anchors=at)
            for x, states, by in zip(*(part.split(size) for part in parts), strict=True)
        ]
        return torch.cat(found, dim=1).nanmean(dim=-1)
    rows = []
    for start in range(0, len(sample.x), CHUNK):
        own = slice(start, start + CHUNK)
        x, states = sample.x[own], sample.states[own]
        source = immediate_sensitivity(cell, x, states, direction)
        at = torch.from_numpy(anchors[own])
        found = own_sweep(cell, x, states, delta[own], at, lags[-1])
        rows.append(_projected(source, lags, found))
    return torch.cat(rows, dim=1).nanmean(dim=-1)

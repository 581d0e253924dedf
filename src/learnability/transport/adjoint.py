"""The exact backward sweep, compiled: rows of (sequence, anchor) through all lags.

A block of sequences is unrolled once, its partial derivatives kept; then the rows pass
the lags together, each with the partial derivatives of its own source step. Operands
of a lag stay in the second-level cache. What carries a cotangent back is the compiled
recurrence's own: `unroll.transposed` and `unroll.scan`.
"""

from collections.abc import Iterable
from operator import index
from typing import SupportsIndex

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ..cells import Cell
from ..unroll import scan
from ..unroll.cached import kernel
from ..unroll.layout import Layout, arrays, compiles
from ..unroll.pointwise import MEMORY, Recurrence, advance, differentiate, recall
from ..unroll.scan import flat, put_state, step_back
from ..unroll.tile import TILE
from ..unroll.transposed import pull
from ..unroll.vectors import load, part, store, zeros
from ..workers import share

# Sequences of a block: the forward pass wants many, the kept partial derivatives few
# (100 kB a sequence and 32 steps at 128 units).
BLOCK = 16
# Rows that pass the lags together: with 128 units their partial derivatives and the
# weights fill a second-level cache of 512 KiB.
ROWS = 64


def sweeps(cell: Cell, x: Float[Tensor, "sequence step input"]) -> bool:
    """Tell whether `swept_evidence` can do this: own cells, a CPU, float32 or 64."""
    fits = x.device.type == "cpu" and x.dtype in (torch.float32, torch.float64)
    return fits and compiles(cell)


def check_sweep(
    cell: Cell,
    x: Tensor,
    anchors: Iterable[SupportsIndex],
    longest: int,
    **vectors: Tensor,
) -> list[int]:
    """Return the anchors of a backward sweep if all that it reads is there.

    Args:
        cell: the recurrence.
        x: inputs (sequence, step, input).
        anchors: the steps at which it begins.
        longest: its last lag.
        vectors: what it reads of every state, by name.

    Raises:
        ValueError: if an anchor or lag lies outside the sequences, or a shape is not
            what the cell and the inputs ask for.
    """
    if x.ndim != 3 or x.shape[2] != cell.inputs:
        raise ValueError(
            f"the inputs have shape {tuple(x.shape)}; this cell needs (sequence, step, "
            f"{cell.inputs})"
        )
    needed, steps = (*x.shape[:2], cell.state_size), x.shape[1]
    for name, vector in vectors.items():
        if tuple(vector.shape) != needed:
            raise ValueError(
                f"{name} has shape {tuple(vector.shape)}; these inputs and this cell "
                f"need {needed}"
            )
    if not 0 <= longest < steps:
        raise ValueError(
            f"lag {longest} does not fit into sequences of {steps} steps; give lags "
            f"from 0 to {steps - 1}"
        )
    chosen = [index(anchor) for anchor in anchors]
    for anchor in chosen:
        if not 0 <= anchor < steps:
            raise ValueError(
                f"anchor {anchor} is no step of sequences of {steps} steps; give steps "
                f"from 0 to {steps - 1}"
            )
    return chosen


def swept_evidence(
    cell: Cell,
    x: Float[Tensor, "sequence step input"],
    delta: Float[Tensor, "sequence step state"],
    source: Float[Tensor, "sequence step state"],
    lags: list[int],
    anchors: Iterable[SupportsIndex],
) -> Float[Tensor, "lag sequence anchor"]:
    """Give ``psi_t(l) = lambda_{t,l} . source_{t-l}``; see `lag_gradients.evidence`.

    Args:
        cell: the recurrence.
        x: inputs, from a zero initial state.
        delta: the loss's derivative by each state at a fixed past.
        source: what the swept cotangents meet at the source step.
        lags: lags in steps, ascending.
        anchors: the steps t at which the loss is looked at.

    Raises:
        ValueError: as `check_sweep`.
    """
    at = np.array(
        check_sweep(cell, x, anchors, lags[-1], delta=delta, source=source), np.int64
    )
    inputs, by, met = (a.detach().contiguous().numpy() for a in (x, delta, source))
    layout, values = Layout(cell, inputs.dtype), arrays(dict(cell.named_parameters()))
    matrix = layout.stack(values)
    rec, (back, _) = layout.recurrence(matrix, values), layout.transposed(matrix)
    slots = np.full(lags[-1] + 1, -1)
    slots[lags] = np.arange(len(lags))
    psi = np.full((len(lags), len(x), len(at)), np.nan, inputs.dtype)

    def task(k: int) -> None:
        b = slice(k * BLOCK, (k + 1) * BLOCK)
        saved, _ = unrolled(rec, layout, inputs[b], cell.state_size)
        sweep_block(rec, back, saved, by[b], met[b], at, slots, psi[:, b])

    share(task, range(-(-len(x) // BLOCK)))
    return torch.from_numpy(psi)


def unrolled(
    rec: Recurrence, layout: Layout, x: np.ndarray, size: int
) -> tuple[
    Float[np.ndarray, "step row slot lane"], Float[np.ndarray, "sequence step state"]
]:
    """Unroll some sequences; give the partial derivatives of all steps, and states."""
    rows = TILE * -(-len(x) // TILE)
    norm, start = rec.gain.shape[1] > 0, np.zeros((len(x), size), x.dtype)
    kept, saved = (
        np.empty((x.shape[1], rows, vectors, layout.lanes), x.dtype)
        for vectors in (layout.kept(layernorm=norm), layout.slots(layernorm=norm))
    )
    states = np.empty((*x.shape[:2], size), x.dtype)
    no_read, outputs = rec.gain[:, :0], np.empty((len(x), 0), x.dtype)
    scan.forward(rec, no_read, x, start, states, states[:, :0], outputs, kept)
    partials(rec, start, states, kept, saved)
    return saved, states


@kernel
def partials(rec, state, states, kept, saved):
    """Write the partial derivatives of all steps of one block.

    Args: state (row, state); states (row, step, state); kept, of `forward`; saved, out
    (step, padded row, slot, lane).
    """
    rows, panels, lanes = kept.shape[1], rec.live.shape[1], kept.shape[3]
    past = zeros((2, rows, panels, lanes), kept.dtype)
    after = zeros(past.shape, kept.dtype)
    pre = zeros((rows, rec.weight.shape[0] + 1, lanes), kept.dtype)
    put_state(rec, state, past[0], past[1])
    for t in range(len(kept)):
        if t > 0:
            put_state(rec, states[:, t - 1], past[0], past[1])
        recall(rec, kept[t], pre)
        advance(rec, pre, kept[t], past[0], past[1], after[0], after[1])
        differentiate(rec, pre, kept[t], past[0], past[1], saved[t])


@part
def begin(rec, delta, anchors, past, past_c):
    """Set rows (sequence, anchor) to the cotangents of the anchors' states."""
    past, past_c = flat(past), flat(past_c)
    for i in range(delta.shape[0]):
        for j in range(anchors.size):
            row = i * anchors.size + j
            for q in range(rec.units):
                past[row, q] = delta[i, anchors[j], q]
            if rec.gate == MEMORY:
                for q in range(rec.units):
                    past_c[row, q] = delta[i, anchors[j], rec.units + q]


@part
def meet(rec, source, anchors, lag, past, past_c, psi):
    """Set psi (sequence, anchor) to the products with the source step's vector."""
    past, past_c = flat(past), flat(past_c)
    for i in range(source.shape[0]):
        for j in range(anchors.size):
            step, row, total = anchors[j] - lag, i * anchors.size + j, 0.0
            if step < 0:
                continue
            for q in range(rec.units):
                total += past[row, q] * source[i, step, q]
            if rec.gate == MEMORY:
                for q in range(rec.units):
                    total += past_c[row, q] * source[i, step, rec.units + q]
            psi[i, j] = total


@part
def collect(saved, anchors, lag, count, rows):
    """Copy the partial derivatives of each row's source step."""
    for i in range(count):
        for j in range(anchors.size):
            step = max(anchors[j] - lag, 0)
            for p in range(rows.shape[1]):
                store(rows, i * anchors.size + j, p, load(saved[step], i, p))


@kernel
def sweep_block(rec, back, saved, delta, source, anchors, slots, psi):
    """Sweep one block of sequences.

    Args: back, the weights transposed; saved (step, row, slot, lane); delta and source
    (row, step, state); slots, each lag's place in psi or -1; psi (lag, row, anchor),
    set where the source step exists.
    """
    count, panels, lanes = delta.shape[0], rec.live.shape[1], saved.shape[3]
    span = max(1, ROWS // count)
    size = TILE * ((count * min(span, anchors.size) + TILE - 1) // TILE)
    past = zeros((size, panels, lanes), saved.dtype)
    past_c, turned = zeros(past.shape, past.dtype), zeros(past.shape, past.dtype)
    grads = zeros((size, rec.weight.shape[0] + 1, lanes), saved.dtype)
    rows = zeros((size, saved.shape[2], lanes), saved.dtype)
    gains = zeros((2, panels, lanes), saved.dtype)
    for first in range(0, anchors.size, span):
        at = anchors[first : first + span]
        begin(rec, delta, at, past, past_c)
        for lag in range(slots.size):
            if slots[lag] >= 0:
                own = psi[slots[lag], :, first : first + span]
                meet(rec, source, at, lag, past, past_c, own)
            if lag + 1 < slots.size:
                collect(saved, at, lag, count, rows)
                pull(rec, rows, past, past_c, grads, gains)
                step_back(rec, back, rows, past, turned, grads)

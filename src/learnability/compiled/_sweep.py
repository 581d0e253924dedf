"""Cotangents led back through lags, compiled: rows that pass the steps together.

A block of sequences is unrolled once, its partial derivatives kept; then the rows pass
the lags together, each with the partial derivatives of its own source step. Operands
of a lag stay in the second-level cache. What carries a cotangent back is the compiled
recurrence's own: `transposed` and `scan`. A row of the lag projection is an anchor of a
sequence; of the exact gains, a unit of a window.
"""

import numpy as np
import torch
from jaxtyping import Float, Int
from numba import njit
from torch import Tensor

from ..cells import Cell
from . import _scan as scan
from ._pointwise import MEMORY, advance, differentiate, recall
from ._scan import flat, step_back, write_state
from ._tile import TILE
from ._transposed import vjp
from ._vectors import load, part, store, zeros
from .layout import Prepared, prepared
from .runtime import kernel, share

# Sequences of a block: the forward pass wants many, the kept partial derivatives few
# (100 kB a sequence and 32 steps at 128 units).
BLOCK = 16
# Rows that pass the lags together: with 128 units their partial derivatives and the
# weights fill a second-level cache of 512 KiB.
ROWS = 64


def lag_projection(
    cell: Cell,
    x: Tensor,
    delta: Tensor,
    source: Tensor,
    lags: list[int],
    anchors: list[int],
) -> Float[Tensor, "lag sequence anchor"]:
    """Return ``psi_t(l) = lambda_{t,l} . source_{t-l}``.

    See `evidence.lag_projection`; what is given has been checked.
    """
    inputs, by, met = (a.detach().contiguous().numpy() for a in (x, delta, source))
    ready, at = prepared(cell, inputs.dtype), np.array(anchors, np.int64)
    back, slots = ready.transposed()[0], _slots(lags)
    psi = np.empty((len(lags), len(x), len(at)), inputs.dtype)

    def task(k: int) -> None:
        b = slice(k * BLOCK, (k + 1) * BLOCK)
        saved, _ = unrolled(ready, inputs[b], cell.state_size)
        # A part of psi that is no whole array would compile the loop again.
        own = np.full_like(psi, np.nan, shape=(len(lags), len(by[b]), len(at)))
        sweep_block(ready.rec, back, saved, by[b], met[b], at, slots, own)
        psi[:, b] = own

    share(task, range(-(-len(x) // BLOCK)))
    return torch.from_numpy(psi)


def exact_gains(
    cell: Cell,
    x: Tensor,
    sequence: Int[np.ndarray, "window"],
    step: Int[np.ndarray, "window"],
    reach: Int[np.ndarray, "window"],
    lags: list[int],
) -> Float[Tensor, "lag window unit"]:
    """Return the exact gains of windows, 0 beyond the reach of each.

    See `transport.orders.sampled_exact`; what is given has been checked.

    Args:
        cell: the recurrence.
        x: inputs.
        sequence: of each window.
        step: the last of each window.
        reach: the longest lag of each window, descending.
        lags: lags in steps, ascending.
    """
    inputs, ready = x.detach().contiguous().numpy(), prepared(cell, x.numpy().dtype)
    back, slots = ready.transposed()[0], _slots(lags)
    gains = np.zeros((len(lags), len(step), cell.units), inputs.dtype)

    def task(k: int) -> None:
        own = np.flatnonzero(sequence // BLOCK == k)
        if not len(own):
            return
        b = inputs[k * BLOCK : (k + 1) * BLOCK, : step[own].max() + 1]
        saved, _ = unrolled(ready, np.ascontiguousarray(b), cell.state_size)
        found = np.zeros((len(lags), len(own), cell.units), inputs.dtype)
        of = sequence[own] - k * BLOCK, step[own], reach[own]
        carry_windows(ready.rec, back, saved, *of, slots, found)
        gains[:, own] = found

    share(task, range(-(-len(x) // BLOCK)))
    return torch.from_numpy(gains)


def _slots(lags: list[int]) -> Int[np.ndarray, "longest"]:
    """Return the place of every lag among those asked for, or -1."""
    slots = np.full(lags[-1] + 1, -1)
    slots[lags] = np.arange(len(lags))
    return slots


def unrolled(
    ready: Prepared, x: np.ndarray, size: int
) -> tuple[
    Float[np.ndarray, "step row slot lane"], Float[np.ndarray, "sequence step state"]
]:
    """Unroll some sequences; give the partial derivatives of all steps, and states."""
    layout, rec, _ = ready
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
    write_state(rec, state, past[0], past[1])
    for t in range(len(kept)):
        if t > 0:
            write_state(rec, states[:, t - 1], past[0], past[1])
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
def dot(rec, source, anchors, lag, past, past_c, psi):
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


@njit
def room(rec, rows, saved):
    """Give room for what passes the lags together, padded to whole tiles.

    Returns: the cotangents of h and c, of r h and of the pre-activations (row, panel,
    lane); the partial derivatives of each row's step; LayerNorm's gradients.
    """
    size, lanes = TILE * ((rows + TILE - 1) // TILE), saved.shape[3]
    past = zeros((size, rec.live.shape[1], lanes), saved.dtype)
    past_c, turned = zeros(past.shape, past.dtype), zeros(past.shape, past.dtype)
    grads = zeros((size, rec.weight.shape[0] + 1, lanes), saved.dtype)
    lines = zeros((size, saved.shape[2], lanes), saved.dtype)
    gains = zeros((2, rec.live.shape[1], lanes), saved.dtype)
    return past, past_c, turned, grads, lines, gains


@kernel
def sweep_block(rec, back, saved, delta, source, anchors, slots, psi):
    """Sweep one block of sequences.

    Args: back, the weights transposed; saved (step, row, slot, lane); delta and source
    (row, step, state); slots, each lag's place in psi or -1; psi (lag, row, anchor),
    set where the source step exists.
    """
    count = delta.shape[0]
    span = max(1, ROWS // count)
    size = count * min(span, anchors.size)
    past, past_c, turned, grads, rows, gains = room(rec, size, saved)
    for first in range(0, anchors.size, span):
        at = anchors[first : first + span]
        begin(rec, delta, at, past, past_c)
        for lag in range(slots.size):
            if slots[lag] >= 0:
                own = psi[slots[lag], :, first : first + span]
                dot(rec, source, at, lag, past, past_c, own)
            if lag + 1 < slots.size:
                collect(saved, at, lag, count, rows)
                vjp(rec, rows, past, past_c, grads, gains)
                step_back(rec, back, rows, past, turned, grads)


@part
def begin_windows(rec, count, past, past_c):
    """Set rows (window, unit) to the outputs of the last step, one unit each."""
    rows, cells, units = flat(past), flat(past_c), rec.units
    rows[:], cells[:] = 0, 0
    for j in range(count):
        for q in range(units):
            rows[j * units + q, q] = 1


@part
def collect_windows(rec, saved, sequence, step, lag, rows):
    """Copy the partial derivatives of each window's source step, for all its units."""
    for j in range(step.size):
        source = saved[max(step[j] - lag, 0)]
        for q in range(rec.units):
            for p in range(rows.shape[1]):
                store(rows, j * rec.units + q, p, load(source, sequence[j], p))


@part
def own_entries(rec, saved, sequence, step, lag, past, past_c, gains):
    """Set gains (window, unit) to each unit's own entry, through h and, if any, c."""
    rows, cells = flat(past), flat(past_c)
    panels, lanes = rec.live.shape[1], rec.live.shape[2]
    for j in range(step.size):
        if step[j] < lag:
            continue
        source = saved[step[j] - lag, sequence[j]]
        for q in range(rec.units):
            row = j * rec.units + q
            gains[j, q] = rows[row, q]
            if rec.gate == MEMORY:
                e = source[5 * panels + q // lanes, q % lanes]
                gains[j, q] = cells[row, q] + rows[row, q] * e


@kernel
def carry_windows(rec, back, saved, sequence, step, reach, slots, gains):
    """Carry the outputs' cotangents of one block's windows back, a unit a row.

    Args: back, the weights transposed; saved (step, row, slot, lane); sequence, step
    and reach of each window, the farthest first; slots, each lag's place in gains or
    -1; gains (lag, window, unit), set up to a window's reach.
    """
    span = max(1, ROWS // rec.units)
    past, past_c, turned, grads, rows, norms = room(rec, span * rec.units, saved)
    for first in range(0, step.size, span):
        of = sequence[first : first + span]
        at = step[first : first + span]
        begin_windows(rec, at.size, past, past_c)
        for lag in range(reach[first] + 1):
            if slots[lag] >= 0:
                own = gains[slots[lag], first : first + span]
                own_entries(rec, saved, of, at, lag, past, past_c, own)
            if lag < reach[first]:
                collect_windows(rec, saved, of, at, lag, rows)
                vjp(rec, rows, past, past_c, grads, norms)
                step_back(rec, back, rows, past, turned, grads)

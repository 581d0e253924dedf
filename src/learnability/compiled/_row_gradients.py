"""Gradients of single sequences for many cotangents of their states, compiled.

Pairs (sequence, row) go back together, each with the partial derivatives of its own
sequence. What leads a cotangent back is the compiled recurrence's own:
`_transposed` and `_scan`.
"""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ..cells import Cell
from ._pointwise import AFTER, MEMORY, slots
from ._scan import (
    accumulate_weights,
    add_state,
    copy,
    flat,
    reset_rows,
    sources_of,
    step_back,
    write_inputs,
    write_state,
)
from ._sweep import room, unrolled
from ._transposed import vjp
from ._vectors import load, part, splat, store, zeros
from .layout import Layout, prepared
from .runtime import kernel, share

# Pairs that go back together, two tiles: their cotangents of all steps stay in a
# second-level cache (8 pairs, 96 steps, a GRU of 32 units: 340 kB).
PAIRS = 8
BLOCK = 8  # sequences that a thread unrolls at a time


def row_gradients(
    cell: Cell,
    x: Tensor,
    weight: Tensor,
    axes: Tensor,
    delta: Tensor,
    mean: Tensor | None = None,
) -> Float[Tensor, "sequence row_and_loss place"]:
    """Return gradients; see `engine.row_gradients`, which has checked all."""
    arrays_ = (x, weight, axes, delta)
    inputs, w, along, by = (a.detach().contiguous().numpy() for a in arrays_)
    ready = prepared(cell, inputs.dtype)
    (layout, rec, _), (back, _) = ready, ready.transposed()
    places_ = _places(layout, cell.layernorm)
    found = np.zeros((len(inputs), w.shape[1] + 1, places_), inputs.dtype)
    centre = np.zeros((0, 0), w.dtype) if mean is None else mean.contiguous().numpy()

    def task(first: int) -> None:
        b = slice(first, first + BLOCK)
        saved, states = unrolled(ready, inputs[b], cell.state_size)
        given = inputs[b], states, saved, w[b], along, by[b], centre
        block_gradients(rec, back, *given, found[b])

    share(task, range(0, len(inputs), BLOCK))
    return torch.from_numpy(found)


def places(cell: Cell, dtype: torch.dtype) -> int:
    """Return how many places a gradient has."""
    kind = torch.empty(0, dtype=dtype).numpy().dtype
    return _places(Layout(cell, kind), cell.layernorm)


def _places(layout: Layout, layernorm: bool) -> int:
    weights = int(np.prod(layout.gradient_shape))
    return weights + (2 * layout.wide if layernorm else 0)


@part
def add_cotangents(rec, weight, axes, delta, t, first, past, past_c, pairs):
    """Add the cotangents of step t: of each pair's row, or of its sequence's loss."""
    flat_past, flat_c, rows = flat(past), flat(past_c), weight.shape[1]
    for j in range(pairs):
        i, r = (first + j) // (rows + 1), (first + j) % (rows + 1)
        if r < rows:
            own = weight[i, r, t]
            for q in range(rec.units):
                flat_past[j, q] += own * axes[r, q]
            if rec.gate == MEMORY:
                for q in range(rec.units):
                    flat_c[j, q] += own * axes[r, rec.units + q]
        else:
            one = slice(j, j + 1)
            add_state(rec, delta[i : i + 1], t, past[one], past_c[one])


@part
def centre(own, mean, level):
    """Take the mean gradient off, as often as a row's weights add up to."""
    for k in range(own.size):
        own[k] -= level * mean[k]


@part
def gather(rec, x, state, states, first, last, sources, cells, rows):
    """Write the rows (h, 1, x) that some steps multiplied, and what c was.

    Args: cells, out (row, panel, lane): for the LSTM alone; rows, of a step.
    """
    for t in range(first, last):
        own = slice((t - first) * rows, (t - first + 1) * rows)
        if t == 0:
            write_state(rec, state, sources[0, own], cells[own])
        else:
            write_state(rec, states[:, t - 1], sources[0, own], cells[own])
        write_inputs(rec, sources, x, t, (t - first) * rows)


@part
def norm_back(rec, saved, past, past_c, norm):
    """Add each row's gradient of LayerNorm's gain and bias, one behind the other."""
    panels, slot = rec.live.shape[1], slots(rec)
    for r in range(norm.shape[0]):
        for p in range(panels):
            now = load(past, r, p)
            if rec.gate == MEMORY:
                now = load(past_c, r, p) + load(saved, r, 5 * panels + p) * now
            y = load(saved, r, panels + p) * now
            xhat = load(saved, r, slot * panels + p)
            store(norm, r, p, load(norm, r, p) + y * xhat)
            store(norm, r, panels + p, load(norm, r, panels + p) + y)


@part
def clean(rec, own):
    """Blank what `weigh` writes where there is no weight: x before ``U_g h + b_u``."""
    if rec.reset == AFTER:
        panels = rec.live.shape[1]
        for k in range(panels * rec.live.shape[2] + 1, own.shape[0]):
            for p in range(3 * panels, own.shape[1]):
                store(own, k, p, splat(own, 0.0))


@part
def collect_pairs(saved, first, pairs, rows, lines):
    """Copy the partial derivatives of each pair's own sequence."""
    for j in range(pairs):
        i = (first + j) // rows
        for p in range(lines.shape[1]):
            store(lines, j, p, load(saved, i, p))


@kernel
def block_gradients(rec, back, x, states, saved, weight, axes, delta, mean, found):
    """Make the gradients of all rows of a block of sequences, and of their losses.

    Args: back, the weights transposed; saved (step, padded sequence, slot, lane);
    weight (sequence, row, step); axes (row, state); delta (sequence, step, state);
    mean (row, place) or nothing; found (sequence, row and loss, place), zeros, set to
    the weights' gradient (column, panel, lane) and then LayerNorm's (gain, bias).
    """
    lanes, panels, wide = saved.shape[3], rec.live.shape[1], rec.weight.shape[0]
    steps, rows, count = x.shape[1], found.shape[1], x.shape[0]
    total, size = count * rows, PAIRS
    past, past_c, turned, _, lines, gains = room(rec, size, saved)
    grads = zeros((steps, size, wide + 1, lanes), x.dtype)
    norm = zeros((size, 2 * rec.gain.shape[1], lanes), x.dtype)
    sources = sources_of(rec, steps, x.dtype)
    cells = zeros((steps, panels, lanes), x.dtype)
    start = zeros((1, states.shape[2]), x.dtype)
    flat_found = found.reshape(total, found.shape[2])
    weights = found.shape[2] - norm.shape[1] * lanes
    held = -1  # the sequence whose sources are at hand
    for first in range(0, total, size):
        pairs = min(size, total - first)
        past[:], past_c[:], norm[:] = 0, 0, 0
        for t in range(steps - 1, -1, -1):
            collect_pairs(saved[t], first, pairs, rows, lines)
            add_cotangents(rec, weight, axes, delta, t, first, past, past_c, pairs)
            if rec.gain.shape[1] > 0:
                norm_back(rec, lines, past, past_c, norm[:pairs])
            vjp(rec, lines, past, past_c, grads[t], gains)
            step_back(rec, back, lines, past, turned, grads[t])
        for j in range(pairs):
            i, r, own = (first + j) // rows, (first + j) % rows, flat_found[first + j]
            if i != held:
                held, one = i, slice(i, i + 1)
                gather(rec, x[one], start, states[one], 0, steps, sources, cells, 1)
                for t in range(steps):
                    here = slice(t, t + 1)
                    reset_rows(rec, saved[t, one], sources[0, here], sources[1, here])
            depth = weights // (wide * lanes)
            matrix = own[:weights].reshape(depth, wide, lanes)
            accumulate_weights(rec, sources, grads[:, j], steps, matrix)
            clean(rec, matrix)
            behind = own[weights:].reshape(1, -1)
            copy(rec, flat(norm[j : j + 1]), behind, 0, behind.shape[1])
            if r < mean.shape[0]:
                centre(own, mean[r], weight[i, r].sum())

"""Gradients of many cotangents of the states of single sequences, compiled and kept.

`rows` makes the gradients of probes of a read-out and forgets each; here a cotangent
is any one, and what comes out is each pair's own gradient. Pairs (sequence, row) go
back together, each with the partial derivatives of its own sequence.
"""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ..cells import Cell
from ..unroll.cached import kernel
from ..unroll.layout import Layout, arrays
from ..unroll.scan import add_state, sources_of, step_back, turn, weigh
from ..unroll.transposed import pull
from ..unroll.vectors import load, part, store, zeros
from ..workers import share
from .adjoint import unrolled
from .rows import clean, gather, norm_back

PAIRS = 8  # that go back together; two tiles, as in `evidence.probe_sweep`
BLOCK = 8  # sequences that a thread unrolls at a time


def row_gradients(
    cell: Cell,
    x: Float[Tensor, "sequence step input"],
    cotangent: Float[Tensor, "sequence row step state"],
) -> Float[Tensor, "sequence row place"]:
    """Give the gradient by the cell's parameters of every sequence and row.

    ``lambda_t = J_{t+1}^T lambda_{t+1} + cotangent_t`` meets each step's immediate
    derivatives. The compiled twin of `evidence.sequence_gradients.cell_gradients`, in
    another order of the parameters and with zeros between them: squares and products
    are the same.

    Args:
        cell: the recurrence, one that `adjoint.sweeps` can do.
        x: inputs, from a zero initial state.
        cotangent: any number of rows for every sequence, at a fixed future.

    Returns:
        The gradients, one place a parameter, some places always 0.
    """
    inputs, by = (a.detach().contiguous().numpy() for a in (x, cotangent))
    layout, values = Layout(cell, inputs.dtype), arrays(dict(cell.named_parameters()))
    matrix = layout.stack(values)
    rec, back = layout.recurrence(matrix, values), layout.transposed(matrix)[0]
    count, rows = by.shape[:2]
    weights = int(np.prod(layout.gradient_shape))
    norm = 2 * rec.gain.shape[1] * layout.lanes
    found = np.zeros((count, rows, weights + norm), inputs.dtype)

    def task(first: int) -> None:
        b = slice(first, first + BLOCK)
        saved, states = unrolled(rec, layout, inputs[b], cell.state_size)
        block_gradients(rec, back, inputs[b], states, saved, by[b], found[b])

    share(task, range(0, count, BLOCK))
    return torch.from_numpy(found)


@part
def collect(saved, first, pairs, rows, lines):
    """Copy the partial derivatives of each pair's own sequence."""
    for j in range(pairs):
        i = (first + j) // rows
        for p in range(lines.shape[1]):
            store(lines, j, p, load(saved, i, p))


@kernel
def block_gradients(rec, back, x, states, saved, cotangent, found):
    """Make the gradients of all rows of a block of sequences.

    Args: back, the weights transposed; saved (step, padded sequence, slot, lane);
    cotangent (sequence, row, step, state); found (sequence, row, place), zeros, set to
    the weights' gradient (column, panel, lane) and then LayerNorm's (gain, bias).
    """
    lanes, panels, wide = saved.shape[3], rec.live.shape[1], rec.weight.shape[0]
    steps, rows, count = x.shape[1], cotangent.shape[1], x.shape[0]
    total, size = count * rows, PAIRS
    past = zeros((size, panels, lanes), x.dtype)
    past_c, turned = zeros(past.shape, x.dtype), zeros(past.shape, x.dtype)
    lines = zeros((size, saved.shape[2], lanes), x.dtype)
    grads = zeros((steps, size, wide + 1, lanes), x.dtype)
    gains = zeros((2, panels, lanes), x.dtype)
    norm = zeros((size, 2 * rec.gain.shape[1], lanes), x.dtype)
    sources = sources_of(rec, steps, x.dtype)
    cells = zeros((steps, panels, lanes), x.dtype)
    start = zeros((1, states.shape[2]), x.dtype)
    flat_by = cotangent.reshape(total, steps, cotangent.shape[3])
    flat_found = found.reshape(total, found.shape[2])
    weights = found.shape[2] - norm.shape[1] * lanes
    held = -1  # the sequence whose sources are at hand
    for first in range(0, total, size):
        pairs = min(size, total - first)
        past[:], past_c[:], norm[:] = 0, 0, 0
        for t in range(steps - 1, -1, -1):
            collect(saved[t], first, pairs, rows, lines)
            add_state(rec, flat_by[first : first + pairs], t, past, past_c)
            if rec.gain.shape[1] > 0:
                norm_back(rec, lines, past, past_c, norm[:pairs])
            pull(rec, lines, past, past_c, grads[t], gains)
            step_back(rec, back, lines, past, turned, grads[t])
        for j in range(pairs):
            i, own = (first + j) // rows, flat_found[first + j]
            if i != held:
                held, one = i, slice(i, i + 1)
                gather(rec, x[one], start, states[one], 0, steps, sources, cells, 1)
                for t in range(steps):
                    here = slice(t, t + 1)
                    turn(rec, saved[t, one], sources[0, here], sources[1, here])
            depth = weights // (wide * lanes)
            matrix = own[:weights].reshape(depth, wide, lanes)
            weigh(rec, sources, grads[:, j], steps, matrix)
            clean(rec, matrix)
            own[weights:] = norm[j].reshape(norm.shape[1] * lanes)

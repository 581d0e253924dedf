"""Gradients of many cotangents of one sequence's outputs, compiled, made and used.

All rows of a sequence go back through the same steps: they share the partial
derivatives and differ in the weights of the outputs only. Some rows are led back
through all steps together; then each row's gradient is made, met with what it is wanted
for while it is in the first-level cache, and forgotten. What leads a cotangent back is
the compiled recurrence's own: `unroll.transposed` and `unroll.scan`.
"""

import numpy as np

from ..unroll.cached import kernel
from ..unroll.pointwise import AFTER, MEMORY, slots
from ..unroll.scan import put, put_state, sources_of, step_back, turn, weigh
from ..unroll.tile import TILE
from ..unroll.transposed import pull
from ..unroll.vectors import load, part, splat, store, total, zeros

AsStrided = np.lib.stride_tricks.as_strided


@part
def gather(rec, x, state, states, first, last, sources, cells, rows):
    """Write the rows (h, 1, x) that some steps multiplied, and what c was.

    Args: cells, out (row, panel, lane): for the LSTM alone; rows, of a step.
    """
    for t in range(first, last):
        own = slice((t - first) * rows, (t - first + 1) * rows)
        if t == 0:
            put_state(rec, state, sources[0, own], cells[own])
        else:
            put_state(rec, states[:, t - 1], sources[0, own], cells[own])
        put(rec, sources, x, t, (t - first) * rows)


@part
def read_back(rec, weight, w_out, t, past):
    """Add the cotangents of step t's output, led back through the read-out."""
    for r in range(weight.shape[0]):
        share = splat(past, weight[r, t])
        for p in range(rec.live.shape[1]):
            store(past, r, p, load(past, r, p) + share * load(w_out, 0, p))


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
def centre(own, mean, level):
    """Take off what the rows' mean weight adds along the mean gradient."""
    share = splat(own, level)
    for k in range(own.shape[0]):
        for p in range(own.shape[1]):
            store(own, k, p, load(own, k, p) - share * load(mean, k, p))


@part
def add(own, whole):
    """Add a gradient to a sum of gradients; give its square."""
    square = splat(own, 0.0)
    for k in range(own.shape[0]):
        for p in range(own.shape[1]):
            value = load(own, k, p)
            square = square + value * value
            store(whole, k, p, load(whole, k, p) + value)
    return total(square)


@part
def meet(own, first, second):
    """Give the product of a gradient with the sum of both halves' sums."""
    dot = splat(own, 0.0)
    for k in range(own.shape[0]):
        for p in range(own.shape[1]):
            dot = dot + load(own, k, p) * (load(first, k, p) + load(second, k, p))
    return total(dot)


@part
def product(one, other):
    """Give the product of two gradients."""
    dot = splat(one, 0.0)
    for k in range(one.shape[0]):
        for p in range(one.shape[1]):
            dot = dot + load(one, k, p) * load(other, k, p)
    return total(dot)


@kernel
def probe_rows(
    rec,
    back,
    x,
    states,
    saved,
    weight,
    w_out,
    mean,
    first,
    sums,
    across,
    found,
    norm,
):
    """Make the gradients of some rows of a block of sequences, and use them.

    Args: saved (step, sequence, slot, lane); weight (sequence, row, step), of each
    output; w_out (1, panel, lane); mean (column, panel, lane), taken off each gradient
    as often as its weights add up to; first, the place of the block's first sequence;
    sums (row, part, column, panel, lane); across, likewise, or none. Without it the
    gradient of sequence n is added to part n modulo parts of `sums`, and found[0],
    (row, sequence), is its square; with it found[0] is its product with the sum over
    both parts of `sums` and found[1] that with the part of `across` that n is not in.
    norm (sequence, row, panel, lane), added to: the gradients of LayerNorm's gain and
    bias.
    """
    lanes, panels, wide = saved.shape[3], rec.live.shape[1], rec.weight.shape[0]
    steps, rows = x.shape[1], TILE * ((weight.shape[1] + TILE - 1) // TILE)
    past = zeros((rows, panels, lanes), x.dtype)
    past_c, turned = zeros(past.shape, x.dtype), zeros(past.shape, x.dtype)
    grads = zeros((steps, rows, wide + 1, lanes), x.dtype)
    sources = sources_of(rec, steps, x.dtype)
    cells = zeros((steps, panels, lanes), x.dtype)
    start = zeros((1, states.shape[2]), x.dtype)
    own = zeros(sums.shape[2:], x.dtype)
    gains = zeros((2, panels, lanes), x.dtype)
    for i in range(x.shape[0]):
        alone = slice(i, i + 1)
        gather(rec, x[alone], start, states[alone], 0, steps, sources, cells, 1)
        past[:] = 0
        past_c[:] = 0
        for t in range(steps - 1, -1, -1):
            # Every row of the view is the sequence's own: a stride of nothing.
            line = saved[t, i]
            shared = AsStrided(
                line,
                (rows, line.shape[0], lanes),
                (0, line.strides[0], line.strides[1]),
            )
            turn(rec, saved[t, alone], sources[0, t : t + 1], sources[1, t : t + 1])
            read_back(rec, weight[i], w_out, t, past)
            if rec.gain.shape[1] > 0:
                norm_back(rec, shared, past, past_c, norm[i])
            pull(rec, shared, past, past_c, grads[t], gains)
            step_back(rec, back, shared, past, turned, grads[t])
        for r in range(weight.shape[1]):
            own[:] = 0
            weigh(rec, sources, grads[:, r], steps, own)
            clean(rec, own)
            centre(own, mean, weight[i, r].sum())
            if across.shape[0] == 0:
                found[0, r, i] = add(own, sums[r, (first + i) % sums.shape[1]])
            else:
                found[0, r, i] = meet(own, sums[r, 0], sums[r, 1])
                found[1, r, i] = product(own, across[r, 1 - (first + i) % 2])

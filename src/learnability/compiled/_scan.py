"""The loops through time over one block of sequences.

A block's rows pass all steps together. Its operands stay in the cache: the weights as
panels one vector wide, a row ``(h, 1, x)`` for each sequence, and in the backward
pass a few steps' cotangents, until their share of the weights' gradient is added.
"""

from numba import njit

from ._pointwise import (
    BEFORE,
    MEMORY,
    PLAIN,
    activate,
    advance,
    differentiate,
    recall,
    reset_before,
    slots,
)
from ._tile import TILE, correlate, multiply
from ._transposed import jvp, reset_before_back, reset_before_push, vjp
from ._vectors import fetch, load, part, splat, store, total, zeros
from .runtime import kernel

# Rows (sequences times steps) whose states are made again and whose weight gradient is
# taken at once: enough to hide the gradient's own traffic, few enough for the
# second-level cache.
CHUNK = 64


@njit(inline="always")
def flat(rows):
    """Give rows of panels as rows of scalars."""
    return rows.reshape(rows.shape[0], rows.shape[1] * rows.shape[2])


@part
def copy(rec, source, target, start, count):
    """Copy `count` scalars of each row to the target's, from `start` on."""
    lanes = rec.live.shape[2]  # a compiler that knows no strides copies one by one
    whole = count - count % lanes
    for i in range(source.shape[0]):
        for k in range(0, whole, lanes):
            store(target, i, start + k, load(source, i, k))
        for k in range(whole, count):
            target[i, start + k] = source[i, k]


@part
def write_inputs(rec, sources, x, t, first):
    """Write 1 and the inputs of step t behind h, from row `first` on."""
    start = rec.live.shape[1] * rec.live.shape[2]
    for n in range(2 if rec.reset == BEFORE else 1):
        rows = flat(sources[n])[first:]
        rows[: x.shape[0], start] = 1
        copy(rec, x[:, t], rows, start + 1, x.shape[2])


@part
def write_state(rec, state, h, c):
    """Write a state (h, or h and c) to rows."""
    copy(rec, state, flat(h), 0, rec.units)
    if rec.gate == MEMORY:
        copy(rec, state[:, rec.units :], flat(c), 0, rec.units)


@part
def read_state(rec, h, c, states, t):
    """Read a state from rows."""
    rows = states.shape[0]
    copy(rec, flat(h)[:rows], states[:, t], 0, rec.units)
    if rec.gate == MEMORY:
        copy(rec, flat(c)[:rows], states[:, t], rec.units, rec.units)


@part
def read_out(read, h, outputs, t):
    """Write ``read . h``."""
    for i in range(outputs.shape[0]):
        sums = splat(h, 0.0)
        for p in range(read.shape[1]):
            sums = sums + load(read, 0, p) * load(h, i, p)
        outputs[i, t] = total(sums)


@part
def add_read(read, signal, t, past):
    """Add the cotangent of step t's own output, ``signal read``."""
    for i in range(signal.shape[0]):
        for p in range(read.shape[1]):
            own = load(read, 0, p) * signal[i, t]
            store(past, i, p, load(past, i, p) + own)


@part
def accumulate_read(read, signal, t, h, gains):
    """Add ``signal h`` of step t to the gradient of the read-out."""
    for i in range(signal.shape[0]):
        for p in range(read.shape[1]):
            own = load(h, i, p) * signal[i, t]
            store(gains, 2, p, load(gains, 2, p) + own)


@part
def prefetch(kept):
    """Ask for the activations of another step, while this one multiplies."""
    for i in range(kept.shape[0]):
        for p in range(kept.shape[1]):
            fetch(kept, i, p, 0)


@part
def prefetch_rows(rec, rows, t):
    """Ask for another step of rows (row, step, scalar)."""
    if t >= 0:
        for i in range(rows.shape[0]):
            for k in range(0, rows.shape[2], rec.live.shape[2]):
                fetch(rows, i, t, k)


@njit
def span_of(rows, steps):
    """Give the steps between two states that are kept for the backward pass."""
    return max(1, min(steps, CHUNK // rows))


@njit
def sources_of(rec, count, dtype):
    """Give zeroed rows (h, 1, x), padded to whole vectors."""
    lanes = rec.live.shape[2]
    panels = (rec.weight.shape[1] + lanes - 1) // lanes
    return zeros((2, count, panels, lanes), dtype)


@kernel
def forward(rec, read, x, state, states, starts, outputs, kept):
    """Unroll one block.

    Args: read (1, panel, lane), without panels if outputs are not wanted; x (row, step,
    input); state (row, state); states, out (row, step or 0, state); starts, out (row,
    chunk or 0, state): the state before each chunk of `span_of` steps; outputs, out
    (row, step); kept, out (step or 1, padded row, panel, lane): activations, each
    step's or the last one's.
    """
    rows, lanes = kept.shape[1], kept.shape[3]
    sources, span = sources_of(rec, rows, x.dtype), span_of(rows, x.shape[1])
    pre = zeros((rows, rec.weight.shape[0] + 1, lanes), x.dtype)
    h, c = sources[0], zeros((rows, rec.live.shape[1], lanes), x.dtype)
    write_state(rec, state, h, c)
    for t in range(x.shape[1]):
        if starts.shape[1] > 0 and t % span == 0:
            read_state(rec, h, c, starts, t // span)
        write_inputs(rec, sources, x, t, 0)
        now = kept[min(t, kept.shape[0] - 1)]
        if t + 1 < kept.shape[0]:
            prefetch(kept[t + 1])
        preactivate(rec, sources, pre, now, rec.weight, sources, pre[:0])
        activate(rec, pre, now)
        advance(rec, pre, now, h, c, h, c)
        if states.shape[1] > 0:
            read_state(rec, h, c, states, t)
        if read.shape[1] > 0:
            read_out(read, h, outputs, t)


@part
def preactivate(rec, sources, pre, kept, direction, v, d):
    """Give a step's pre-activations ``source W``; tangents ``source dW + v W`` in d.

    Without rows in d there is no tangent to give.
    """
    wide = rec.live.shape[1] * rec.live.shape[2]
    for n in range(rec.products.shape[0]):
        source, k0, k1 = rec.products[n, 0], rec.products[n, 3], rec.products[n, 4]
        panels = rec.products[n, 1], rec.products[n, 2]
        if source == 1:
            reset_before(rec, pre, sources[0], sources[1], kept)
            reset_before_push(rec, kept, sources[0], d, v[0], v[1])
        multiply(sources[source], rec.weight, pre, panels, k0, k1, False)
        if d.shape[0] > 0:
            multiply(sources[source], direction, d, panels, k0, k1, False)
            multiply(v[source], rec.weight, d, panels, k0, min(k1, wide), True)


@njit
def partials_of(rec, rows, dtype):
    """Give room for the partial derivatives of one step."""
    panels, lanes = rec.live.shape[1], rec.live.shape[2]
    norm = panels + 1 if rec.gain.shape[1] > 0 else 0
    return zeros((rows, slots(rec) * panels + norm, lanes), dtype)


@kernel
def tangent(rec, direction, along, x, state, carry, totals):
    """Unroll one block and its tangents along a direction of the weights.

    Args: direction, like `rec.weight`; along (2, panel, lane): d gain, d bias; carry,
    whether a tangent goes on to the next step; totals, out (row, step, state): v.
    """
    lanes, panels = rec.live.shape[2], rec.live.shape[1]
    rows = TILE * ((x.shape[0] + TILE - 1) // TILE)
    sources = sources_of(rec, rows, x.dtype)
    pre = zeros((rows, rec.weight.shape[0] + 1, lanes), x.dtype)
    d, kept = zeros(pre.shape, x.dtype), zeros(pre.shape, x.dtype)
    h, c = sources[0], zeros((rows, panels, lanes), x.dtype)
    next_h, next_c = zeros(h.shape, x.dtype), zeros(c.shape, x.dtype)
    v, v_c = zeros((2, *c.shape), x.dtype), zeros(c.shape, x.dtype)
    saved = partials_of(rec, rows, x.dtype)
    write_state(rec, state, h, c)
    for t in range(x.shape[1]):
        write_inputs(rec, sources, x, t, 0)
        preactivate(rec, sources, pre, kept, direction, v, d)
        activate(rec, pre, kept)
        advance(rec, pre, kept, h, c, next_h, next_c)
        differentiate(rec, pre, kept, h, c, saved)
        jvp(rec, saved, d, v[0], v_c, along)
        copy(rec, flat(next_h), flat(h), 0, panels * lanes)
        copy(rec, flat(next_c), flat(c), 0, panels * lanes)
        read_state(rec, v[0], v_c, totals, t)
        if not carry:
            v[:], v_c[:] = 0, 0


@kernel
def backward(
    rec, back, back_x, read, x, starts, kept, grad, d_x, d_state, d_weight, gains
):
    """Lead the cotangents of all states of one block back to everything before.

    Args: back (panel of h, section scalar, lane) and back_x (panel of x, ...): the
    weights transposed, back_x without panels if d_x is not wanted; read, as in
    `forward`; grad (row, step, state), or of outputs (row, step, 1); out: d_x, d_state;
    added to: d_weight (k, panel, lane), gains (gain, bias and read-out).
    """
    rows, lanes, panels = kept.shape[1], kept.shape[3], rec.live.shape[1]
    steps, wide, span = len(kept), rec.weight.shape[0], span_of(rows, len(kept))
    grads = zeros((span, rows, wide + 1, lanes), x.dtype)
    used = grads.reshape(span * rows, wide + 1, lanes)
    pre, signal = zeros(used.shape, x.dtype), grad[:, :, 0]
    sources = sources_of(rec, (span + 1) * rows, x.dtype)
    cells = zeros(((span + 1) * rows, panels, lanes), x.dtype)
    past = zeros((rows, panels, lanes), x.dtype)
    past_c, turned = zeros(past.shape, x.dtype), zeros(past.shape, x.dtype)
    of_x = zeros((span * rows, back_x.shape[0], lanes), x.dtype)
    saved = partials_of(rec, rows, x.dtype)
    for k in range(starts.shape[1] - 1, -1, -1):
        first, last = k * span, min(steps, (k + 1) * span)
        write_state(rec, starts[:, k], sources[0], cells)
        restore(rec, x, kept, first, last, sources, cells, pre)
        for t in range(last - 1, first - 1, -1):
            if t >= span:
                prefetch(kept[t - span])
            prefetch_rows(rec, grad, t - 1)
            prefetch_rows(rec, x, t - span)
            own = slice((t - first) * rows, (t - first + 1) * rows)
            h = sources[0, own]
            differentiate(rec, pre[own], kept[t], h, cells[own], saved)
            reset_rows(rec, saved, h, sources[1, own])
            if read.shape[1] > 0:
                add_read(read, signal, t, past)
                accumulate_read(read, signal, t, sources[0, own.stop :], gains)
            else:
                add_state(rec, grad, t, past, past_c)
            vjp(rec, saved, past, past_c, grads[t - first], gains)
            step_back(rec, back, saved, past, turned, grads[t - first])
        accumulate_weights(rec, sources, used, (last - first) * rows, d_weight)
        if back_x.shape[0] > 0:
            panels = 0, back_x.shape[0]
            multiply(used, back_x, of_x, panels, 0, wide * lanes, False)
            read_inputs(of_x, d_x, rows, first, last)
    read_state(rec, past, past_c, d_state.reshape(len(d_state), 1, -1), 0)


@part
def restore(rec, x, kept, first, last, sources, cells, pre):
    """Write the rows (h, 1, x) that some steps multiplied, and what c was.

    Args: sources, cells (row, panel, lane): the state before the first step, and out
    those after each; pre, out (row, panel, lane): as `advance` leaves it.
    """
    rows = kept.shape[1]
    for t in range(first, last):
        own = slice((t - first) * rows, (t - first + 1) * rows)
        after = slice(own.stop, own.stop + rows)
        recall(rec, kept[t], pre[own])
        state = sources[0, own], cells[own], sources[0, after], cells[after]
        advance(rec, pre[own], kept[t], *state)
        write_inputs(rec, sources, x, t, own.start)


@part
def add_state(rec, grad, t, past, past_c):
    """Add the cotangent of step t's own output."""
    past, past_c = flat(past), flat(past_c)
    for i in range(grad.shape[0]):
        for q in range(rec.units):
            past[i, q] += grad[i, t, q]
        if rec.gate == MEMORY:
            for q in range(rec.units):
                past_c[i, q] += grad[i, t, rec.units + q]


@part
def step_back(rec, back, saved, past, turned, grads):
    """Lead the pre-activations' cotangents through the weights to the last state."""
    lanes, panels = rec.live.shape[2], rec.live.shape[1]
    wide, own = rec.weight.shape[0] * lanes, panels * lanes
    if rec.reset == BEFORE:
        multiply(grads, back, turned, (0, panels), 0, own, False)
        reset_before_back(rec, saved, turned, past, grads)
    # The candidate of a resetting GRU does not see h but through what is done above.
    first = 0 if rec.reset == PLAIN else own
    multiply(grads, back, past, (0, panels), first, wide, rec.gate != MEMORY)


@part
def reset_rows(rec, saved, h, turned_h):
    """Write the rows r h that some steps multiplied, if they did."""
    if rec.reset == BEFORE:
        panels = rec.live.shape[1]
        for i in range(saved.shape[0]):
            for p in range(panels):
                r = load(saved, i, 3 * panels + p)
                store(turned_h, i, p, r * load(h, i, p))


@part
def accumulate_weights(rec, sources, grads, count, d_weight):
    """Add ``source^T grads`` to the weights' gradient, a whole number of tiles each.

    The rows that a tile has too many end in the padding or where no weight is.
    """
    for n in range(rec.products.shape[0]):
        source, k0, k1 = rec.products[n, 0], rec.products[n, 3], rec.products[n, 4]
        panels = rec.products[n, 1], rec.products[n, 2]
        correlate(sources[source], grads, d_weight, panels, k0, k1, count)


@part
def read_inputs(rows, d_x, block, first, last):
    """Read the inputs' gradients of some steps from rows."""
    rows = flat(rows)
    for t in range(first, last):
        for i in range(d_x.shape[0]):
            for k in range(d_x.shape[2]):
                d_x[i, t, k] = rows[(t - first) * block + i, k]

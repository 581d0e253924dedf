"""The loops through time over one block of sequences.

A block's rows pass all steps together. Its operands stay in the cache: the weights as
panels one vector wide, a row ``(h, 1, x)`` for each sequence, and in the backward
pass a few steps' cotangents, until their share of the weights' gradient is added.

Numba's cache on disk knows the date of this file only: after a change in a module that
the loops call, touch it.
"""

import numpy as np
from numba import njit

from .pointwise import BEFORE, MEMORY, PLAIN, activate, reset_before
from .tile import TILE, correlate, multiply
from .transposed import pull, push, reset_before_back, reset_push
from .vectors import fetch, load, part, store

# Rows (sequences times steps) whose weight gradient is taken at once: enough to hide
# the gradient's own traffic, few enough for the second-level cache.
CHUNK = 64


@njit(inline="always")
def flat(rows):
    """Give rows of panels as rows of scalars."""
    return rows.reshape(rows.shape[0], rows.shape[1] * rows.shape[2])


@part
def put(rec, sources, x, t, first):
    """Write 1 and the inputs of step t behind h, from row `first` on."""
    start = rec.live.shape[1] * rec.live.shape[2]
    for n in range(2 if rec.reset == BEFORE else 1):
        rows = flat(sources[n])
        for i in range(x.shape[0]):
            rows[first + i, start] = 1
            for k in range(x.shape[2]):
                rows[first + i, start + 1 + k] = x[i, t, k]


@part
def put_state(rec, state, h, c):
    """Write a state (h, or h and c) to rows."""
    h, c = flat(h), flat(c)
    for i in range(state.shape[0]):
        for q in range(rec.units):
            h[i, q] = state[i, q]
        if rec.gate == MEMORY:
            for q in range(rec.units):
                c[i, q] = state[i, rec.units + q]


@part
def get_state(rec, h, c, states, t):
    """Read a state from rows."""
    h, c = flat(h), flat(c)
    for i in range(states.shape[0]):
        for q in range(rec.units):
            states[i, t, q] = h[i, q]
        if rec.gate == MEMORY:
            for q in range(rec.units):
                states[i, t, rec.units + q] = c[i, q]


@part
def ask(saved):
    """Ask for the partial derivatives of another step, while this one multiplies."""
    for i in range(saved.shape[0]):
        for p in range(saved.shape[1]):
            fetch(saved, i, p)


@njit
def sources_of(rec, count, dtype):
    """Give zeroed rows (h, 1, x), padded to whole vectors."""
    lanes = rec.live.shape[2]
    panels = (rec.weight.shape[1] + lanes - 1) // lanes
    return np.zeros((2, count, panels, lanes), dtype)


@njit(cache=True, nogil=True)
def forward(rec, x, state, states, saved):
    """Unroll one block.

    Args: x (row, step, input); state (row, state); states, out (row, step, state);
    saved, out (step or 1, padded row, slot, lane): partial derivatives, each step's
    or the last one's.
    """
    rows, lanes = saved.shape[1], saved.shape[3]
    sources = sources_of(rec, rows, x.dtype)
    pre = np.zeros((rows, rec.weight.shape[0] + 1, lanes), x.dtype)
    c = np.zeros((rows, rec.live.shape[1], lanes), x.dtype)
    put_state(rec, state, sources[0], c)
    for t in range(x.shape[1]):
        put(rec, sources, x, t, 0)
        now = saved[min(t, saved.shape[0] - 1)]
        if t + 1 < saved.shape[0]:
            ask(saved[t + 1])
        preactivate(rec, sources, pre, now, rec.weight, sources, pre[:0])
        activate(rec, pre, sources[0], c, now)
        get_state(rec, sources[0], c, states, t)


@part
def preactivate(rec, sources, pre, saved, direction, v, d):
    """Give a step's pre-activations ``source W``; tangents ``source dW + v W`` in d.

    Without rows in d there is no tangent to give.
    """
    wide = rec.live.shape[1] * rec.live.shape[2]
    for n in range(rec.products.shape[0]):
        source, k0, k1 = rec.products[n, 0], rec.products[n, 3], rec.products[n, 4]
        panels = rec.products[n, 1], rec.products[n, 2]
        if source == 1:
            reset_before(rec, pre, sources[0], sources[1], saved)
            for i in range(d.shape[0]):
                reset_push(rec, saved, i, d, v[0], v[1])
        multiply(sources[source], rec.weight, pre, panels, k0, k1, False)
        if d.shape[0] > 0:
            multiply(sources[source], direction, d, panels, k0, k1, False)
            multiply(v[source], rec.weight, d, panels, k0, min(k1, wide), True)


@njit(cache=True, nogil=True)
def tangent(rec, direction, along, x, state, totals):
    """Unroll one block and its total tangent along a direction of the weights.

    Args: direction, like `rec.weight`; along (2, panel, lane): d gain, d bias;
    totals, out (row, step, state): v.
    """
    lanes, panels = rec.live.shape[2], rec.live.shape[1]
    rows = TILE * ((x.shape[0] + TILE - 1) // TILE)
    sources = sources_of(rec, rows, x.dtype)
    pre = np.zeros((rows, rec.weight.shape[0] + 1, lanes), x.dtype)
    d = np.zeros_like(pre)
    c = np.zeros((rows, panels, lanes), x.dtype)
    v, v_c = np.zeros((2, rows, panels, lanes), x.dtype), np.zeros_like(c)
    saved = np.zeros((rows, 8 * panels, lanes), x.dtype)  # more slots than any cell's
    put_state(rec, state, sources[0], c)
    for t in range(x.shape[1]):
        put(rec, sources, x, t, 0)
        preactivate(rec, sources, pre, saved, direction, v, d)
        activate(rec, pre, sources[0], c, saved)
        push(rec, saved, d, v[0], v_c, along)
        get_state(rec, v[0], v_c, totals, t)


@njit(cache=True, nogil=True)
def backward(
    rec, back, back_x, x, state, states, saved, grad, d_x, d_state, d_weight, gains
):
    """Lead the cotangents of all states of one block back to everything before.

    Args: back (panel of h, section scalar, lane) and back_x (panel of x, ...): the
    weights transposed, back_x without panels if d_x is not wanted; grad (row, step,
    state); out: d_x, d_state; added to: d_weight (k, panel, lane), gains.
    """
    rows, lanes, panels = saved.shape[1], saved.shape[3], rec.live.shape[1]
    steps, wide = x.shape[1], rec.weight.shape[0]
    span = max(1, min(steps, CHUNK // rows))
    grads = np.zeros((span, rows, wide + 1, lanes), x.dtype)
    sources = sources_of(rec, span * rows, x.dtype)
    past = np.zeros((rows, panels, lanes), x.dtype)
    past_c, turned = np.zeros_like(past), np.zeros_like(past)
    of_x = np.zeros((span * rows, back_x.shape[0], lanes), x.dtype)
    used = grads.reshape(span * rows, wide + 1, lanes)
    for last in range(steps, 0, -span):
        first = max(0, last - span)
        for t in range(last - 1, first - 1, -1):
            if t > 0:
                ask(saved[t - 1])
            add_state(rec, grad, t, past, past_c)
            pull(rec, saved[t], past, past_c, grads[t - first], gains)
            step_back(rec, back, saved[t], past, turned, grads[t - first])
        gather(rec, x, state, states, saved, first, last, sources)
        weigh(rec, sources, used, (last - first) * rows, d_weight)
        if back_x.shape[0] > 0:
            panels = 0, back_x.shape[0]
            multiply(used, back_x, of_x, panels, 0, wide * lanes, False)
            get_inputs(of_x, d_x, rows, first, last)
    get_state(rec, past, past_c, d_state.reshape(len(d_state), 1, -1), 0)


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
def gather(rec, x, state, states, saved, first, last, sources):
    """Write the rows (h, 1, x), and (r h, 1, x), that some steps multiplied."""
    rows, panels = saved.shape[1], rec.live.shape[1]
    h = flat(sources[0])
    for t in range(first, last):
        start = (t - first) * rows
        for i in range(x.shape[0]):
            if t == 0:
                for q in range(rec.units):
                    h[start + i, q] = state[i, q]
            else:
                for q in range(rec.units):
                    h[start + i, q] = states[i, t - 1, q]
            if rec.reset == BEFORE:
                for p in range(panels):
                    r = load(saved[t], i, 3 * panels + p)
                    store(sources[1], start + i, p, r * load(sources[0], start + i, p))
        put(rec, sources, x, t, start)


@part
def weigh(rec, sources, grads, count, d_weight):
    """Add ``source^T grads`` to the weights' gradient, a whole number of tiles each.

    The rows that a tile has too many end in the padding or where no weight is.
    """
    for n in range(rec.products.shape[0]):
        source, k0, k1 = rec.products[n, 0], rec.products[n, 3], rec.products[n, 4]
        panels = rec.products[n, 1], rec.products[n, 2]
        correlate(sources[source], grads, d_weight, panels, k0, k1, count)


@part
def get_inputs(rows, d_x, block, first, last):
    """Read the inputs' gradients of some steps from rows."""
    rows = flat(rows)
    for t in range(first, last):
        for i in range(d_x.shape[0]):
            for k in range(d_x.shape[2]):
                d_x[i, t, k] = rows[(t - first) * block + i, k]

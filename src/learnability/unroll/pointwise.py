"""What a step does besides its products, one row (sequence) at a time.

Forward, a row maps pre-activations to the next state and writes down the partial
derivatives of the carried unit (h, or the LSTM's c):

    carried' = keep * carried + sum_k by_k * (pre-activation k),

for the mixing sections k = 0 (candidate), 1, ... Backward and tangent know nothing of
a cell but these numbers: one multiplies by them, the other by their transpose.

Slots of a row of `saved`, ``panels`` vectors each: keep, by_0, .., by_(n-1); then, if
the cell has them, by_o and exit (LSTM) or r and turned (GRUs: ``h r'`` or ``u r'``);
then, with LayerNorm, xhat, and one vector of 1/std.
"""

from typing import NamedTuple

import numpy as np

from ..cells.layernorm import EPS
from .vectors import load, part, root, sigmoid, splat, store, tanh, total

CONST, SHARED, OWN, MEMORY = 0, 1, 2, 3  # the gate: fixed, one, a unit's own; LSTM
PLAIN, BEFORE, AFTER = 0, 1, 2  # where a GRU resets: nowhere, before or after U_g


class Recurrence(NamedTuple):
    """A cell as the compiled loops see it.

    Attributes:
        gate: CONST, SHARED, OWN or MEMORY.
        reset: PLAIN, BEFORE or AFTER.
        mixing: n, the number of sections with a direct share in the carried unit.
        constant: the gate of CONST.
        units: H.
        products: rows (source, first panel, last, first k, last) of the pre-activation
            ``source[:, k] @ weight[k, panel]``; source 1 has r*h in place of h.
        weight: (panel, k, lane), k running over h, 1, x.
        gain, bias: LayerNorm's, (1, panel, lane); no panels without LayerNorm.
        live: 1 on units, 0 on the padding of the last panel; (1, panel, lane).
    """

    gate: int
    reset: int
    mixing: int
    constant: float
    units: int
    products: np.ndarray
    weight: np.ndarray
    gain: np.ndarray
    bias: np.ndarray
    live: np.ndarray


@part
def center(row, i, live, units):
    """Give mean and 1/std of a candidate's pre-activation, both as vectors."""
    panels = live.shape[1]
    sums = splat(row, 0.0)
    for p in range(panels):
        sums = sums + load(row, i, p)
    mean = splat(row, total(sums)) / units
    squares = splat(row, 0.0)
    for p in range(panels):
        d = (load(row, i, p) - mean) * load(live, 0, p)
        squares = squares + d * d
    return mean, 1.0 / root(splat(row, total(squares)) / units + EPS)


@part
def normalise_row(rec, pre, i, saved, slot):
    """Replace a candidate's pre-activation by its LayerNorm."""
    panels = rec.live.shape[1]
    mean, scale = center(pre, i, rec.live, rec.units)
    store(saved, i, (slot + 1) * panels, scale)
    for p in range(panels):
        xhat = (load(pre, i, p) - mean) * scale * load(rec.live, 0, p)
        store(saved, i, slot * panels + p, xhat)
        store(pre, i, p, load(rec.gain, 0, p) * xhat + load(rec.bias, 0, p))


@part
def leaky_row(rec, pre, i, h, saved):
    """``h' = (1 - s) h + s c``, ``c = tanh(a)``: the leaky cells and both GRUs."""
    panels = rec.live.shape[1]
    s = splat(pre, rec.constant)
    if rec.gate == SHARED:
        s = sigmoid(splat(pre, pre[i, panels, 0]))
    for p in range(panels):
        past, c = load(h, i, p), tanh(load(pre, i, p))
        if rec.gate == OWN:
            s = sigmoid(load(pre, i, panels + p))
        keep = 1.0 - s
        store(saved, i, p, keep)
        store(saved, i, panels + p, s * (1.0 - c * c))
        if rec.gate != CONST:
            store(saved, i, 2 * panels + p, (c - past) * s * keep)
        store(h, i, p, keep * past + s * c)


@part
def memory_row(pre, i, h, c, saved):
    """``c' = f c + i g``, ``h' = o tanh(c')``; sections g, i, f, o."""
    panels = c.shape[1]
    for p in range(panels):
        g = tanh(load(pre, i, p))
        enter = sigmoid(load(pre, i, panels + p))
        forget = sigmoid(load(pre, i, 2 * panels + p))
        out = sigmoid(load(pre, i, 3 * panels + p))
        past = load(c, i, p)
        now = forget * past + enter * g
        shown = tanh(now)
        store(saved, i, p, forget)
        store(saved, i, panels + p, enter * (1.0 - g * g))
        store(saved, i, 2 * panels + p, g * enter * (1.0 - enter))
        store(saved, i, 3 * panels + p, past * forget * (1.0 - forget))
        store(saved, i, 4 * panels + p, shown * out * (1.0 - out))
        store(saved, i, 5 * panels + p, out * (1.0 - shown * shown))
        store(c, i, p, now)
        store(h, i, p, out * shown)


@part
def reset_before_row(rec, pre, i, h, turned_h, saved):
    """Write ``r h`` where the product with U_g reads it."""
    panels = rec.live.shape[1]
    for p in range(panels):
        r, past = sigmoid(load(pre, i, 2 * panels + p)), load(h, i, p)
        store(turned_h, i, p, r * past)
        store(saved, i, 3 * panels + p, r)
        store(saved, i, 4 * panels + p, past * r * (1.0 - r))


@part
def reset_after_row(rec, pre, i, saved):
    """Add ``r u`` to the candidate, u the product of U_g and h."""
    panels = rec.live.shape[1]
    for p in range(panels):
        r = sigmoid(load(pre, i, 2 * panels + p))
        u = load(pre, i, 3 * panels + p)
        store(pre, i, p, load(pre, i, p) + r * u)
        store(saved, i, 3 * panels + p, r)
        store(saved, i, 4 * panels + p, u * r * (1.0 - r))


@part
def slots(rec):
    """Give the slots before xhat."""
    return rec.mixing + (3 if rec.gate == MEMORY or rec.reset != PLAIN else 1)


@part
def activate(rec, pre, h, c, saved):
    """Advance all rows of a block from pre-activations to the next state."""
    for i in range(pre.shape[0]):
        if rec.reset == AFTER:
            reset_after_row(rec, pre, i, saved)
        if rec.gain.shape[1] > 0:
            normalise_row(rec, pre, i, saved, slots(rec))
        if rec.gate == MEMORY:
            memory_row(pre, i, h, c, saved)
        else:
            leaky_row(rec, pre, i, h, saved)

"""What a step does besides its products, for all rows (sequences) of a block.

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
        share: 1/H.
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
    share: float
    products: np.ndarray
    weight: np.ndarray
    gain: np.ndarray
    bias: np.ndarray
    live: np.ndarray


@part
def normalise(rec, pre, saved):
    """Replace the candidates' pre-activations by their LayerNorm.

    One short loop over rows after another: each row waits for its own sums, and only
    short loops leave the processor enough other rows to work on meanwhile.
    """
    panels, slot, spare = rec.live.shape[1], slots(rec), pre.shape[1] - 1
    for i in range(pre.shape[0]):
        sums = splat(pre, 0.0)
        for p in range(panels):
            sums = sums + load(pre, i, p)
        pre[i, spare, 0] = total(sums)
    for i in range(pre.shape[0]):
        mean = splat(pre, pre[i, spare, 0]) * rec.share
        squares = splat(pre, 0.0)
        for p in range(panels):
            d = (load(pre, i, p) - mean) * load(rec.live, 0, p)
            store(pre, i, p, d)
            squares = squares + d * d
        pre[i, spare, 0] = total(squares)
    for i in range(pre.shape[0]):
        scale = 1.0 / root(splat(pre, pre[i, spare, 0]) * rec.share + EPS)
        store(saved, i, (slot + 1) * panels, scale)
        for p in range(panels):
            xhat = load(pre, i, p) * scale
            store(saved, i, slot * panels + p, xhat)
            store(pre, i, p, load(rec.gain, 0, p) * xhat + load(rec.bias, 0, p))


@part
def squash(rec, pre, last):
    """Replace candidates by their tanh and gates, up to panel `last`, by sigmoids."""
    panels = rec.live.shape[1]
    for i in range(pre.shape[0]):
        for p in range(panels):
            store(pre, i, p, tanh(load(pre, i, p)))
        for p in range(panels, last):
            store(pre, i, p, sigmoid(load(pre, i, p)))


@part
def leaky_row(rec, pre, i, h, saved):
    """``h' = (1 - s) h + s c``: the leaky cells and, with z for s, the GRUs."""
    panels = rec.live.shape[1]
    s = splat(pre, rec.constant)
    if rec.gate == SHARED:
        s = splat(pre, pre[i, panels, 0])
    for p in range(panels):
        past, c = load(h, i, p), load(pre, i, p)
        if rec.gate == OWN:
            s = load(pre, i, panels + p)
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
        g, enter = load(pre, i, p), load(pre, i, panels + p)
        forget, past = load(pre, i, 2 * panels + p), load(c, i, p)
        store(saved, i, p, forget)
        store(saved, i, panels + p, enter * (1.0 - g * g))
        store(saved, i, 2 * panels + p, g * enter * (1.0 - enter))
        store(saved, i, 3 * panels + p, past * forget * (1.0 - forget))
        store(c, i, p, forget * past + enter * g)
    for p in range(panels):
        out, shown = load(pre, i, 3 * panels + p), tanh(load(c, i, p))
        store(saved, i, 4 * panels + p, shown * out * (1.0 - out))
        store(saved, i, 5 * panels + p, out * (1.0 - shown * shown))
        store(h, i, p, out * shown)


@part
def reset_before(rec, pre, h, turned_h, saved):
    """Write ``r h`` where the product with U_g reads it."""
    panels = rec.live.shape[1]
    for i in range(pre.shape[0]):
        for p in range(panels):
            r, past = sigmoid(load(pre, i, 2 * panels + p)), load(h, i, p)
            store(turned_h, i, p, r * past)
            store(saved, i, 3 * panels + p, r)
            store(saved, i, 4 * panels + p, past * r * (1.0 - r))


@part
def reset_after(rec, pre, saved):
    """Add ``r u`` to the candidates, u the product of U_g and h."""
    panels = rec.live.shape[1]
    for i in range(pre.shape[0]):
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
    panels = rec.live.shape[1]
    if rec.reset == AFTER:
        reset_after(rec, pre, saved)
    if rec.gain.shape[1] > 0:
        normalise(rec, pre, saved)
    if rec.gate == MEMORY:
        squash(rec, pre, 4 * panels)
        for i in range(pre.shape[0]):
            memory_row(pre, i, h, c, saved)
    else:
        squash(rec, pre, panels + 1 if rec.gate == SHARED else rec.mixing * panels)
        for i in range(pre.shape[0]):
            leaky_row(rec, pre, i, h, saved)

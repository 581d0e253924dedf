"""What a step does besides its products, for all rows (sequences) of a block.

Forward, a row maps pre-activations to activations (`activate`), and these and the past
to the next state (`advance`). Kept are the activations alone, in the panels of their
pre-activations, with LayerNorm's xhat in place of the candidate, and behind them one
vector of 1/std: a step waits for memory, and to take a tanh again (`recall`) is
cheaper.

From them and the past state `differentiate` makes the partial derivatives of the
carried unit (h, or the LSTM's c):

    carried' = keep * carried + sum_k by_k * (pre-activation k),

for the mixing sections k = 0 (candidate), 1, ... Backward and tangent know nothing of
a cell but these numbers: one multiplies by them, the other by their transpose.

Slots of a row of partial derivatives, ``panels`` vectors each: keep, by_0, ..,
by_(n-1); then, if the cell has them, by_o and exit (LSTM) or r and turned (GRUs:
``h r'`` or ``u r'``); then, with LayerNorm, xhat, and one vector of 1/std.
"""

from typing import NamedTuple

import numpy as np

from ..cells.closed import EPS
from ._vectors import load, part, root, sigmoid, splat, store, tanh, total

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
def normalise(rec, pre, kept):
    """Replace the candidates' pre-activations by their LayerNorm.

    One short loop over rows after another: each row waits for its own sums, and only
    short loops leave the processor enough other rows to work on meanwhile.
    """
    panels, spare = rec.live.shape[1], rec.weight.shape[0]
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
        store(kept, i, spare, scale)
        for p in range(panels):
            xhat = load(pre, i, p) * scale
            store(kept, i, p, xhat)
            store(pre, i, p, load(rec.gain, 0, p) * xhat + load(rec.bias, 0, p))


@part
def squash(rec, pre, kept, last):
    """Replace candidates by their tanh and gates, up to panel `last`, by sigmoids."""
    panels = rec.live.shape[1]
    for i in range(pre.shape[0]):
        for p in range(panels):
            c = tanh(load(pre, i, p))
            store(pre, i, p, c)
            if rec.gain.shape[1] == 0:
                store(kept, i, p, c)
        for p in range(panels, last):
            store(kept, i, p, sigmoid(load(pre, i, p)))


@part
def gate(rec, kept, i, p):
    """Give the gate of the leaky cells and, as z, of the GRUs: s of panel p."""
    s = splat(kept, rec.constant)
    if rec.gate == SHARED:
        s = splat(kept, kept[i, rec.live.shape[1], 0])
    if rec.gate == OWN:
        s = load(kept, i, rec.live.shape[1] + p)
    return s


@part
def leaky_row(rec, pre, i, h, kept, next_h):
    """``h' = (1 - s) h + s c``: the leaky cells and, with z for s, the GRUs."""
    for p in range(rec.live.shape[1]):
        s = gate(rec, kept, i, p)
        store(next_h, i, p, (1.0 - s) * load(h, i, p) + s * load(pre, i, p))


@part
def memory_row(pre, i, c, kept, next_h, next_c):
    """``c' = f c + i g``, ``h' = o tanh(c')``; sections g, i, f, o.

    The tanh is left in pre behind the candidate.
    """
    panels = c.shape[1]
    for p in range(panels):
        enter, forget = load(kept, i, panels + p), load(kept, i, 2 * panels + p)
        now = forget * load(c, i, p) + enter * load(pre, i, p)
        shown = tanh(now)
        store(next_c, i, p, now)
        store(next_h, i, p, load(kept, i, 3 * panels + p) * shown)
        store(pre, i, panels + p, shown)


@part
def reset_before(rec, pre, h, turned_h, kept):
    """Write ``r h`` where the product with U_g reads it."""
    panels = rec.live.shape[1]
    for i in range(pre.shape[0]):
        for p in range(panels):
            r = sigmoid(load(pre, i, 2 * panels + p))
            store(turned_h, i, p, r * load(h, i, p))
            store(kept, i, 2 * panels + p, r)


@part
def reset_after(rec, pre, kept):
    """Add ``r u`` to the candidates, u the product of U_g and h."""
    panels = rec.live.shape[1]
    for i in range(pre.shape[0]):
        for p in range(panels):
            r = sigmoid(load(pre, i, 2 * panels + p))
            u = load(pre, i, 3 * panels + p)
            store(pre, i, p, load(pre, i, p) + r * u)
            store(kept, i, 2 * panels + p, r)
            store(kept, i, 3 * panels + p, u)


@part
def activate(rec, pre, kept):
    """Turn all rows' pre-activations into activations: candidates in pre, all in kept.

    A reset before the product has been done already.
    """
    panels = rec.live.shape[1]
    if rec.reset == AFTER:
        reset_after(rec, pre, kept)
    if rec.gain.shape[1] > 0:
        normalise(rec, pre, kept)
    last = panels + 1 if rec.gate == SHARED else rec.mixing * panels
    squash(rec, pre, kept, 4 * panels if rec.gate == MEMORY else last)


@part
def recall(rec, kept, pre):
    """Write all rows' candidates to pre: as they were kept, or from their xhat."""
    for i in range(pre.shape[0]):
        for p in range(rec.live.shape[1]):
            c = load(kept, i, p)
            if rec.gain.shape[1] > 0:
                c = tanh(load(rec.gain, 0, p) * c + load(rec.bias, 0, p))
            store(pre, i, p, c)


@part
def advance(rec, pre, kept, h, c, next_h, next_c):
    """Write all rows' next state, from candidates (pre), activations and state.

    The next state may be written over the state.
    """
    for i in range(pre.shape[0]):
        if rec.gate == MEMORY:
            memory_row(pre, i, c, kept, next_h, next_c)
        else:
            leaky_row(rec, pre, i, h, kept, next_h)


@part
def slots(rec):
    """Give the slots of partial derivatives before xhat."""
    return rec.mixing + (3 if rec.gate == MEMORY or rec.reset != PLAIN else 1)


@part
def leaky_partials(rec, pre, kept, i, h, saved):
    """Differentiate ``h' = (1 - s) h + s c`` by h and the pre-activations."""
    panels = rec.live.shape[1]
    for p in range(panels):
        c, s, past = load(pre, i, p), gate(rec, kept, i, p), load(h, i, p)
        keep = 1.0 - s
        store(saved, i, p, keep)
        store(saved, i, panels + p, s * (1.0 - c * c))
        if rec.gate != CONST:
            store(saved, i, 2 * panels + p, (c - past) * s * keep)
        if rec.reset != PLAIN:
            r = load(kept, i, 2 * panels + p)
            turned = past if rec.reset == BEFORE else load(kept, i, 3 * panels + p)
            store(saved, i, 3 * panels + p, r)
            store(saved, i, 4 * panels + p, turned * r * (1.0 - r))


@part
def memory_partials(rec, pre, kept, i, c, saved):
    """Differentiate ``c' = f c + i g`` and ``h' = o tanh(c')``."""
    panels = rec.live.shape[1]
    for p in range(panels):
        g, enter = load(pre, i, p), load(kept, i, panels + p)
        forget, past = load(kept, i, 2 * panels + p), load(c, i, p)
        out, shown = load(kept, i, 3 * panels + p), load(pre, i, panels + p)
        store(saved, i, p, forget)
        store(saved, i, panels + p, enter * (1.0 - g * g))
        store(saved, i, 2 * panels + p, g * enter * (1.0 - enter))
        store(saved, i, 3 * panels + p, past * forget * (1.0 - forget))
        store(saved, i, 4 * panels + p, shown * out * (1.0 - out))
        store(saved, i, 5 * panels + p, out * (1.0 - shown * shown))


@part
def differentiate(rec, pre, kept, h, c, saved):
    """Write all rows' partial derivatives, from activations and the past state.

    Args: pre, as `advance` left it.
    """
    panels, slot = rec.live.shape[1], slots(rec)
    for i in range(saved.shape[0]):
        if rec.gate == MEMORY:
            memory_partials(rec, pre, kept, i, c, saved)
        else:
            leaky_partials(rec, pre, kept, i, h, saved)
        if rec.gain.shape[1] > 0:
            for p in range(panels):
                store(saved, i, slot * panels + p, load(kept, i, p))
            scale = load(kept, i, rec.weight.shape[0])
            store(saved, i, (slot + 1) * panels, scale)

"""The pointwise partial derivatives at work: backward (transposed) and tangent.

Both read what `differentiate` of `_pointwise` wrote in `saved`, so neither knows the
equation of a cell.
"""

from ._pointwise import AFTER, MEMORY, SHARED, slots
from ._vectors import load, part, splat, store, total


@part
def lead(rec, saved, i, by, into, grads, section, slot):
    """Lead a row of cotangents to a gate's section, and through a slot into others.

    Of an LSTM's h to the output gate (by_o) and to c (exit); of ``r h`` to r and to h.
    """
    panels = rec.live.shape[1]
    for p in range(panels):
        now = load(by, i, p)
        store(grads, i, section * panels + p, load(saved, i, 4 * panels + p) * now)
        own = load(into, i, p) + load(saved, i, slot * panels + p) * now
        store(into, i, p, own)


@part
def mixing_row(rec, saved, i, carried, grads):
    """Lead the carried cotangent to each section, and through keep to the past."""
    panels = rec.live.shape[1]
    own = 1 if rec.gate == SHARED else rec.mixing
    shared = splat(saved, 0.0)
    for p in range(panels):
        now = load(carried, i, p)
        for k in range(own):
            by = load(saved, i, (k + 1) * panels + p)
            store(grads, i, k * panels + p, by * now)
        if rec.gate == SHARED:
            shared = shared + load(saved, i, 2 * panels + p) * now
        store(carried, i, p, load(saved, i, p) * now)
    if rec.gate == SHARED:
        grads[i, panels, 0] = total(shared)


@part
def normalise_back(rec, saved, grads, gains):
    """Lead the candidates' cotangents through LayerNorm, and gather its weights'.

    ``da = (y - mean y - xhat mean(xhat y)) / std``, y the cotangent times the gain.
    """
    panels, slot, spare = rec.live.shape[1], slots(rec), grads.shape[1] - 1
    for i in range(grads.shape[0]):
        flat, tilted = splat(saved, 0.0), splat(saved, 0.0)
        for p in range(panels):
            y, xhat = load(grads, i, p), load(saved, i, slot * panels + p)
            store(gains, 0, p, load(gains, 0, p) + y * xhat)
            store(gains, 1, p, load(gains, 1, p) + y)
            y = y * load(rec.gain, 0, p)
            store(grads, i, p, y)
            flat = flat + y
            tilted = tilted + y * xhat
        grads[i, spare, 0] = total(flat)
        grads[i, spare, 1] = total(tilted)
    for i in range(grads.shape[0]):
        mean = splat(saved, grads[i, spare, 0]) * rec.share
        slope = splat(saved, grads[i, spare, 1]) * rec.share
        scale = load(saved, i, (slot + 1) * panels)
        for p in range(panels):
            xhat = load(saved, i, slot * panels + p)
            a = (load(grads, i, p) - mean - xhat * slope) * load(rec.live, 0, p)
            store(grads, i, p, a * scale)


@part
def reset_after_back(rec, saved, grads):
    """Lead the candidates' cotangents to r and to u."""
    panels = rec.live.shape[1]
    for i in range(grads.shape[0]):
        for p in range(panels):
            a = load(grads, i, p)
            store(grads, i, 2 * panels + p, load(saved, i, 4 * panels + p) * a)
            store(grads, i, 3 * panels + p, load(saved, i, 3 * panels + p) * a)


@part
def reset_before_back(rec, saved, by_turned, past, grads):
    """Lead the cotangent of ``r h`` to r and to h."""
    for i in range(past.shape[0]):
        lead(rec, saved, i, by_turned, past, grads, 2, 3)


@part
def vjp(rec, saved, past, past_c, grads, gains):
    """Turn cotangents of a state into those of pre-activations and of keep's path.

    Args: past, past_c, in and out: the cotangents of h and c; grads, out: of the
    pre-activations (a reset before the product still missing); gains, added to: of
    LayerNorm's gain (row 0) and bias (row 1).
    """
    for i in range(past.shape[0]):
        if rec.gate == MEMORY:
            lead(rec, saved, i, past, past_c, grads, 3, 5)
            mixing_row(rec, saved, i, past_c, grads)
        else:
            mixing_row(rec, saved, i, past, grads)
    if rec.gain.shape[1] > 0:
        normalise_back(rec, saved, grads, gains)
    if rec.reset == AFTER:
        reset_after_back(rec, saved, grads)


@part
def normalise_push(rec, saved, i, d, along):
    """Replace a candidate's tangent by that of its LayerNorm; along: d gain, d bias."""
    panels, slot = rec.live.shape[1], slots(rec)
    flat, tilted = splat(saved, 0.0), splat(saved, 0.0)
    for p in range(panels):
        a = load(d, i, p)
        flat = flat + a
        tilted = tilted + a * load(saved, i, slot * panels + p)
    mean = splat(saved, total(flat)) * rec.share
    slope = splat(saved, total(tilted)) * rec.share
    scale = load(saved, i, (slot + 1) * panels)
    for p in range(panels):
        xhat = load(saved, i, slot * panels + p)
        a = (load(d, i, p) - mean - xhat * slope) * load(rec.live, 0, p)
        a = a * scale * load(rec.gain, 0, p)
        store(d, i, p, a + load(along, 0, p) * xhat + load(along, 1, p))


@part
def reset_before_push(rec, kept, h, d, v, turned_v):
    """Give the tangent of ``r h``."""
    panels = rec.live.shape[1]
    for i in range(d.shape[0]):
        for p in range(panels):
            r = load(kept, i, 2 * panels + p)
            change = load(h, i, p) * r * (1.0 - r) * load(d, i, 2 * panels + p)
            store(turned_v, i, p, r * load(v, i, p) + change)


@part
def reset_after_push(rec, saved, i, d):
    """Add the tangent of ``r u`` to the candidate's."""
    panels = rec.live.shape[1]
    for p in range(panels):
        r, turned = load(saved, i, 3 * panels + p), load(saved, i, 4 * panels + p)
        change = turned * load(d, i, 2 * panels + p)
        store(d, i, p, load(d, i, p) + r * load(d, i, 3 * panels + p) + change)


@part
def mixing_push(rec, saved, i, d, carried):
    """``v' = keep v + sum_k by_k d_k``."""
    panels = rec.live.shape[1]
    shared = splat(saved, 0.0)
    if rec.gate == SHARED:
        shared = splat(saved, d[i, panels, 0])
    for p in range(panels):
        v = load(saved, i, p) * load(carried, i, p)
        for k in range(rec.mixing):
            change = load(d, i, k * panels + p)
            if rec.gate == SHARED and k == 1:
                change = shared
            v = v + load(saved, i, (k + 1) * panels + p) * change
        store(carried, i, p, v)


@part
def jvp(rec, saved, d, v, v_c, along):
    """Advance tangents of a state, given those of the pre-activations."""
    panels = rec.live.shape[1]
    for i in range(v.shape[0]):
        if rec.reset == AFTER:
            reset_after_push(rec, saved, i, d)
        if rec.gain.shape[1] > 0:
            normalise_push(rec, saved, i, d, along)
        if rec.gate != MEMORY:
            mixing_push(rec, saved, i, d, v)
            continue
        mixing_push(rec, saved, i, d, v_c)
        for p in range(panels):
            out = load(saved, i, 4 * panels + p) * load(d, i, 3 * panels + p)
            out = out + load(saved, i, 5 * panels + p) * load(v_c, i, p)
            store(v, i, p, out)

"""From lag to lag: what of one source, or of two at once, arrives (see `windows`)."""

from .bits import add_totals, exponent, flushed, magnitude, mantissa
from .vectors import load, part, store, total

LEAK, CORRECTION, OWN, RATE, EXIT = range(5)  # kinds of rows
FIRST_MANTISSA, FIRST_EXPONENT = 3, 4  # rows of a span's sums behind the three orders


@part
def advance(rows, row, zero, tilt, own):
    """Multiply three products by the factors of a step."""
    a = load(rows, LEAK, row)
    tilt = a * tilt + load(rows, CORRECTION, row) * zero
    return a * zero, tilt, load(rows, OWN, row) * own


@part
def shown(rows, row, zero, tilt, own, through):
    """Give the gains of three orders; through: whether there is an exit factor."""
    if not through:
        return zero, zero + tilt, own
    e = load(rows, EXIT, row)
    return e * zero, e * (zero + tilt), e * own


@part
def carry(rows, at, lags, slots, state, k, sums, totals, through):
    """Carry one source of one panel through a span of lags.

    Args: at, the row of the source; lags, (first, last); slots, the place of each lag
    among a span's recorded ones, or -1; sums (what, slot, lane) and totals
    (source, slot, order), added to; through, whether there is an exit factor.
    """
    zero, tilt, own = load(state, 0, k), load(state, 1, k), load(state, 2, k)
    for lag in range(lags[0], lags[1]):
        row, i = at + lag, slots[lag]
        if lag > 0:
            zero, tilt, own = advance(rows, row, zero, tilt, own)
        if i >= 0:
            x, y, z = shown(rows, row, zero, tilt, own, through)
            x, y, z = magnitude(x), magnitude(y), magnitude(z)
            add_totals(totals, 0, i, x, y, z)
            measure(x, y, z, mantissa(y), exponent(y), sums, i)
    keep(state, k, zero, tilt, own)


@part
def carry_two(rows, at, lags, slots, state, k, sums, totals, through):
    """Do what `carry` does with two sources, whose shares in the sums are added once.

    Args: totals (source, slot, order).
    """
    zero, tilt, own = load(state, 0, k), load(state, 1, k), load(state, 2, k)
    zero_, tilt_, own_ = (
        load(state, 0, k + 1),
        load(state, 1, k + 1),
        load(state, 2, k + 1),
    )
    for lag in range(lags[0], lags[1]):
        row, i = at + lag, slots[lag]
        if lag > 0:
            zero, tilt, own = advance(rows, row, zero, tilt, own)
            zero_, tilt_, own_ = advance(rows, row + 1, zero_, tilt_, own_)
        if i >= 0:
            x, y, z = shown(rows, row, zero, tilt, own, through)
            x_, y_, z_ = shown(rows, row + 1, zero_, tilt_, own_, through)
            x, y, z = magnitude(x), magnitude(y), magnitude(z)
            x_, y_, z_ = magnitude(x_), magnitude(y_), magnitude(z_)
            add_totals(totals, 0, i, x, y, z)
            add_totals(totals, 1, i, x_, y_, z_)
            m, e = mantissa(y) * mantissa(y_), exponent(y) + exponent(y_)
            measure(x + x_, y + y_, z + z_, m, e, sums, i)
    keep(state, k, zero, tilt, own)
    keep(state, k + 1, zero_, tilt_, own_)


@part
def keep(state, k, zero, tilt, own):
    """Keep a source's products for the next span."""
    store(state, 0, k, flushed(zero))
    store(state, 1, k, flushed(tilt))
    store(state, 2, k, flushed(own))


@part
def measure(x, y, z, m, e, sums, i):
    """Add the sizes of three gains, and the logarithm's parts of ``first``."""
    store(sums, 0, i, load(sums, 0, i) + x)
    store(sums, 1, i, load(sums, 1, i) + y)
    store(sums, 2, i, load(sums, 2, i) + z)
    store(sums, FIRST_MANTISSA, i, load(sums, FIRST_MANTISSA, i) * m)
    store(sums, FIRST_EXPONENT, i, load(sums, FIRST_EXPONENT, i) + e)


@part
def dead(state, k):
    """Tell whether a window carries nothing in any unit of its panel."""
    size = magnitude(load(state, 0, k)) + magnitude(load(state, 1, k))
    return total(size + magnitude(load(state, 2, k))) == 0

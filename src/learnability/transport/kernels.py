"""All windows of a sequence in one pass over (source, lag), units in vectors.

From each source state three products grow with the lag,

    zero <- a zero,   tilt <- a tilt + r zero,   own <- (a + r) own,

of which the orders zero, first (``zero + tilt``) and diagonal are read off at the lags
of a grid. Sources are taken in blocks and lags in spans, so that everything a span
adds to stays in the first-level cache; between spans denormal numbers become 0 and
windows that are 0 in all units of a panel are left out from there on.

Arrays of vectors: (kind or place, row, lane). A panel is one vector of units.
"""

import numpy as np
from numba import njit

from ..unroll.vectors import WIDTH, load, splat, store, total
from .bits import exponent, flushed, magnitude, mantissa

LEAK, CORRECTION, OWN, RATE, EXIT, DELTA, TOTAL = range(7)  # kinds of rows
FIRST_MANTISSA, FIRST_EXPONENT = 3, 4  # rows of a span's sums behind the three orders

# Sources of a block: mantissas in [1, 2) multiplied this often stay below 2^127.
BLOCK = 96
SPAN = 16  # lags between two looks at what has underflowed
# A product of sizes is turned into its logarithm before it leaves this range.
LOW, HIGH = 1e-150, 1e150
LOG2 = np.log(2.0)


@njit(cache=True, nogil=True)
def pack(values, out, kind):
    """Write (step, unit) as panels, a row of zeros before each panel's first step."""
    steps, units = values.shape
    lanes = out.shape[2]
    for p in range(out.shape[1] // (steps + 1)):
        width = min(lanes, units - p * lanes)
        for t in range(steps):
            row = p * (steps + 1) + 1 + t
            for q in range(width):
                out[kind, row, q] = values[t, p * lanes + q]


@njit(cache=True, nogil=True)
def begin(rows, base, first, sources, state, place, rated):
    """Set the three products of a block's sources to lag 0."""
    for k in range(sources):
        gain = splat(rows, 1.0)
        if rated:
            gain = load(rows, RATE, base + first + k)
        store(state, 0, place + k, gain)
        store(state, 1, place + k, splat(rows, 0.0))
        store(state, 2, place + k, gain)


@njit(cache=True, nogil=True)
def carry(rows, at, lags, slots, state, k, sums, totals, through, directions):
    """Carry one source of one panel through a span of lags.

    Args: at, the row of the source; lags, (first, last); slots, the place of each lag
    among a span's recorded ones, or -1; sums (what, slot, lane) and totals (order,
    slot), added to; through, whether there is an exit factor.
    """
    zero, tilt, own = load(state, 0, k), load(state, 1, k), load(state, 2, k)
    for lag in range(lags[0], lags[1]):
        row = at + lag
        if lag > 0:
            a = load(rows, LEAK, row)
            tilt = a * tilt + load(rows, CORRECTION, row) * zero
            zero = a * zero
            own = load(rows, OWN, row) * own
        i = slots[lag]
        if i >= 0:
            x, y, z = zero, zero + tilt, own
            if through:
                e = load(rows, EXIT, row)
                x, y, z = e * x, e * y, e * z
            measure(x, y, z, sums, totals, i)
            for d in range(directions):
                weight = load(rows, DELTA, row) * load(rows, TOTAL + d, at)
                j = FIRST_EXPONENT + 1 + 3 * d
                store(sums, j, i, load(sums, j, i) + x * weight)
                store(sums, j + 1, i, load(sums, j + 1, i) + y * weight)
                store(sums, j + 2, i, load(sums, j + 2, i) + z * weight)
    store(state, 0, k, flushed(zero))
    store(state, 1, k, flushed(tilt))
    store(state, 2, k, flushed(own))


@njit(cache=True, nogil=True)
def measure(x, y, z, sums, totals, i):
    """Add the sizes of three gains, and of ``first`` the logarithm's parts."""
    x, y, z = magnitude(x), magnitude(y), magnitude(z)
    totals[0, i] += total(x)
    totals[1, i] += total(y)
    totals[2, i] += total(z)
    store(sums, 0, i, load(sums, 0, i) + x)
    store(sums, 1, i, load(sums, 1, i) + y)
    store(sums, 2, i, load(sums, 2, i) + z)
    m = load(sums, FIRST_MANTISSA, i) * mantissa(y)
    store(sums, FIRST_MANTISSA, i, m)
    store(sums, FIRST_EXPONENT, i, load(sums, FIRST_EXPONENT, i) + exponent(y))


@njit(cache=True, nogil=True)
def dead(state, k):
    """Tell whether a window carries nothing in any unit of its panel."""
    size = magnitude(load(state, 0, k)) + magnitude(load(state, 1, k))
    return total(size + magnitude(load(state, 2, k))) == 0


@njit(cache=True, nogil=True)
def add_logarithms(totals, left, lags, slots, out):
    """Add ``log sum_q |mu|`` of a block's windows; out (order, slot)."""
    for order in range(3):
        for lag in range(lags[0], lags[1]):
            i = slots[lag]
            if i < 0:
                continue
            product, logarithm = 1.0, 0.0
            for k in range(min(totals.shape[0], left - lag + 1)):
                size = np.float64(totals[k, order, i])
                if size < LOW or size > HIGH:
                    logarithm += np.log(size) if size > 0 else -np.inf
                    continue
                product *= size
                if product < LOW or product > HIGH:
                    logarithm += np.log(product)
                    product = 1.0
            out[order, i] += logarithm + np.log(product)


@njit(cache=True, nogil=True)
def restart(sums, first, last):
    """Set sums to nothing: products to 1, the rest to 0."""
    for what in range(sums.shape[0]):
        value = 1.0 if what == FIRST_MANTISSA else 0.0
        for i in range(first, last):
            store(sums, what, i, splat(sums, value))


@njit(cache=True, nogil=True)
def gather(sums, count, whole, place):
    """Add a block's sums to those of the sequence."""
    for what in range(sums.shape[0]):
        if what != FIRST_MANTISSA:
            for i in range(count):
                sum_ = load(whole, what, place + i) + load(sums, what, i)
                store(whole, what, place + i, sum_)
    for i in range(count):
        at = place + i
        product = load(whole, FIRST_MANTISSA, at) * load(sums, FIRST_MANTISSA, i)
        power = load(whole, FIRST_EXPONENT, at) + exponent(product)
        store(whole, FIRST_MANTISSA, at, mantissa(product))
        store(whole, FIRST_EXPONENT, at, power)


@njit(cache=True, nogil=True)
def finish(whole, grid, own, by_sequence, first, psi):
    """Add a sequence's sums to those of all, in double precision.

    Args: whole (what, panel and lag, lane); own (order, lag, unit) and first (lag,
    unit), added to; by_sequence (order, lag) and psi (direction and order, lag), set.
    """
    lanes = whole.shape[2]
    for q in range(own.shape[2]):
        row, lane = (q // lanes) * grid, q % lanes
        for i in range(grid):
            for order in range(3):
                size = np.float64(whole[order, row + i, lane])
                own[order, i, q] += size
                by_sequence[order, i] += size
            part = np.float64(whole[FIRST_MANTISSA, row + i, lane])
            power = np.float64(whole[FIRST_EXPONENT, row + i, lane])
            first[i, q] += np.log(part) + power * LOG2 if part > 0 else -np.inf
            for j in range(psi.shape[0]):
                psi[j, i] += whole[FIRST_EXPONENT + 1 + j, row + i, lane]


@njit(cache=True, nogil=True)
def silence(sums, lags, slots):
    """Note that a window is 0 in all units of the panel."""
    for lag in range(lags[0], lags[1]):
        if slots[lag] >= 0:
            store(sums, FIRST_MANTISSA, slots[lag], splat(sums, 0.0))


@njit(cache=True, nogil=True)
def carry_block(rows, at, lags, steps_left, slots, state, place, sums, totals, through):
    """Carry a block's sources of one panel through a span of lags.

    Args: at, the row of the first source; steps_left, the steps after it.
    """
    directions = rows.shape[0] - TOTAL
    for k in range(totals.shape[0]):
        reach = (lags[0], min(lags[1], steps_left - k + 1))
        if reach[1] <= reach[0]:
            break
        if dead(state, place + k):
            silence(sums, reach, slots)
        else:
            carry(
                rows,
                at + k,
                reach,
                slots,
                state,
                place + k,
                sums,
                totals[k],
                through,
                directions,
            )


@njit(cache=True, nogil=True)
def sequence(rows, steps, first, slots, starts, flags, whole, logarithms):
    """Add all windows of one sequence.

    Args: rows, packed; first, the first source (-1 or 0); slots, by lag, the place in
    its span or -1; starts, by span, the first recorded lag's place in the grid;
    flags, (rates, exit); whole (what, panel and lag, lane), set; logarithms (order,
    lag), added to.
    """
    rated, through = flags
    panels, grid = rows.shape[1] // (steps + 1), starts[-1]
    state = np.empty((3, panels * BLOCK, rows.shape[2]), rows.dtype)
    sums = np.empty((whole.shape[0], SPAN, rows.shape[2]), rows.dtype)
    totals = np.empty((BLOCK, 3, SPAN), rows.dtype)
    restart(whole, 0, whole.shape[1])
    for source in range(first, steps, BLOCK):
        left = steps - 1 - source
        sources = min(BLOCK, left + 1)
        for p in range(panels):
            base = p * (steps + 1) + 1
            begin(rows, base, source, sources, state, p * BLOCK, rated)
        for span in range(starts.size - 1):
            lags = (span * SPAN, min((span + 1) * SPAN, slots.size))
            place, count = starts[span], starts[span + 1] - starts[span]
            totals[:] = 0
            for p in range(panels):
                restart(sums, 0, count)
                at = p * (steps + 1) + 1 + source
                carry_block(
                    rows,
                    at,
                    lags,
                    left,
                    slots,
                    state,
                    p * BLOCK,
                    sums,
                    totals[:sources],
                    through,
                )
                gather(sums, count, whole, p * grid + place)
            add_logarithms(
                totals[:sources],
                left,
                lags,
                slots,
                logarithms[:, place : place + count],
            )


@njit(cache=True, nogil=True)
def windows(arrays, grid):
    """Give the sums over all windows of some sequences.

    Args: arrays, of leak and correction (sequence, step, unit), exit, rates and delta,
    alike or without sequences, and v (direction, sequence, step, unit); grid, the
    first source, slots and starts of `sequence`.

    Returns: own (order, lag, unit), sum of sizes; first (lag, unit), sum of the
    logarithms of order first; logarithms (order, lag), of the sizes' sum over units;
    by_sequence (sequence, order, lag); psi (sequence, direction and order, lag).
    """
    leak, correction, exits, rates, delta, along = arrays
    first, slots, starts = grid
    count, steps, units = leak.shape
    lanes = WIDTH // leak.itemsize
    panels, lags = (units + lanes - 1) // lanes, starts[-1]
    directions = along.shape[0]
    rows = np.zeros((TOTAL + directions, panels * (steps + 1), lanes), leak.dtype)
    whole = np.zeros(
        (FIRST_EXPONENT + 1 + 3 * directions, panels * lags, lanes), leak.dtype
    )
    own, of_first = np.zeros((3, lags, units)), np.zeros((lags, units))
    logarithms = np.zeros((3, lags))
    by_sequence = np.zeros((count, 3, lags))
    psi = np.zeros((count, 3 * directions, lags))
    flags = (rates.shape[0] > 0, exits.shape[0] > 0)
    for n in range(count):
        pack(leak[n], rows, LEAK)
        pack(correction[n], rows, CORRECTION)
        for row in range(rows.shape[1]):
            both = load(rows, LEAK, row) + load(rows, CORRECTION, row)
            store(rows, OWN, row, both)
        if flags[0]:
            pack(rates[n], rows, RATE)
        if flags[1]:
            pack(exits[n], rows, EXIT)
        if directions > 0:
            pack(delta[n], rows, DELTA)
        for d in range(directions):
            pack(along[d, n], rows, TOTAL + d)
        sequence(rows, steps, first, slots, starts, flags, whole, logarithms)
        finish(whole, lags, own, by_sequence[n], of_first, psi[n])
    return own, of_first, logarithms, by_sequence, psi

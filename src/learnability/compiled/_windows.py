"""All windows of a sequence in one pass over (source, lag), units in vectors.

From each source state three products grow with the lag,

    zero <- a zero,   tilt <- a tilt + r zero,   own <- (a + r) own,

of which the orders zero, first (``zero + tilt``) and diagonal are read off at the lags
of a grid. Sources are taken in blocks and lags in spans, so that everything a span
adds to stays in the first-level cache; between spans denormal numbers become 0 and
windows that are 0 in all units of a panel are left out from there on.

Arrays of vectors: (kind or place, row, lane). A panel is one vector of units.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor

from ..cells import Steps
from ._carry import (
    CORRECTION,
    EXIT,
    FIRST_EXPONENT,
    FIRST_MANTISSA,
    LEAK,
    OWN,
    RATE,
    carry,
    carry_two,
    dead,
    exponent,
    mantissa,
)
from ._vectors import WIDTH, load, part, splat, store, zeros
from .runtime import kernel

# Sources of a block: mantissas in [1, 2) multiplied this often stay below 2^127.
BLOCK = 96
SPAN = 16  # lags between two looks at what has underflowed
# A product of sizes is turned into its logarithm before it leaves this range.
LOW, HIGH = 1e-150, 1e150
LOG2 = np.log(2.0)


@part
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


@part
def begin(rows, base, first, sources, state, place):
    """Set the three products of a block's sources to lag 0."""
    for k in range(sources):
        gain = load(rows, RATE, base + first + k)
        store(state, 0, place + k, gain)
        store(state, 1, place + k, splat(rows, 0.0))
        store(state, 2, place + k, gain)


@part
def add_logarithms(totals, left, lags, slots, out):
    """Add ``log sum_q |mu|`` of a block's windows; out (order, slot)."""
    for order in range(3):
        for lag in range(lags[0], lags[1]):
            i = slots[lag]
            if i < 0:
                continue
            product, logarithm = 1.0, 0.0
            for k in range(min(totals.shape[0], left - lag + 1)):
                size = np.float64(totals[k, i, order])
                if size < LOW or size > HIGH:
                    logarithm += np.log(size) if size > 0 else -np.inf
                    continue
                product *= size
                if product < LOW or product > HIGH:
                    logarithm += np.log(product)
                    product = 1.0
            out[order, i] += logarithm + np.log(product)


@part
def restart(sums, first, last):
    """Set sums to nothing: products to 1, the rest to 0."""
    for what in range(sums.shape[0]):
        value = 1.0 if what == FIRST_MANTISSA else 0.0
        for i in range(first, last):
            store(sums, what, i, splat(sums, value))


@part
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


@part
def finish(whole, grid, own, by_sequence, first):
    """Add a sequence's sums to those of all, in double precision.

    Args: whole (what, panel and lag, lane); own (order, lag, unit) and first (lag,
    unit), added to; by_sequence (order, lag), set.
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


@part
def mark_zero(sums, lags, slots):
    """Note that a window is 0 in all units of the panel."""
    for lag in range(lags[0], lags[1]):
        if slots[lag] >= 0:
            store(sums, FIRST_MANTISSA, slots[lag], splat(sums, 0.0))


@part
def carry_block(rows, at, lags, left, slots, state, place, sums, totals, through):
    """Carry a block's sources of one panel through a span of lags, two at a time.

    Args: at, the row of the first source; left, the steps after it; totals (source,
    slot, order).
    """
    k, count = 0, totals.shape[0]
    while k < count:
        own_lags = left - k + 1  # that source k has, 0 included
        reach = (lags[0], min(lags[1], own_lags))
        if reach[1] <= reach[0]:
            break
        two = k + 1 < count and own_lags > lags[1]
        size = 2 if two else 1
        here, own = at + k, totals[k : k + size]
        if dead(state, place + k) and (not two or dead(state, place + k + 1)):
            mark_zero(sums, reach, slots)
        elif two:
            carry_two(rows, here, reach, slots, state, place + k, sums, own, through)
        else:
            carry(rows, here, reach, slots, state, place + k, sums, own, through)
        k += size


@kernel
def sequence(rows, steps, slots, starts, through, whole, logarithms):
    """Add all windows of one sequence.

    Args: rows, packed; slots, by lag, the place in its span or -1; starts, by span, the
    first recorded lag's place in the grid; through, whether there is an exit; whole
    (what, panel and lag, lane), set; logarithms (order, lag), added to.
    """
    panels, grid = rows.shape[1] // (steps + 1), starts[-1]
    state = zeros((3, panels * BLOCK, rows.shape[2]), rows.dtype)
    sums = zeros((whole.shape[0], SPAN, rows.shape[2]), rows.dtype)
    totals = np.empty((BLOCK, SPAN, 4), rows.dtype)  # orders, padded
    restart(whole, 0, whole.shape[1])
    for source in range(0, steps, BLOCK):
        left = steps - 1 - source
        sources = min(BLOCK, left + 1)
        for p in range(panels):
            base = p * (steps + 1) + 1
            begin(rows, base, source, sources, state, p * BLOCK)
        for span in range(starts.size - 1):
            lags = (span * SPAN, min((span + 1) * SPAN, slots.size))
            place, count = starts[span], starts[span + 1] - starts[span]
            totals[:] = 0
            own = totals[:sources]
            for p in range(panels):
                restart(sums, 0, count)
                at, held = p * (steps + 1) + 1 + source, p * BLOCK
                carry_block(
                    rows, at, lags, left, slots, state, held, sums, own, through
                )
                gather(sums, count, whole, p * grid + place)
            logs = logarithms[:, place : place + count]
            add_logarithms(own, left, lags, slots, logs)


@kernel
def all_windows(arrays, grid):
    """Give the sums over all windows of some sequences.

    Args: arrays, of leak and correction (sequence, step, unit), exit and rates, alike
    or without sequences; grid, slots and starts of `sequence`.

    Returns: own (order, lag, unit), sum of sizes; first (lag, unit), sum of the
    logarithms of order first; logarithms (order, lag), of the sizes' sum over units;
    by_sequence (sequence, order, lag).
    """
    leak, correction, exits, rates = arrays
    slots, starts = grid
    count, steps, units = leak.shape
    lanes = WIDTH // leak.itemsize
    panels, lags = (units + lanes - 1) // lanes, starts[-1]
    rows = zeros((EXIT + 1, panels * (steps + 1), lanes), leak.dtype)
    whole = zeros((FIRST_EXPONENT + 1, panels * lags, lanes), leak.dtype)
    own, of_first = np.zeros((3, lags, units)), np.zeros((lags, units))
    logarithms = np.zeros((3, lags))
    by_sequence = np.zeros((count, 3, lags))
    rated, through = rates.shape[0] > 0, exits.shape[0] > 0
    if not rated:
        pack(np.ones((steps, units), leak.dtype), rows, RATE)
    for n in range(count):
        pack(leak[n], rows, LEAK)
        pack(correction[n], rows, CORRECTION)
        for row in range(rows.shape[1]):
            both = load(rows, LEAK, row) + load(rows, CORRECTION, row)
            store(rows, OWN, row, both)
        if rated:
            pack(rates[n], rows, RATE)
        if through:
            pack(exits[n], rows, EXIT)
        sequence(rows, steps, slots, starts, through, whole, logarithms)
        finish(whole, lags, own, by_sequence[n], of_first)
    return own, of_first, logarithms, by_sequence


class Sums(NamedTuple):
    """Sums over all windows of some sequences.

    Attributes:
        sizes: of ``|mu[q]|``; (order, lag, unit).
        unit_logs: of ``log |mu[q]|`` of order first; (lag, unit).
        logs: of ``log sum_q |mu[q]|``; (order, lag).
        by_sequence: of ``sum_q |mu[q]|``; (sequence, order, lag).
    """

    sizes: Float[np.ndarray, "order lag unit"]
    unit_logs: Float[np.ndarray, "lag unit"]
    logs: Float[np.ndarray, "order lag"]
    by_sequence: Float[np.ndarray, "sequence order lag"]

    @classmethod
    def none(cls, sequences: int, lags: int, units: int) -> "Sums":
        """Return sums over no windows."""
        shapes = (3, lags, units), (lags, units), (3, lags), (sequences, 3, lags)
        return cls(*(np.zeros(shape) for shape in shapes))


Grid = tuple[Int[np.ndarray, "longest"], Int[np.ndarray, "span"]]


def sums(steps: Steps, rates: Tensor | None, grid: Grid) -> Sums:
    """Return the sums over the windows of some sequences; all has been checked."""
    none = steps.leak.new_zeros(0, 0, 0)
    inputs = (
        (none if array is None else array.detach()).contiguous().numpy()
        for array in (steps.leak, steps.correction, steps.exit, rates)
    )
    return Sums(*all_windows(tuple(inputs), grid))


def spans(lags: Int[np.ndarray, "lag"]) -> Grid:
    """Return each lag's slot in its span (-1: not recorded), each span's first place.

    Args:
        lags: lags in steps, from 0, ascending.
    """
    slots = np.full(lags[-1] + 1, -1)
    edges = np.arange(0, lags[-1] + 1 + SPAN, SPAN)
    starts = np.searchsorted(lags, edges)
    slots[lags] = np.arange(len(lags)) - starts[lags // SPAN]
    return slots, starts

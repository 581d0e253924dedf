"""From lag to lag: what of one source, or of two at once, arrives (see `_windows`).

A long product of sizes is kept as a product of mantissas, each in [1, 2), and a sum of
exponents: its logarithm costs a few bit operations a factor and one logarithm a block.
"""

from typing import Any

from llvmlite import ir
from numba.core import types

from ._vectors import Format, element, elementwise, intrinsic, load, part, store, total


@elementwise
def magnitude(builder: Any, form: Format, value: Any) -> Any:
    """Give ``|x|``."""
    return builder.bitcast(form.bits(builder, value), form.vector)


@elementwise
def mantissa(builder: Any, form: Format, value: Any) -> Any:
    """Give m of ``x = m 2^e``, 1 <= m < 2, for x >= 0; 0 for 0 and denormals."""
    low = form.whole((1 << form.mantissa) - 1)
    part = builder.and_(builder.bitcast(value, form.integer), low)
    part = builder.or_(part, form.whole(form.bias << form.mantissa))
    part = builder.bitcast(part, form.vector)
    none = builder.fcmp_ordered("<", value, form.real(form.tiny))
    return builder.select(none, form.real(0.0), part)


@elementwise
def exponent(builder: Any, form: Format, value: Any) -> Any:
    """Give e of ``x = m 2^e`` as a float, for x >= 0."""
    high = builder.lshr(builder.bitcast(value, form.integer), form.whole(form.mantissa))
    # 2^mantissa has unit spacing: an integer in its low bits is added to it.
    offset = form.whole((form.bias + form.mantissa) << form.mantissa)
    shifted = builder.bitcast(builder.or_(high, offset), form.vector)
    return builder.fsub(shifted, form.real(2.0**form.mantissa + form.bias))


@elementwise
def flushed(builder: Any, form: Format, value: Any) -> Any:
    """Give x, or 0 where x is denormal."""
    size = builder.bitcast(form.bits(builder, value), form.vector)
    none = builder.fcmp_ordered("<", size, form.real(form.tiny))
    return builder.select(none, form.real(0.0), value)


def _interleaved(builder: Any, a: Any, b: Any, size: int) -> Any:
    """Emit sums of neighbouring groups of `size` lanes, of a and of b by turns."""
    count = a.type.count
    pairs = [
        [
            source + start + offset + lane
            for start in range(0, count, 2 * size)
            for source in (0, count)
            for lane in range(size)
        ]
        for offset in (0, size)
    ]
    kind = ir.VectorType(ir.IntType(32), count)
    low, high = (builder.shuffle_vector(a, b, ir.Constant(kind, m)) for m in pairs)
    return builder.fadd(low, high)


@intrinsic
def add_totals(typing: Any, array: Any, i: Any, j: Any, x: Any, y: Any, z: Any) -> Any:
    """Add the sums of three vectors' lanes to ``array[i, j, :3]``, of 4 numbers.

    Three sums taken together need half the work of three.
    """

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        at, _ = element(context, builder, sig.args[0], *args[:3])
        x, y, z = args[3:]
        nothing = ir.Constant(x.type, None)
        xy = _interleaved(builder, x, y, 1)
        sums = _interleaved(builder, xy, _interleaved(builder, z, nothing, 1), 2)
        while sums.type.count > 4:  # x, y, z, 0, over and over
            half = sums.type.count // 2
            kind = ir.VectorType(ir.IntType(32), half)
            low, high = (
                ir.Constant(kind, list(range(start, start + half)))
                for start in (0, half)
            )
            sums = builder.fadd(
                builder.shuffle_vector(sums, sums, low),
                builder.shuffle_vector(sums, sums, high),
            )
        pointer = builder.bitcast(at, sums.type.as_pointer())
        size = array.dtype.bitwidth // 8
        before = builder.load(pointer, align=size)
        builder.store(builder.fadd(before, sums), pointer, align=size)
        return context.get_dummy_value()

    return types.void(array, types.intp, types.intp, x, y, z), emit


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

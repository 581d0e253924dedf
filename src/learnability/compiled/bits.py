"""What window kernels do to vectors beyond arithmetic: sizes, exponents, flushes.

A long product of sizes is kept as a product of mantissas, each in [1, 2), and a sum of
exponents: its logarithm costs a few bit operations a factor and one logarithm a block.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import types

from .vectors import element, intrinsic, lanes

SINGLE = lanes(np.dtype(np.float32))


class _Format:
    """The bits of an IEEE number of the vector's type."""

    def __init__(self, vector: ir.VectorType) -> None:
        single = vector.count == SINGLE
        self.vector = vector
        self.mantissa, self.bias = (23, 127) if single else (52, 1023)
        self.integer = ir.VectorType(ir.IntType(32 if single else 64), vector.count)
        self.tiny = 2.0 ** (1 - self.bias)  # the least number that is not denormal

    def whole(self, value: int) -> ir.Constant:
        element = ir.Constant(self.integer.element, value)
        return ir.Constant(self.integer, [element] * self.vector.count)

    def real(self, value: float) -> ir.Constant:
        element = ir.Constant(self.vector.element, value)
        return ir.Constant(self.vector, [element] * self.vector.count)

    def bits(self, builder: Any, value: Any) -> Any:
        """Emit the bits of ``|value|``."""
        every = (1 << (self.mantissa + (8 if self.bias == 127 else 11))) - 1
        return builder.and_(builder.bitcast(value, self.integer), self.whole(every))


def _elementwise(emit: Any) -> Any:
    """Make an intrinsic from vector to vector."""

    def typing(typing: Any, value: Any) -> Any:
        def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            return emit(builder, _Format(args[0].type), args[0])

        return value(value), lower

    typing.__name__ = typing.__qualname__ = emit.__name__
    typing.__doc__, typing.__module__ = emit.__doc__, emit.__module__
    return intrinsic(typing)


@_elementwise
def magnitude(builder: Any, form: _Format, value: Any) -> Any:
    """Give ``|x|``."""
    return builder.bitcast(form.bits(builder, value), form.vector)


@_elementwise
def mantissa(builder: Any, form: _Format, value: Any) -> Any:
    """Give m of ``x = m 2^e``, 1 <= m < 2, for x >= 0; 0 for 0 and denormals."""
    low = form.whole((1 << form.mantissa) - 1)
    part = builder.and_(builder.bitcast(value, form.integer), low)
    part = builder.or_(part, form.whole(form.bias << form.mantissa))
    part = builder.bitcast(part, form.vector)
    none = builder.fcmp_ordered("<", value, form.real(form.tiny))
    return builder.select(none, form.real(0.0), part)


@_elementwise
def exponent(builder: Any, form: _Format, value: Any) -> Any:
    """Give e of ``x = m 2^e`` as a float, for x >= 0."""
    high = builder.lshr(builder.bitcast(value, form.integer), form.whole(form.mantissa))
    # 2^mantissa has unit spacing: an integer in its low bits is added to it.
    offset = form.whole((form.bias + form.mantissa) << form.mantissa)
    shifted = builder.bitcast(builder.or_(high, offset), form.vector)
    return builder.fsub(shifted, form.real(2.0**form.mantissa + form.bias))


@_elementwise
def flushed(builder: Any, form: _Format, value: Any) -> Any:
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

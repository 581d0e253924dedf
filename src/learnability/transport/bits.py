"""What window kernels do to vectors beyond arithmetic: sizes, exponents, flushes.

A long product of sizes is kept as a product of mantissas, each in [1, 2), and a sum of
exponents: its logarithm costs a few bit operations a factor and one logarithm a block.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba.extending import intrinsic

from ..unroll.vectors import lanes

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

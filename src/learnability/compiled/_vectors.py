"""Vectors of one cache line inside compiled loops.

LLVM's vectoriser gives up on loops over as many arrays as a gated cell has, so the
loops say themselves what a vector is: 64 bytes (16 float32, 8 float64), which LLVM
splits into whatever registers the machine has. Arrays of vectors are ordinary arrays
whose last axis is one vector long.
"""

import math
import operator
from functools import partial
from typing import Any

import numpy as np
from llvmlite import ir
from numba import extending, njit
from numba.core import cgutils, types
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import models, register_model

WIDTH = 64  # bytes of a vector: a cache line, and the widest register in use

# LLVM may contract products and sums, nothing more: NaN and infinity keep their way.
FLAGS = ("contract",)

# Numba calls these with a typing context of its own, unknown to a type checker.
intrinsic: Any = extending.intrinsic
lower_builtin: Any = extending.lower_builtin
_infer: Any = infer_global

# A piece of a compiled loop: it is never called from Python and needs no way in.
# Nor does it own arrays: without counts of references a row takes half the time. And
# it is always made part of the loop: to hand over a hundred numbers, the addresses and
# shapes of all arrays, takes longer than most rows.
_njit: Any = njit
part = _njit(
    no_cpython_wrapper=True,
    no_cfunc_wrapper=True,
    error_model="numpy",
    _nrt=False,
    forceinline=True,
)

I32, I64 = ir.IntType(32), ir.IntType(64)


def lanes(dtype: np.dtype) -> int:
    """Give the number of scalars in a vector: 16 for float32, 8 for float64."""
    return WIDTH // dtype.itemsize


@_njit
def zeros(shape, dtype):
    """Give an array of zeros that begins on a cache line, so that no vector straddles
    two; for compiled loops, and as ``zeros.py_func`` for Python."""
    count = 1
    for length in shape:
        count *= length
    flat = np.zeros(count + WIDTH // 4, dtype)
    skip = (WIDTH - flat.ctypes.data % WIDTH) % WIDTH // flat.itemsize
    return flat[skip : skip + count].reshape(shape)


class Vector(types.Type):
    """The Numba type of a vector of scalars."""

    def __init__(self, dtype: types.Float) -> None:
        self.dtype = dtype
        self.lanes = 8 * WIDTH // dtype.bitwidth
        super().__init__(name=f"Vector({dtype})")


@register_model(Vector)
class VectorModel(models.PrimitiveModel):
    def __init__(self, dmm: Any, fe_type: Vector) -> None:
        scalar = dmm.lookup(fe_type.dtype).get_value_type()
        super().__init__(dmm, fe_type, ir.VectorType(scalar, fe_type.lanes))


def spread(builder: Any, scalar: Any, vector: ir.VectorType) -> Any:
    """Emit a vector with one scalar in all lanes."""
    undefined = ir.Constant(vector, ir.Undefined)
    first = builder.insert_element(undefined, scalar, I32(0))
    mask = ir.Constant(ir.VectorType(I32, vector.count), None)
    return builder.shuffle_vector(first, undefined, mask)


def _operator(function: Any, instruction: str) -> None:
    """Teach Numba one arithmetic operator on vectors, and on a vector and a number."""

    @_infer(function)
    class Template(AbstractTemplate):
        def generic(self, args: Any, kws: Any) -> Any:
            vector = next((a for a in args if isinstance(a, Vector)), None)
            fits = (isinstance(a, Vector | types.Number) for a in args)
            if vector is not None and all(fits):
                return signature(vector, *args)

    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        vector = context.get_value_type(sig.return_type)

        def widened(value: Any, kind: Any) -> Any:
            if isinstance(kind, Vector):
                return value
            scalar = context.cast(builder, value, kind, sig.return_type.dtype)
            return spread(builder, scalar, vector)

        both = map(widened, args, sig.args)
        return getattr(builder, instruction)(*both, flags=FLAGS)

    for kinds in ((Vector, Vector), (Vector, types.Number), (types.Number, Vector)):
        lower_builtin(function, *kinds)(lower)


_operator(operator.add, "fadd")
_operator(operator.sub, "fsub")
_operator(operator.mul, "fmul")
_operator(operator.truediv, "fdiv")


def element(
    context: Any, builder: Any, kind: Any, array: Any, *at: Any
) -> tuple[Any, Any]:
    """Emit the address of ``array[at]`` and the array's strides in bytes."""
    view = context.make_array(kind)(context, builder, array)
    strides = cgutils.unpack_tuple(builder, view.strides, kind.ndim)
    offset = I64(0)
    for index, stride in zip(at, strides, strict=False):
        offset = builder.add(offset, builder.mul(index, stride))
    return cgutils.pointer_add(builder, view.data, offset), strides


def function(builder: Any, name: str, result: Any, arguments: list[Any]) -> Any:
    kind = ir.FunctionType(result, arguments)
    return cgutils.get_or_insert_function(builder.module, kind, name)


def suffix(vector: ir.VectorType) -> str:
    return f"v{vector.count}f{512 // vector.count}"


@intrinsic
def load(typing: Any, array: Any, i: Any, j: Any) -> Any:
    """Give the vector ``array[i, j]``."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        vector = context.get_value_type(sig.return_type)
        at, _ = element(context, builder, sig.args[0], *args)
        pointer = builder.bitcast(at, vector.as_pointer())
        return builder.load(pointer, align=array.dtype.bitwidth // 8)

    return Vector(array.dtype)(array, types.intp, types.intp), emit


@intrinsic
def store(typing: Any, array: Any, i: Any, j: Any, value: Any) -> Any:
    """Write a vector to ``array[i, j]``."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        at, _ = element(context, builder, sig.args[0], *args[:3])
        pointer = builder.bitcast(at, args[3].type.as_pointer())
        builder.store(args[3], pointer, align=array.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(array, types.intp, types.intp, value), emit


@intrinsic
def fetch(typing: Any, array: Any, i: Any, j: Any, k: Any) -> Any:
    """Ask for the cache line of ``array[i, j, k]``, down to the second-level cache."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        at, _ = element(context, builder, sig.args[0], *args)
        byte = ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [byte, I32, I32, I32])
        ask = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        # To read, of locality 2, data: what is asked for in order to write, or for the
        # first level, waits as long as the access itself.
        builder.call(ask, [builder.bitcast(at, byte), I32(0), I32(2), I32(1)])
        return context.get_dummy_value()

    return types.void(array, *[types.intp] * 3), emit


@intrinsic
def splat(typing: Any, array: Any, value: Any) -> Any:
    """Give a vector of the array's dtype with one value in all lanes."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        scalar = context.cast(builder, args[1], value, array.dtype)
        return spread(builder, scalar, context.get_value_type(sig.return_type))

    return Vector(array.dtype)(array, value), emit


@intrinsic
def total(typing: Any, value: Any) -> Any:
    """Give the sum of a vector's lanes, always in the same order."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        vector = args[0].type
        name = f"llvm.vector.reduce.fadd.{suffix(vector)}"
        add = function(builder, name, vector.element, [vector.element, vector])
        start = ir.Constant(vector.element, -0.0)
        return builder.call(add, [start, args[0]], fastmath=("reassoc",))

    return value.dtype(value), emit


class Format:
    """The bits of an IEEE number of the vector's type."""

    def __init__(self, vector: ir.VectorType) -> None:
        self.vector = vector
        self.single = vector.count == lanes(np.dtype(np.float32))
        self.mantissa, self.bias = (23, 127) if self.single else (52, 1023)
        self.integer = ir.VectorType(I32 if self.single else I64, vector.count)
        self.tiny = 2.0 ** (1 - self.bias)  # the least number that is not denormal

    def whole(self, value: int) -> ir.Constant:
        one = ir.Constant(self.integer.element, value)
        return ir.Constant(self.integer, [one] * self.vector.count)

    def real(self, value: float) -> ir.Constant:
        one = ir.Constant(self.vector.element, value)
        return ir.Constant(self.vector, [one] * self.vector.count)

    def bits(self, builder: Any, value: Any) -> Any:
        """Emit the bits of ``|value|``."""
        every = (1 << (self.mantissa + (8 if self.bias == 127 else 11))) - 1
        return builder.and_(builder.bitcast(value, self.integer), self.whole(every))


def elementwise(emit: Any) -> Any:
    """Make an intrinsic from vector to vector."""

    def typing(typing: Any, value: Any) -> Any:
        def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            return emit(builder, Format(args[0].type), args[0])

        return value(value), lower

    typing.__name__ = typing.__qualname__ = emit.__name__
    typing.__doc__, typing.__module__ = emit.__doc__, emit.__module__
    return intrinsic(typing)


def _exp(builder: Any, form: Format, x: Any, more: float) -> Any:
    """Emit ``exp(x) + more``; with more = -1 accurate also where x is small.

    ``x = n ln 2 + r`` with ``|r| <= ln 2 / 2``, then ``2^n (exp(r) - 1) + 2^n + more``.
    Taylor's series is cut where the rest is below a quarter unit in the last place.
    """
    fadd, fsub, fmul = (
        partial(getattr(builder, name), flags=FLAGS)
        for name in ("fadd", "fsub", "fmul")
    )
    real, (limit, degree) = form.real, (87.0, 7) if form.single else (708.0, 13)
    for compare, bound in ((">", limit), ("<", -limit)):
        # Ordered: a NaN is beyond no bound and stays one.
        beyond = builder.fcmp_ordered(compare, x, real(bound))
        x = builder.select(beyond, real(bound), x)
    # Adding 1.5 * 2^mantissa rounds to an integer; the lowest bits are n + bias.
    magic = real(1.5 * 2.0**form.mantissa + form.bias)
    shifted = fadd(fmul(x, real(1 / math.log(2))), magic)
    n = builder.fsub(shifted, magic)
    # ln 2 in two parts, the first short enough that n times it is exact.
    few = 2.0 ** (12 if form.single else 42)
    high = math.floor(math.log(2) * few) / few
    r = fsub(x, fmul(n, real(high)))
    r = fsub(r, fmul(n, real(math.log(2) - high)))
    series = real(1 / math.factorial(degree))
    for k in range(degree - 1, 0, -1):
        series = fadd(fmul(series, r), real(1 / math.factorial(k)))
    series = fmul(series, r)
    bits = builder.bitcast(shifted, form.integer)
    power = builder.bitcast(builder.shl(bits, form.whole(form.mantissa)), x.type)
    return fadd(fmul(power, series), fadd(power, real(more)))


@elementwise
def root(builder: Any, form: Format, value: Any) -> Any:
    """Give the square root."""
    name = f"llvm.sqrt.{suffix(form.vector)}"
    return builder.call(function(builder, name, form.vector, [form.vector]), [value])


@elementwise
def sigmoid(builder: Any, form: Format, value: Any) -> Any:
    """Give ``1 / (1 + exp(-x))``; it never is a denormal number."""
    bottom = _exp(builder, form, builder.fneg(value), 1.0)
    return builder.fdiv(form.real(1.0), bottom)


@elementwise
def tanh(builder: Any, form: Format, value: Any) -> Any:
    """Give ``(exp(2x) - 1) / (exp(2x) + 1)``."""
    grown = _exp(builder, form, builder.fadd(value, value), -1.0)
    return builder.fdiv(grown, builder.fadd(grown, form.real(2.0)))

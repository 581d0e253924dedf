"""The products of the loops: tiles of four rows and one panel, in registers.

At the sizes of a step (8 to 32 rows, weights of 40 to 500 kB) a BLAS call reaches 35 to
67 GFLOP/s a core where these tiles reach 97, since the weights are cut into panels once
and not once a step. Rows of panels, (row, panel, lane), are read as rows of scalars.
"""

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types

from ._vectors import I64, Vector, element, function, intrinsic, part, spread, suffix

TILE = 4  # rows: 4 x 16 float32 take 8 of 16 AVX registers; 6 rows gain nothing


class _Tile:
    """The code of one tile: sums over k of ``a[row, k] b[k]``, b a vector."""

    def __init__(self, context: Any, builder: Any, kind: types.Float) -> None:
        self.builder, self.size = builder, kind.bitwidth // 8
        self.vector = context.get_value_type(Vector(kind))

    def rows(self, start: Any, stride: Any) -> list[Any]:
        """Emit the addresses of the tile's rows."""
        b = self.builder
        return [
            cgutils.pointer_add(b, start, b.mul(I64(r), stride)) for r in range(TILE)
        ]

    def load(self, at: Any) -> Any:
        pointer = self.builder.bitcast(at, self.vector.as_pointer())
        return self.builder.load(pointer, align=self.size)

    def store(self, value: Any, at: Any) -> None:
        pointer = self.builder.bitcast(at, self.vector.as_pointer())
        self.builder.store(value, pointer, align=self.size)

    def emit(self, a: Any, b: Any, out: Any, depth: Any, more: Any) -> None:
        """Emit the tile; a and b are (addresses, stride of k in bytes)."""
        builder, vector = self.builder, self.vector
        # Stack slots that LLVM turns into registers, since all indices are constants.
        zero = ir.Constant(vector, None)
        sums = [cgutils.alloca_once(builder, vector) for _ in out]
        for slot in sums:
            builder.store(zero, slot)
        with builder.if_then(more):
            for slot, row in zip(sums, out, strict=True):
                builder.store(self.load(row), slot)
        name = f"llvm.fmuladd.{suffix(vector)}"
        fma = function(builder, name, vector, [vector] * 3)
        scalar = vector.element.as_pointer()
        with cgutils.for_range(builder, depth, intp=I64) as loop:
            line, along = (builder.mul(loop.index, step) for _, step in (b, a))
            line = self.load(cgutils.pointer_add(builder, b[0], line))
            for slot, row in zip(sums, a[0], strict=True):
                factor = cgutils.pointer_add(builder, row, along, scalar)
                factor = spread(builder, builder.load(factor), vector)
                more = builder.call(fma, [factor, line, builder.load(slot)])
                builder.store(more, slot)
        for slot, row in zip(sums, out, strict=True):
            self.store(builder.load(slot), row)


@intrinsic
def tile(
    typing: Any, a: Any, b: Any, out: Any, i: Any, j: Any, k0: Any, k1: Any, more: Any
) -> Any:
    """Set, or add to, ``out[i:i+4, j] = sum of a[i:i+4, k] b[j, k] over k0 <= k < k1``.

    Args: a (row, panel, lane), b (panel, k, lane), out (row, panel, lane).
    """

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        va, vb, vo, i, j, k0, k1, more = args
        code = _Tile(context, builder, a.dtype)
        size = I64(code.size)
        at_a, by_a = element(context, builder, a, va, i)
        at_a = cgutils.pointer_add(builder, at_a, builder.mul(k0, size))
        at_b, by_b = element(context, builder, b, vb, j, k0)
        at_o, by_o = element(context, builder, out, vo, i, j)
        rows_a, rows_o = code.rows(at_a, by_a[0]), code.rows(at_o, by_o[0])
        depth = builder.sub(k1, k0)
        code.emit((rows_a, size), (at_b, by_b[1]), rows_o, depth, more)
        return context.get_dummy_value()

    return types.void(a, b, out, *[types.intp] * 4, types.boolean), emit


@intrinsic
def tile_across(
    typing: Any, a: Any, b: Any, out: Any, i: Any, j: Any, count: Any
) -> Any:
    """Add to ``out[i:i+4, j]`` the sum of ``a[k, i:i+4] b[k, j]`` over k.

    Args: a, b, out (row, panel, lane); k runs over the first `count` rows of a and b.
    """

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        va, vb, vo, i, j, count = args
        code = _Tile(context, builder, a.dtype)
        size = I64(code.size)
        at_a, by_a = element(context, builder, a, va)
        at_a = cgutils.pointer_add(builder, at_a, builder.mul(i, size))
        at_b, by_b = element(context, builder, b, vb, I64(0), j)
        at_o, by_o = element(context, builder, out, vo, i, j)
        rows_a, rows_o = code.rows(at_a, size), code.rows(at_o, by_o[0])
        code.emit((rows_a, by_a[0]), (at_b, by_b[0]), rows_o, count, cgutils.true_bit)
        return context.get_dummy_value()

    return types.void(a, b, out, *[types.intp] * 3), emit


@part
def multiply(a, b, out, panels, k0, k1, more):
    """Set, or add to, ``out[i, j] = sum of a[i, k] b[j, k]``, for panels j.

    Args: a, out (row, panel, lane), a whole number of tiles of rows; b (panel, k,
    lane); panels: first and last; k0, k1: first and last k.
    """
    for j in range(panels[0], panels[1]):
        for i in range(0, out.shape[0], TILE):
            tile(a, b, out, i, j, k0, k1, more)


@part
def correlate(a, b, out, panels, k0, k1, count):
    """Add to ``out[k, j]`` the sum over rows of ``a[row, k] b[row, j]``, panels j.

    Args: a, b (row, panel, lane); out (k, panel, lane); count: rows to sum over.
    """
    for j in range(panels[0], panels[1]):
        for k in range(k0, k1, TILE):
            tile_across(a, b, out, k, j, count)

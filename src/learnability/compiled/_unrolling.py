"""A cell through time, compiled: forward, backward and tangent on a CPU.

Memory, beyond inputs, states (where they are asked for) and gradients: if gradients are
wanted, until the backward pass has run the activations of all steps, N T H times 1
scalar (ConstGate, SharedGate), 2 (DiagGate), 3 (GRU) or 4 (TorchGRU, LSTM), H rounded
up to whole vectors (16 float32), N T vectors more with LayerNorm, and for a shared
gate, and the states before every eighth step (64 sequences; every other one from 193
on), from which the others are made again; and in the backward pass at most 32 copies
of the weights. Without gradients, a few hundred kilobytes a thread.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from ..cells import Cell
from . import _scan as scan
from ._tile import TILE
from ._vectors import WIDTH, zeros
from .layout import Layout, arrays, prepared
from .runtime import share

# Rows of a block: at most as many as keep its operands in a second-level cache of
# 512 KiB at 128 units; at least one tile; in between, PARTS blocks to share out.
ROWS, PARTS = 32, 8
# Sums of weight gradients that are kept apart until the end, and so the most threads
# that a backward pass can use; fixed, so that results do not depend on the threads.
SUMS = 32


def rows_of_block(batch: int) -> int:
    """Give the rows of a block, a function of the batch alone."""
    rows = -(-batch // PARTS)
    return min(ROWS, TILE * -(-rows // TILE))


def backward_bytes(cell: Cell, batch: int, steps: int, dtype: np.dtype) -> int:
    """Give the bytes that a forward pass holds for its backward pass.

    Args:
        cell: the recurrence.
        batch: sequences.
        steps: of each.
        dtype: of the inputs.
    """
    layout, rows = Layout(cell, dtype), rows_of_block(batch)
    vectors = -(-batch // rows) * rows * steps * layout.kept(layernorm=cell.layernorm)
    chunks = -(-steps // scan.span_of.py_func(rows, steps))
    return vectors * WIDTH + batch * chunks * cell.state_size * dtype.itemsize


class Unrolling:
    """One cell with given parameters over one batch, cut into blocks."""

    def __init__(
        self,
        cell: Cell,
        values: Mapping[str, Tensor],
        x: Tensor,
        state: Tensor,
        read: Tensor | None = None,
    ) -> None:
        self.x = x.detach().contiguous().numpy()
        self.state = state.detach().contiguous().numpy()
        self.prepared = prepared(cell, self.x.dtype, values)
        self.layout, self.rec, _ = self.prepared
        self.read = self.layout.row(None if read is None else read.detach().numpy())
        self.rows = rows_of_block(len(self.x))
        self.count = -(-len(self.x) // self.rows)

    def block(self, k: int) -> slice:
        return slice(k * self.rows, (k + 1) * self.rows)

    def empty(self, *shape: int) -> np.ndarray:
        """Give an array that begins on a cache line, so that no vector straddles two.

        NumPy asks for large pages, which PyTorch does not: a fresh 30 MB cost 8,000
        page faults there.
        """
        dtype = self.x.dtype
        spare = WIDTH // dtype.itemsize
        flat = np.empty(math.prod(shape) + spare, dtype)
        skip = -flat.ctypes.data % WIDTH // dtype.itemsize
        return flat[skip : skip + math.prod(shape)].reshape(shape)

    def forward(self, *, keep: bool) -> tuple[Tensor, list[Tensor]]:
        """Give states, or outputs if there is a read-out, and what `backward` needs.

        The last are the states between chunks of steps and each block's activations;
        unless `keep`, none, and the activations of the last step alone.
        """
        batch, steps, _ = self.x.shape
        vectors = self.layout.kept(layernorm=self.rec.gain.shape[1] > 0)
        reads, size = self.read.shape[1] > 0, self.state.shape[1]
        chunks = -(-steps // scan.span_of.py_func(self.rows, steps)) if keep else 0
        states = self.empty(batch, 0 if reads else steps, size)
        starts = self.empty(batch, chunks, size)
        outputs = self.empty(batch, steps if reads else 0)
        shape = (steps if keep else 1, self.rows, vectors, self.layout.lanes)
        # An array a block: the allocator keeps small ones for the next step.
        kept = [self.empty(*shape) for _ in range(self.count)]

        def task(k: int) -> None:
            b = self.block(k)
            found = states[b], starts[b], outputs[b], kept[k]
            scan.forward(self.rec, self.read, self.x[b], self.state[b], *found)

        share(task, range(self.count))
        parts = [torch.from_numpy(part) for part in (starts, *kept)]
        return torch.from_numpy(outputs if reads else states), parts

    def backward(
        self, parts: Sequence[Tensor], grad: Tensor, *, want_x: bool
    ) -> dict[str, Tensor]:
        """Give the gradients by name; x (if wanted), state and read among them.

        Args: parts, of `forward`; grad, of what it gave.
        """
        layout, sums = self.layout, min(self.count, SUMS)
        back, back_x = self.prepared.transposed()
        back_x = back_x if want_x else back_x[:0]
        by = grad.contiguous().numpy()
        by = by.reshape(*by.shape[:2], -1)
        starts, *kept = (part.numpy() for part in parts)
        d_x, d_state = np.empty_like(self.x), np.empty_like(self.state)
        d_weight = zeros.py_func((sums, *layout.gradient_shape), self.x.dtype)
        gains = zeros.py_func((sums, 3, *self.rec.live.shape[1:]), self.x.dtype)

        def task(s: int) -> None:
            for k in range(s, self.count, sums):
                b = self.block(k)
                given = self.x[b], starts[b], kept[k], by[b]
                found = d_x[b], d_state[b], d_weight[s], gains[s]
                scan.backward(self.rec, back, back_x, self.read, *given, *found)

        share(task, range(sums))
        named = layout.gradients(d_weight.sum(0), gains.sum(0))
        named |= {"x": d_x, "state": d_state}
        return {name: torch.from_numpy(value) for name, value in named.items()}

    def tangent(self, direction: Mapping[str, Tensor], *, carry: bool) -> Tensor:
        """Give the tangents of all states, total or (without `carry`) immediate."""
        weight, along = self.layout.direction(arrays(direction))
        totals = self.empty(*self.x.shape[:2], self.state.shape[1])

        def task(k: int) -> None:
            b = self.block(k)
            given = weight, along, self.x[b], self.state[b], carry
            scan.tangent(self.rec, *given, totals[b])

        share(task, range(self.count))
        return torch.from_numpy(totals)

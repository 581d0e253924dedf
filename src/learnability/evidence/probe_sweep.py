"""Probe statistics, compiled: the gradients of one sequence's probes at a time.

All probes of a sequence, and its loss, go back through the same steps: they share the
partial derivatives and differ in the weights of the outputs only. A few rows (probes)
are led back through all steps together; then each row's gradient is made, met with
what it is wanted for while it is in the first-level cache, and forgotten. What leads a
cotangent back is the compiled recurrence's own, `unroll.transposed` and `unroll.scan`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, final

import numpy as np
import torch
from numba import njit
from torch import Tensor

from ..tasks import Sequences
from ..transport.adjoint import unrolled
from ..unroll import Network
from ..unroll.layout import Layout
from ..unroll.pointwise import AFTER, MEMORY, slots
from ..unroll.scan import gather, sources_of, step_back, weigh
from ..unroll.tile import TILE
from ..unroll.transposed import pull
from ..unroll.vectors import load, part, splat, store, total
from ..workers import in_threads

# Rows that go back together: their cotangents of all steps stay in a second-level
# cache (8 rows, 96 steps, a GRU of 32 units: 340 kB), and two threads share 48 evenly.
ROWS = 8
# Sequences of a block, and blocks whose partial derivatives are kept at a time.
BLOCK, WAVE = 16, 4

AsStrided = np.lib.stride_tricks.as_strided


@part
def read_back(rec, weight, w_out, t, past):
    """Add the cotangents of step t's output, led back through the read-out."""
    for r in range(weight.shape[0]):
        share = splat(past, weight[r, t])
        for p in range(rec.live.shape[1]):
            store(past, r, p, load(past, r, p) + share * load(w_out, 0, p))


@part
def norm_back(rec, saved, past, past_c, norm):
    """Add each row's gradient of LayerNorm's gain and bias, one behind the other."""
    panels, slot = rec.live.shape[1], slots(rec)
    for r in range(norm.shape[0]):
        for p in range(panels):
            now = load(past, r, p)
            if rec.gate == MEMORY:
                now = load(past_c, r, p) + load(saved, r, 5 * panels + p) * now
            y = load(saved, r, panels + p) * now
            xhat = load(saved, r, slot * panels + p)
            store(norm, r, p, load(norm, r, p) + y * xhat)
            store(norm, r, panels + p, load(norm, r, panels + p) + y)


@part
def clean(rec, own):
    """Blank what `weigh` writes where there is no weight: x before ``U_g h + b_u``."""
    if rec.reset == AFTER:
        panels = rec.live.shape[1]
        for k in range(panels * rec.live.shape[2] + 1, own.shape[0]):
            for p in range(3 * panels, own.shape[1]):
                store(own, k, p, splat(own, 0.0))


@part
def add(own, whole):
    """Add a gradient to a sum of gradients; give its square."""
    square = splat(own, 0.0)
    for k in range(own.shape[0]):
        for p in range(own.shape[1]):
            value = load(own, k, p)
            square = square + value * value
            store(whole, k, p, load(whole, k, p) + value)
    return total(square)


@part
def meet(own, first, second):
    """Give the product of a gradient with the sum of both halves' sums."""
    dot = splat(own, 0.0)
    for k in range(own.shape[0]):
        for p in range(own.shape[1]):
            dot = dot + load(own, k, p) * (load(first, k, p) + load(second, k, p))
    return total(dot)


@part
def product(one, other):
    """Give the product of two gradients."""
    dot = splat(one, 0.0)
    for k in range(one.shape[0]):
        for p in range(one.shape[1]):
            dot = dot + load(one, k, p) * load(other, k, p)
    return total(dot)


@njit(cache=True, nogil=True)
def probe_rows(
    rec, back, x, states, saved, weight, w_out, first, sums, gradients, found, norm
):
    """Make the gradients of some rows of a block of sequences, and use them.

    Args: saved (step, sequence, slot, lane); weight (sequence, row, step), of each
    output; w_out (1, panel, lane); first, the place of the block's first sequence;
    sums (row, part, column, panel, lane); gradients (sequence, column, panel, lane) of
    the loss, or none. Without them the gradient of sequence n is added to part n
    modulo parts of `sums`, and found[0], (row, sequence), is its square; with them
    found[0] is its product with the sum over both parts and found[1] that of the
    loss's gradient with the part that n is not in. norm (sequence, row, panel, lane),
    added to: the gradients of LayerNorm's gain and bias.
    """
    lanes, panels, wide = saved.shape[3], rec.live.shape[1], rec.weight.shape[0]
    steps, rows = x.shape[1], TILE * ((weight.shape[1] + TILE - 1) // TILE)
    past = np.zeros((rows, panels, lanes), x.dtype)
    past_c, turned = np.zeros_like(past), np.zeros_like(past)
    grads = np.zeros((steps, rows, wide + 1, lanes), x.dtype)
    sources = sources_of(rec, steps, x.dtype)
    start = np.zeros((1, states.shape[2]), x.dtype)
    own = np.zeros(sums.shape[2:], x.dtype)
    gains = np.zeros((2, panels, lanes), x.dtype)
    for i in range(x.shape[0]):
        alone = slice(i, i + 1)
        gather(rec, x[alone], start, states[alone], saved[:, alone], 0, steps, sources)
        past[:] = 0
        past_c[:] = 0
        for t in range(steps - 1, -1, -1):
            # Every row of the view is the sequence's own: a stride of nothing.
            line = saved[t, i]
            shared = AsStrided(
                line, (rows, line.shape[0], lanes), (0, line.strides[0], line.strides[1])
            )
            read_back(rec, weight[i], w_out, t, past)
            if rec.gain.shape[1] > 0:
                norm_back(rec, shared, past, past_c, norm[i])
            pull(rec, shared, past, past_c, grads[t], gains)
            step_back(rec, back, shared, past, turned, grads[t])
        for r in range(weight.shape[1]):
            own[:] = 0
            weigh(rec, sources, grads[:, r], steps, own)
            clean(rec, own)
            if gradients.shape[0] == 0:
                found[0, r, i] = add(own, sums[r, (first + i) % sums.shape[1]])
            else:
                found[0, r, i] = meet(own, sums[r, 0], sums[r, 1])
                other = sums[r, 1 - (first + i) % 2]
                found[1, r, i] = product(gradients[i], other)


class Found(NamedTuple):
    """What a pass gives: a row a probe, a column a sequence."""

    square: np.ndarray
    dot: np.ndarray
    projection: np.ndarray


@dataclass(frozen=True)
class _Block:
    """Some sequences, unrolled: inputs, states, partial derivatives, errors.

    Attributes:
        first: the place of the first of them.
    """

    first: int
    x: np.ndarray
    states: np.ndarray
    saved: np.ndarray
    error: np.ndarray

    @property
    def place(self) -> slice:
        return slice(self.first, self.first + len(self.x))


@final
class Sweep:
    """The gradients of all probes of some sequences, made and used twice.

    Args:
        network: own cell and read-out, on a CPU.
        data: the sequences.
        signals: ``phi_0(t)``, (direction, sequence, step).
        probes: (direction, lag) of every row.
        progress: called with the share of the work that is done.
    """

    def __init__(
        self,
        network: Network,
        data: Sequences,
        signals: Tensor,
        probes: list[tuple[int, int]],
        progress: Callable[[float], None] | None,
    ) -> None:
        cell, values = network.cell, dict(network.cell.named_parameters())
        values = {name: value.detach() for name, value in values.items()}
        self.layout = Layout(cell, data.x.dtype)
        matrix = self.layout.stack(values)
        self.rec = self.layout.recurrence(matrix, values)
        self.back = self.layout.transposed(matrix)[0]
        self.w_out = self.layout.row(network.w_out.detach())
        self.network, self.data, self.progress = network, data, progress
        self.signals = signals.detach().contiguous().numpy()
        self.probes = probes
        self.groups = [
            slice(start, min(start + ROWS, len(probes)))
            for start in range(0, len(probes), ROWS)
        ]
        dtype, size = self.signals.dtype, (len(probes), 2)
        # A row's sums belong to one thread, so that no order of threads can matter.
        self.sums = np.zeros((*size, *self.layout.gradient_shape), dtype)
        self.rest = np.zeros((*size, self._rest_size), dtype)

    @cached_property
    def _rest_size(self) -> int:
        """How many numbers LayerNorm's and the read-out's gradients have."""
        norm = 2 * self.rec.gain.shape[1] * self.layout.lanes
        return norm + self.layout.units + 1

    def statistics(self) -> Found:
        """Pass twice over the sequences: for the sums, and for the products."""
        square = self._pass(0)[0]
        dot, projection = self._pass(1)
        length = (self.sums.astype(float) ** 2).sum(axis=(2, 3, 4))
        length = np.sqrt(length + (self.rest.astype(float) ** 2).sum(axis=2))
        for half in (0, 1):
            other = length[:, 1 - half, None]
            own = projection[:, half::2]
            own[:] = np.where(other > 0, own / np.where(other > 0, other, 1.0), 0.0)
        return Found(square, dot, projection)

    def _pass(self, passed: int) -> np.ndarray:
        """Go once over all sequences; give ``found`` of `probe_rows` for all."""
        found = np.zeros((2, len(self.probes), len(self.data)), self.signals.dtype)
        starts = list(range(0, len(self.data), BLOCK))
        for wave in range(0, len(starts), WAVE):
            chosen = starts[wave : wave + WAVE]
            blocks = list(in_threads(self._unrolled, chosen, with_torch=True))
            losses = list(in_threads(self._loss, blocks)) if passed else []

            def work(group: slice, here: list = blocks, by: list = losses) -> None:
                for place, block in enumerate(here):
                    loss = by[place] if by else None
                    self._use(group, block, loss, found)

            list(in_threads(work, self.groups))
            if self.progress is not None:
                done = min(1.0, (wave + WAVE) / len(starts))
                self.progress((passed + done) / 2)
        return found.astype(float)

    def _unrolled(self, first: int) -> _Block:
        place = slice(first, first + BLOCK)
        x = self.data.x[place].detach()
        size = self.network.cell.state_size
        saved, states = unrolled(self.rec, self.layout, x.contiguous().numpy(), size)
        with torch.no_grad():
            error = self.network.read(torch.from_numpy(states)) - self.data.y[place]
        return _Block(first, x.contiguous().numpy(), states, saved, error.numpy())

    def _rows(
        self, block: _Block, weight: np.ndarray, first: int, sums: np.ndarray, *, by: np.ndarray, found: np.ndarray
    ) -> np.ndarray:
        """Make the gradients of some rows; give those of what is not in the matrix."""
        lanes = self.layout.lanes
        norm = np.zeros((*weight.shape[:2], 2 * self.rec.gain.shape[1], lanes), weight.dtype)
        probe_rows(
            self.rec, self.back, block.x, block.states, block.saved, weight, self.w_out,
            first, sums, by, found, norm,
        )
        read = weight @ block.states[..., : self.layout.units]
        parts = (norm.reshape(*weight.shape[:2], -1), read, weight.sum(-1)[..., None])
        return np.concatenate(parts, axis=-1)

    def _loss(self, block: _Block) -> tuple[np.ndarray, np.ndarray]:
        """Give the gradient of each sequence's loss: of the matrix, and of the rest."""
        weight = (block.error / block.error.shape[1])[:, None]
        shape = self.layout.gradient_shape
        sums = np.zeros((1, len(block.x), *shape), weight.dtype)
        found = np.zeros((2, 1, len(block.x)), weight.dtype)
        none = np.zeros((0, *shape), weight.dtype)
        rest = self._rows(block, weight, 0, sums, by=none, found=found)
        return sums[0], rest[:, 0]

    def _weight(self, group: slice, block: _Block) -> np.ndarray:
        """Give ``phi_l(t)/T``, (sequence, row, step)."""
        steps = block.x.shape[1]
        shape = (len(block.x), group.stop - group.start, steps)
        weight = np.zeros(shape, self.signals.dtype)
        for row, (direction, lag) in enumerate(self.probes[group]):
            past = self.signals[direction, block.place, : steps - lag]
            weight[:, row, lag:] = past / steps
        return weight

    def _use(
        self,
        group: slice,
        block: _Block,
        loss: tuple[np.ndarray, np.ndarray] | None,
        found: np.ndarray,
    ) -> None:
        weight, sums = self._weight(group, block), self.sums[group]
        none = np.zeros((0, *self.layout.gradient_shape), weight.dtype)
        by = none if loss is None else loss[0]
        own = np.zeros((2, weight.shape[1], len(block.x)), weight.dtype)
        rest = self._rows(block, weight, block.first, sums, by=by, found=own)
        parity = (block.first + np.arange(len(block.x))) % 2
        if loss is None:
            own[0] += (rest**2).sum(axis=-1).T
            for half in (0, 1):
                self.rest[group, half] += rest[parity == half].sum(axis=0)
        else:
            own[0] += np.einsum("nre,re->rn", rest, self.rest[group].sum(axis=1))
            other = self.rest[group][:, 1 - parity]
            own[1] += np.einsum("ne,rne->rn", loss[1], other)
        found[:, group, block.place] += own

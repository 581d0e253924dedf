"""Probe statistics on the compiled engine: two passes, no gradient is ever kept."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, final

import numpy as np
import torch
from torch import Tensor

from ..tasks import Sequences
from ..transport.adjoint import unrolled
from ..transport.rows import probe_rows
from ..unroll import Network
from ..unroll.layout import Layout, arrays
from ..workers import in_threads, share
from .spread import Spread

# Rows that go back together: their cotangents of all steps stay in a second-level
# cache (8 rows, 96 steps, a GRU of 32 units: 340 kB), and two threads share 48 evenly.
ROWS = 8
# Sequences of a block, and blocks whose partial derivatives are kept at a time.
BLOCK, WAVE = 16, 4


class Found(NamedTuple):
    """What a pass gives: a row a probe, a column a sequence."""

    square: np.ndarray
    dot: np.ndarray
    projection: np.ndarray
    tilt: np.ndarray


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
        self.signals = signals.detach().contiguous().numpy()
        values = arrays(dict(network.cell.named_parameters()))
        self.layout = Layout(network.cell, self.signals.dtype)
        matrix = self.layout.stack(values)
        self.rec = self.layout.recurrence(matrix, values)
        self.back = self.layout.transposed(matrix)[0]
        self.w_out = self.layout.row(network.w_out.detach().numpy())
        self.network, self.data, self.progress = network, data, progress
        self.probes = probes
        self.groups = [
            slice(start, min(start + ROWS, len(probes)))
            for start in range(0, len(probes), ROWS)
        ]
        dtype, size = self.signals.dtype, (len(probes), 2)
        # A row's sums belong to one thread, so that no order of threads can matter.
        self.sums = np.zeros((*size, *self.layout.gradient_shape), dtype)
        self.rest = np.zeros((*size, self._rest_size), dtype)
        self.mean, self.rest_mean = self._mean()

    @cached_property
    def _rest_size(self) -> int:
        """How many numbers LayerNorm's and the read-out's gradients have."""
        norm = 2 * self.rec.gain.shape[1] * self.layout.lanes
        return norm + self.layout.units + 1

    def _mean(self) -> tuple[np.ndarray, np.ndarray]:
        """Give ``E d yhat_t/d theta``: of the matrix, and of the rest."""
        names, values = zip(*self.network.named_parameters(), strict=True)
        size = self.data.y.numel()
        total = [torch.zeros_like(value) for value in values]
        for x in self.data.x.split(BLOCK * WAVE):
            output = self.network(x).sum() / size
            found = torch.autograd.grad(output, values, allow_unused=True)
            total = [
                t if g is None else t + g for t, g in zip(total, found, strict=True)
            ]
        named = {
            name.removeprefix("cell."): value.detach().numpy()
            for name, value in zip(names, total, strict=True)
        }
        layout, shape = self.layout, self.layout.gradient_shape
        matrix = layout.stack(named).T
        matrix = np.pad(matrix, ((0, shape[0] - len(matrix)), (0, 0)))
        norm = [layout.row(named.get(name)) for name in ("ln_weight", "ln_bias")]
        read = (named["w_out"], named["b_out"].reshape(1))
        rest = np.concatenate([*(n.ravel() for n in norm), *read])
        return np.ascontiguousarray(matrix.reshape(shape)), rest

    def found(self) -> Found:
        """Pass twice over the sequences: for the sums, and for the products."""
        square = self._pass(0)[0]
        whole = np.concatenate(
            (self.sums.reshape(*self.rest.shape[:2], -1), self.rest), axis=-1
        )
        spread = Spread.along(whole)
        for places, gradients in self._losses():
            spread.add(places, gradients)
        across = spread.across().astype(whole.dtype)
        inside = across.shape[-1] - self._rest_size
        self.across_rest = across[..., inside:]
        self.across = across[..., :inside].reshape(self.sums.shape).copy()
        dot, product = self._pass(1)
        return Found(
            square, dot, spread.projection(len(self.data)), spread.tilt(product)
        )

    def _losses(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield places of sequences and the gradients of their losses."""
        starts = list(range(0, len(self.data), BLOCK))
        for wave in range(0, len(starts), WAVE):
            chosen = starts[wave : wave + WAVE]
            blocks = list(in_threads(self._unrolled, chosen, with_torch=True))
            made = list(in_threads(self._loss, blocks))
            places = [b.first + np.arange(len(b.x)) for b in blocks]
            yield np.concatenate(places), np.concatenate(made)

    def _pass(self, passed: int) -> np.ndarray:
        """Go once over all sequences; give ``found`` of `probe_rows` for all."""
        found = np.zeros((2, len(self.probes), len(self.data)), self.signals.dtype)
        starts = list(range(0, len(self.data), BLOCK))
        for wave in range(0, len(starts), WAVE):
            chosen = starts[wave : wave + WAVE]
            blocks = list(in_threads(self._unrolled, chosen, with_torch=True))

            def work(group: slice, here: list = blocks) -> None:
                for block in here:
                    self._use(group, block, found, again=passed > 0)

            share(work, self.groups)
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
        self,
        block: _Block,
        weight: np.ndarray,
        first: int,
        sums: np.ndarray,
        *,
        by: np.ndarray,
        found: np.ndarray,
        centred: bool = True,
    ) -> np.ndarray:
        """Make the gradients of some rows; give those of what is not in the matrix."""
        lanes = self.layout.lanes
        norm = np.zeros(
            (*weight.shape[:2], 2 * self.rec.gain.shape[1], lanes), weight.dtype
        )
        probe_rows(
            self.rec,
            self.back,
            block.x,
            block.states,
            block.saved,
            weight,
            self.w_out,
            self.mean if centred else np.zeros_like(self.mean),
            first,
            sums,
            by,
            found,
            norm,
        )
        read = weight @ block.states[..., : self.layout.units]
        parts = (norm.reshape(*weight.shape[:2], -1), read, weight.sum(-1)[..., None])
        rest = np.concatenate(parts, axis=-1)
        return rest - weight.sum(-1)[..., None] * self.rest_mean if centred else rest

    def _loss(self, block: _Block) -> np.ndarray:
        """Give the gradient of each sequence's loss, (sequence, parameter)."""
        weight = (block.error / block.error.shape[1])[:, None]
        shape = self.layout.gradient_shape
        sums = np.zeros((1, len(block.x), *shape), weight.dtype)
        found = np.zeros((2, 1, len(block.x)), weight.dtype)
        none = np.zeros((0, *sums.shape[1:]), weight.dtype)
        rest = self._rows(block, weight, 0, sums, by=none, found=found, centred=False)
        return np.concatenate((sums[0].reshape(len(block.x), -1), rest[:, 0]), axis=1)

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
        found: np.ndarray,
        *,
        again: bool,
    ) -> None:
        weight, sums = self._weight(group, block), self.sums[group]
        by = self.across[group] if again else sums[:0]
        own = np.zeros((2, weight.shape[1], len(block.x)), weight.dtype)
        rest = self._rows(block, weight, block.first, sums, by=by, found=own)
        parity = (block.first + np.arange(len(block.x))) % 2
        if not again:
            own[0] += (rest**2).sum(axis=-1).T
            for half in (0, 1):
                self.rest[group, half] += rest[parity == half].sum(axis=0)
        else:
            own[0] += np.einsum("nre,re->rn", rest, self.rest[group].sum(axis=1))
            other = self.across_rest[group][:, 1 - parity]
            own[1] += np.einsum("nre,rne->rn", rest, other)
        found[:, group, block.place] += own

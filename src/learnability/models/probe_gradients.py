"""The gradients of all probes of a sample, and what N(l) is made of.

Gradients come from the compiled engine where it knows the cell, and from automatic
differentiation elsewhere. Where those of one row of all sequences fit into memory, each
is made once and kept until it has been used; otherwise they are made twice, a chunk at
a time.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import product
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ..evidence.probe import CHUNK_BYTES, _products, _sums, shifted
from ..evidence.sequence_gradients import cell_gradients
from ..evidence.spread import Spread
from ..transport.adjoint import sweeps
from ..transport.row_gradients import row_gradients
from .probing import Probes
from .sample import Sample

KEPT_BYTES = 192 * 2**20  # of one row's gradients, and as many of the losses'
PART_BYTES = 8 * 2**20  # of the cotangents of some sequences
FEWEST = 16  # sequences of a part, so that two threads and their blocks have work

Progress = Callable[[float], None]
Row = tuple[int, int, int]  # lag, probe, axis


class Statistics(NamedTuple):
    """What N(l) is made of; see `evidence.ProbeStatistics`."""

    square: Float[np.ndarray, "lag sequence"]
    dot: Float[np.ndarray, "lag sequence"]
    projection: Float[np.ndarray, "lag pair sequence"]
    tilt: Float[np.ndarray, "lag pair sequence"]


def statistics(
    sample: Sample,
    chosen: Probes,
    lags: list[int],
    progress: Progress,
    *,
    keep: float = KEPT_BYTES,
) -> Statistics:
    """Measure the probe gradients of all lags.

    Args:
        sample: the sequences.
        chosen: what to probe.
        lags: lags in steps, from 1.
        progress: called with the share of the work that is done.
        keep: bytes that the gradients of one row may take.
    """
    way = kept if len(sample) * row_bytes(sample)[0] <= keep else streamed
    parts = way(sample, chosen, lags, progress)
    square, dot, projection, tilt = (
        np.concatenate(column).reshape(len(lags), chosen.pairs, len(sample))
        for column in zip(*parts, strict=True)
    )
    return Statistics(square.mean(axis=1), dot.mean(axis=1), projection, tilt)


def row_bytes(sample: Sample) -> tuple[int, int]:
    """Give the bytes of one row's gradient, and of its way through a sequence."""
    size = sum(p.numel() for p in sample.cell.parameters())
    way = sample.x.shape[1] * (sample.cell.state_size + 8 * sample.cell.units)
    return size * sample.x.element_size(), way * sample.x.element_size()


def kept(
    sample: Sample, chosen: Probes, lags: list[int], progress: Progress
) -> Iterator[Statistics]:
    """Yield the statistics of some rows after others; each gradient is made once."""
    rows = list(product(lags, range(len(chosen.signals)), range(len(chosen.axes))))
    loss, mean = _loss_and_mean(sample, chosen)
    count = max(1, min(len(rows), int(CHUNK_BYTES // loss.nbytes)))
    room = loss.new_empty(len(sample), count, loss.shape[1])
    for start in range(0, len(rows), count):
        own = rows[start : start + count]
        found = room[:, : len(own)]
        for part in _parts(sample, len(own)):
            by, level = cotangents(sample, chosen, own, part)
            found[part] = parameter_gradients(sample.part(part), by)
            axes = [axis for _, _, axis in own]
            found[part] -= level[..., None] * mean[axes]
        yield used(found, loss)
        progress(min(1.0, (start + count) / len(rows)))


def used(probes: Tensor, loss: Tensor) -> Statistics:
    """Give squares, products with the sum, projections on the other half's sum."""
    halves = torch.stack([probes[0::2].sum(dim=0), probes[1::2].sum(dim=0)], dim=1)
    spread = Spread.along(halves.double().cpu().numpy())
    spread.add(np.arange(len(loss)), loss.cpu().numpy())
    across = torch.from_numpy(spread.across()).to(probes)
    tilted = probes.new_empty(probes.shape[1], len(probes))
    for half in (0, 1):
        own = torch.einsum("nrp,rp->rn", probes[half::2], across[:, 1 - half])
        tilted[:, half::2] = own
    square = torch.linalg.vector_norm(probes, dim=-1).T ** 2
    dot = torch.einsum("nrp,rp->rn", probes, halves.sum(dim=1))
    square, dot, tilted = (v.double().cpu().numpy() for v in (square, dot, tilted))
    return Statistics(square, dot, spread.projection(len(loss)), spread.tilt(tilted))


def streamed(
    sample: Sample, chosen: Probes, lags: list[int], progress: Progress
) -> Iterator[Statistics]:
    """Yield the statistics of some rows after others; no gradient is kept."""
    rows = list(product(lags, range(len(chosen.signals)), range(len(chosen.axes))))
    walk = Walk(sample, chosen, rows, mean_gradient(sample, chosen))
    count = max(1, int(CHUNK_BYTES // sum(row_bytes(sample))))
    for start in range(0, len(rows), count):

        def share(done: float, start: int = start) -> None:
            progress(min(1.0, (start + done * count) / len(rows)))

        walk = replace(walk, wanted=rows[start : start + count], progress=share)
        sums, square = _sums(walk)
        yield Statistics(square, *_products(walk, sums))


@dataclass(frozen=True)
class Walk:
    """A pass over the sequences; see `evidence.probe.Chunks`."""

    data: Sample
    probes: Probes
    wanted: list[Row]
    mean: Float[Tensor, "axis parameter"]
    progress: Progress | None = field(default=None, repr=False)

    @property
    def rows(self) -> int:
        return len(self.wanted)

    def chunks(self, passed: int) -> Iterator[tuple[slice, Tensor]]:
        """Yield sequences and the gradients of their probes, a row a (lag, pair)."""
        axes = [axis for _, _, axis in self.wanted]
        for part in self._chunks(self.rows):
            by, level = cotangents(self.data, self.probes, self.wanted, part)
            found = parameter_gradients(self.data.part(part), by).double()
            found -= level[..., None] * self.mean[axes]
            yield part, found
            if self.progress is not None:
                self.progress((passed + part.stop / len(self.data)) / 2)

    def losses(self) -> Iterator[tuple[slice, Tensor]]:
        """Yield sequences and the gradients of their losses."""
        for part in self._chunks(1):
            own = self.data.part(part)
            yield part, parameter_gradients(own, own.delta[:, None])[:, 0].double()

    def _chunks(self, rows: int) -> Iterator[slice]:
        chunk = max(1, int(CHUNK_BYTES // (sum(row_bytes(self.data)) * rows)))
        for start in range(0, len(self.data), chunk):
            yield slice(start, min(start + chunk, len(self.data)))


def cotangents(
    sample: Sample, chosen: Probes, rows: list[Row], part: slice
) -> tuple[Float[Tensor, "sequence row step state"], Float[Tensor, "sequence row"]]:
    """Give ``phi_l(t) rho_k/m`` of some rows, and its sum over steps along rho_k."""
    own = sample.part(part)
    past = [shifted(chosen.signals[probe, part], lag) for lag, probe, _ in rows]
    weights = torch.stack(past, dim=1) * (own.looks / own.count[:, None])[:, None]
    axes = chosen.axes[[axis for _, _, axis in rows]]
    return weights[..., None] * axes[:, None], weights.sum(dim=-1)


def _parts(sample: Sample, rows: int) -> Iterator[slice]:
    """Yield as many sequences at a time as their cotangents have room for."""
    count = max(FEWEST, int(PART_BYTES // (sample.states[0].nbytes * rows)))
    for start in range(0, len(sample), count):
        yield slice(start, min(start + count, len(sample)))


def _loss_and_mean(
    sample: Sample, chosen: Probes
) -> tuple[Float[Tensor, "sequence parameter"], Float[Tensor, "axis parameter"]]:
    """Give the gradient of each sequence's loss, and `mean_gradient`."""
    loss, total = sample.x.new_empty(0), 0.0
    for part in _parts(sample, len(chosen.axes) + 1):
        own = sample.part(part)
        by = torch.cat((_by_axes(own, chosen), own.delta[:, None]), dim=1)
        found = parameter_gradients(own, by)
        if not len(loss):
            loss = found.new_empty(len(sample), found.shape[-1])
        loss[part] = found[:, -1]
        total = total + found[:, :-1].sum(dim=0, dtype=torch.float64)
    return loss, (total / len(sample)).to(loss.dtype)  # pyright: ignore


def mean_gradient(sample: Sample, chosen: Probes) -> Float[Tensor, "axis parameter"]:
    """Give ``E d(state_t . rho_k)/d theta``, which is taken off every probed gradient.

    A probe has mean 0, so that this changes no mean, only its noise (docs/windows.md).
    """
    parts = [sample.part(part) for part in _parts(sample, len(chosen.axes))]
    found = (parameter_gradients(own, _by_axes(own, chosen)) for own in parts)
    return sum(g.sum(dim=0, dtype=torch.float64) for g in found) / len(sample)  # pyright: ignore


def _by_axes(sample: Sample, chosen: Probes) -> Tensor:
    weight = sample.looks / sample.count[:, None]
    return torch.einsum("nt,ks->nkts", weight, chosen.axes)


def parameter_gradients(
    sample: Sample, cotangent: Float[Tensor, "sequence row step state"]
) -> Float[Tensor, "sequence row parameter"]:
    """Give the gradients by the layer's parameters, and by a linear read-out's.

    They come in no particular order, and with zeros between them.
    """
    if sweeps(sample.cell, sample.x):
        found = row_gradients(sample.cell, sample.x, cotangent)
    else:
        found = cell_gradients(sample.cell, sample.x, sample.states, cotangent)
    w = sample.read_out
    if w is None:
        return found
    weight = cotangent @ w / (w @ w)
    by_weight = weight @ sample.states[..., sample.cell.output]
    return torch.cat((found, by_weight, weight.sum(dim=-1, keepdim=True)), dim=-1)

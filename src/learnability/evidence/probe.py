"""Probe gradients: would a dependency at lag l show in the gradient?

Probe ``phi_l(t) = u . x_{t-l}`` of unit variance; ``S_n(l) = (1/m) sum_t phi_l(t)
d(state_t . rho)/d theta``, over the m steps at which the loss looks, is what a
dependency of unit strength adds to the gradient of sequence n along the axis rho, and
``G_n`` the gradient of its loss (docs/explanation/windows.md).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import repeat
from typing import final

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..cells.closed import ClosedForm
from ..compiled.engine import Engine, chosen, row_gradients
from ..detection.leave_one_out import Turning
from .gradients import Chunk, Numbers, Products, blocks, cell_gradients, pre_cotangents
from .pieces import Over, Parts, in_one
from .sample import Sample
from .statistics import KEPT_BYTES, SequenceGradients, statistics

PART_BYTES = 8 * 2**20  # of the gradients of some sequences, made at a time
STEPWISE_BYTES = 32 * 2**20  # likewise, of a cell that Python steps: a step is a call
CARRIED_BYTES = 64 * 2**20  # of the cotangents that it carries back, likewise
PRODUCT_BYTES = 64 * 2**20  # of products over steps, likewise
FEWEST = 16  # sequences made at a time, so that two threads and their blocks have work

Weights = Callable[[Sample, slice, slice], Tensor]


def probe_gradients(
    parts: Parts,
    count: int,
    weights: Weights,
    axes: Float[Tensor, "axis state"],
    kinds: Sequence[int],
    *,
    compiled: bool = True,
    over: Over | None = None,
    processes: int = 1,
) -> SequenceGradients:
    """Return the gradients of probes and losses, made as often as they are asked for.

    From every ``S_n`` its weights' sum times ``E d(state_t . rho)/d theta`` is taken
    off: a probe has mean 0, so that this changes no mean, only its noise.

    Args:
        parts: gives the sequences, some at a time.
        count: how many sequences there are.
        weights: gives of a part, the place of its sequences and some rows ``phi(t)/m``
            as (sequence, row, step).
        axes: rho.
        kinds: the axis of every row.
        compiled: whether to use the compiled engine where it knows the cell.
        over: does work with the sequences piece by piece, their places counted in each;
            all are one piece unless given.
        processes: that share the pieces.
    """
    first, over = next(iter(parts())), over or in_one(parts)
    size = sum(p.numel() for p in first.cell.parameters())
    engine: Engine = "auto" if compiled else "reference"
    how = chosen(engine, first.cell, first.x, task="row_gradients")
    make = _compiled if how == "compiled" else _reference
    products = by_products(first, size * first.x.element_size() * count)
    given = weights, axes, list(kinds)
    made = _Products(*given) if products else _Numbers(*given, make)
    mean = torch.zeros(())
    for part in over(made.share, repeat(count)):
        mean = mean + part
    # Products are summed in double precision, numbers in that of the cell.
    made = replace(made, means=mean if products else mean.to(axes.dtype))
    # Sums of rows travel: of too few sequences at a time they would be too many.
    share = max(count // processes, min(count, FEWEST))
    held = share * made.numbers(first) * axes.element_size()
    rows, chunks = len(made.kinds), made.chunks
    return SequenceGradients(count, rows, mean.shape[1], held, chunks, over)


def by_products(sample: Sample, held: int) -> bool:
    """Return whether gradients are better left as products over steps.

    So it is where those of a row are too many to hold, and a product over pairs of
    steps costs less than the numbers would.

    Args:
        sample: some sequences.
        held: bytes of one row's gradients.
    """
    cell, steps = sample.cell, sample.x.shape[1]
    if not (isinstance(cell, ClosedForm) and sample.single and 2 * held > KEPT_BYTES):
        return False
    size = sum(p.numel() for p in cell.parameters())
    return steps * (cell.units + cell.inputs + size // cell.units) < size


@final
@dataclass(frozen=True)
class _Numbers:
    """Makes gradients as numbers.

    Attributes:
        weights, axes, kinds: as `probe_gradients` takes them.
        make: makes those of some rows.
        means: ``E d(state_t . rho)/d theta`` of every axis, once it is known.
    """

    weights: Weights
    axes: Float[Tensor, "axis state"]
    kinds: list[int]
    make: Callable[..., Tensor]
    means: Tensor | None = None

    def numbers(self, sample: Sample) -> int:
        """Return how many numbers one gradient has."""
        assert self.means is not None
        return self.means.shape[1]

    def share(self, parts: Parts, count: int) -> Tensor:
        """Return what a piece adds to the means over so many sequences."""
        total = torch.zeros(())
        for sample in parts():
            for own in _pieces(sample, 4 * FEWEST):
                weight = _even(self.axes, own)
                found = self.make(own, weight, self.axes, None)[:, :-1]
                total = total + found.sum(dim=0, dtype=torch.float64)
        return total / count

    def chunks(self, parts: Parts, rows: slice) -> Iterator[Chunk]:
        """Yield the gradients of some rows, some sequences at a time."""
        along, start, mean = self.kinds[rows], 0, self.means
        assert mean is not None
        for sample in parts():
            size = sum(p.numel() for p in sample.cell.parameters())
            room = size * sample.x.element_size() * (len(along) + 1)
            room *= int(sample.item.bincount().max())
            part = STEPWISE_BYTES if self.make is _reference else PART_BYTES
            few = max(FEWEST, part // room)
            if self.make is _reference:  # of states that have more numbers than weights
                carried = sample.states[0].nbytes * (len(along) + 1)
                few = min(few, max(1, CARRIED_BYTES // carried))
            for own in _pieces(sample, few):
                place = slice(start, start + len(own))
                weight = self.weights(own, place, rows)
                found = self.make(own, weight, self.axes[along], mean[along])
                found = own.by_item(found)
                yield Numbers(place, found[:, :-1], found[:, -1])
                start = place.stop


@final
@dataclass(frozen=True)
class _Products:
    """Makes gradients as products over steps, of large cells.

    Attributes:
        weights, axes, kinds: as `probe_gradients` takes them.
        means: ``E d(state_t . rho)/d theta`` of every axis, once it is known.
    """

    weights: Weights
    axes: Float[Tensor, "axis state"]
    kinds: list[int]
    means: Tensor | None = None

    def numbers(self, sample: Sample) -> int:
        """Return how many numbers lead to one gradient, about."""
        assert self.means is not None
        return sample.x.shape[1] * (self.means.shape[1] // sample.cell.units)

    def share(self, parts: Parts, count: int) -> Tensor:
        """Return what a piece adds to the means over so many sequences."""
        every, none = [*range(len(self.axes))], self.axes.new_zeros(len(self.axes), 1)
        weigh, mean = partial(_even, self.axes), torch.zeros(())
        for one in self._made(parts, weigh, slice(None), every, none):
            mean = mean + one.total() / count
        return mean

    def chunks(self, parts: Parts, rows: slice) -> Iterator[Chunk]:
        """Yield the gradients of some rows, some sequences at a time."""
        assert self.means is not None
        yield from self._made(parts, self.weights, rows, self.kinds[rows], self.means)

    def _made(
        self, parts: Parts, weigh: Weights, rows: slice, along: list[int], mean: Tensor
    ) -> Iterator[Products]:
        start = 0
        for sample in parts():
            one = sample.x[0].numel() + 8 * sample.states[0].numel() * (len(along) + 1)
            for own in _pieces(sample, max(1, PRODUCT_BYTES // (one * 4))):
                place = slice(start, start + len(own))
                weight = weigh(own, place, rows)
                yield _products(own, place, weight, self.axes, along, mean)
                start = place.stop


def _even(axes: Tensor, own: Sample, *_: slice) -> Float[Tensor, "sequence axis step"]:
    """Return weights that are alike at all steps at which the loss looks."""
    return own.shares[:, None].expand(-1, len(axes), -1)


def _products(
    sample: Sample,
    place: slice,
    weight: Tensor,
    every: Tensor,
    kinds: list[int],
    means: Tensor,
) -> Products:
    """Return the gradients of some sequences as products over steps."""
    cell, axes = sample.cell, every[kinds]
    assert isinstance(cell, ClosedForm)  # `by_products` has asked
    cotangent = torch.cat((weight[..., None] * axes[:, None], sample.delta[:, None]), 1)
    with torch.no_grad():
        p, norm = pre_cotangents(cell, sample.x, sample.states, cotangent)
        left, right = blocks(cell.factors(sample.states, sample.x).values(), p)
    beside = [*norm.values()]
    if sample.read_out is not None:
        beside.append(_by_read_out(sample, weight, axes))
    numbers = torch.cat(beside, -1) if beside else weight.new_zeros(*p.shape[:2], 0)
    level = weight.sum(-1)
    return Products(place, left, right, numbers, level, kinds, means)


def _pieces(sample: Sample, size: int) -> Iterator[Sample]:
    for start in range(0, len(sample), size):
        yield sample.part(slice(start, start + size))


def _compiled(
    sample: Sample, weight: Tensor, axes: Tensor, mean: Tensor | None
) -> Tensor:
    cell, x = sample.cell, sample.x
    inside = None if mean is None else mean[:, : -_outside(sample) or None]
    found = row_gradients(cell, x, weight, axes, sample.delta, inside)
    if sample.read_out is None:
        return found
    rest = _by_read_out(sample, weight, axes)
    if mean is not None:
        level = weight.sum(dim=-1, keepdim=True)
        rest[:, :-1] -= level * mean[:, -rest.shape[-1] :]
    return torch.cat((found, rest), dim=-1)


def _reference(
    sample: Sample, weight: Tensor, axes: Tensor, mean: Tensor | None
) -> Tensor:
    cotangent = weight[..., None] * axes[:, None]
    cotangent = torch.cat((cotangent, sample.delta[:, None]), dim=1)
    found = cell_gradients(sample.cell, sample.x, sample.states, cotangent)
    if sample.read_out is not None:
        found = torch.cat((found, _by_read_out(sample, weight, axes)), dim=-1)
    if mean is not None:
        found[:, :-1] -= weight.sum(dim=-1, keepdim=True) * mean
    return found


def _outside(sample: Sample) -> int:
    """Return how many of a gradient's numbers belong to the read-out."""
    return 0 if sample.read_out is None else sample.cell.units + 1


def _by_read_out(
    sample: Sample, weight: Tensor, axes: Tensor
) -> Float[Tensor, "sequence row_and_loss unit_and_bias"]:
    """Return the gradients by the weights and the bias of a linear read-out."""
    w = sample.read_out
    assert w is not None  # those who call have asked
    share, by_loss = (v @ w / (w @ w) for v in (axes, sample.delta))
    rows = torch.cat((weight * share[:, None], by_loss[:, None]), dim=1)
    h = sample.states[..., sample.cell.output]
    return torch.cat((rows @ h, rows.sum(dim=-1, keepdim=True)), dim=-1)


@dataclass(frozen=True)
class ProbeStatistics:
    """What the detection window needs of the probe gradients, per sequence.

    Attributes:
        lags: lags in steps; (lag,).
        square: ``||S_n||^2``, mean over pairs of probe and axis; (lag, sequence).
        dot: ``S_n . S``, S the sum over sequences, likewise.
        projection: ``G_n . s/||s||``, s from all others; (lag, pair, sequence).
        tilt: what leaving a sequence out adds to the squared deviations of the others'
            projections, by turning the directions that these are on; likewise.
        path: the variance of projections as that direction turns, by `Turning`.
        target: ``mean_t phi_l(t) a(t)``, the dependency that the targets of a sequence
            show; of all lags, pairs and sequences, also where only some are measured.
        target_lags: the lags of the target, 0 among them for a diagnosis.
        left: the mean square of the error over that of the targets' part of it.
    """

    lags: Int[np.ndarray, "lag"]
    square: Float[np.ndarray, "lag sequence"]
    dot: Float[np.ndarray, "lag sequence"]
    projection: Float[np.ndarray, "lag pair sequence"]
    tilt: Float[np.ndarray, "lag pair sequence"]
    path: Float[np.ndarray, "lag pair 4"]
    target: Float[np.ndarray, "every_lag every_pair every_sequence"]
    target_lags: Int[np.ndarray, "every_lag"]
    left: Float[np.ndarray, ""]

    @property
    def parts(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, Turning]:
        """Return what `needed_by_gradients` takes."""
        turning = Turning(self.tilt, self.path)
        return self.square, self.dot, self.projection, turning


def summed_up(
    gradients: SequenceGradients,
    lags: Sequence[int],
    target: Float[np.ndarray, "every_lag every_pair every_sequence"],
    target_lags: Sequence[int] | None = None,
    left: float = np.nan,
    progress: Callable[[float], None] | None = None,
) -> ProbeStatistics:
    """Return what N(l) needs; rows are (lag, pair), the pair running faster.

    Args:
        gradients: of probes and losses.
        lags: lags in steps.
        target: of the dependency in the targets.
        target_lags: those of the target; the lags unless given.
        left: of the error; see `ProbeStatistics`.
        progress: called with the share of the work that is done.
    """
    found = statistics(gradients, progress)
    square, dot, projection, tilt, path = (
        values.reshape(len(lags), -1, values.shape[-1]) for values in found
    )
    return ProbeStatistics(
        np.array(lags),
        square.mean(axis=1),
        dot.mean(axis=1),
        projection,
        tilt,
        path,
        target,
        np.array(lags if target_lags is None else target_lags),
        np.array(left),
    )

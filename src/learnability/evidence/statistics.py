"""What N(l) is made of, from the gradients of single sequences."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ..detection.leave_one_out import turned_by
from .gradients import Chunk

KEPT_BYTES = 128 * 2**20  # of gradients held at once; beyond it speed gains nothing
SUM_BYTES = 128 * 2**20  # of the sums of all rows, where no gradient is held


Chunks = Callable[[], Iterable[Chunk]]


@final
@dataclass(frozen=True)
class SequenceGradients:
    """The gradients of probes and losses of single sequences, made when asked for.

    Attributes:
        count: of sequences.
        rows: of probes.
        size: numbers of one gradient.
        held: bytes that one row of all sequences takes.
        chunks: makes those of some rows and of the losses, some sequences at a time, in
            order.
    """

    count: int
    rows: int
    size: int
    held: int
    chunks: Callable[[slice], Iterator[Chunk]]


class RowStatistics(NamedTuple):
    """Squares, products and projections, one row per probe; see `ProbeStatistics`."""

    square: Float[np.ndarray, "row sequence"]
    dot: Float[np.ndarray, "row sequence"]
    projection: Float[np.ndarray, "row sequence"]
    tilt: Float[np.ndarray, "row sequence"]
    path: Float[np.ndarray, "row 4"]


def statistics(
    gradients: SequenceGradients, progress: Callable[[float], None] | None = None
) -> RowStatistics:
    """Return squares, products with the sum, and projections on it.

    As many rows are taken at a time as have room. Their gradients are held where those
    of one row of all sequences fit into memory, and made again for each pass where they
    do not. What is held is bounded: 128 MiB of gradients, or as much of sums.

    Args:
        gradients: of probes and losses.
        progress: called with the share of the work that is done.
    """
    one = gradients.held
    held = 2 * one <= KEPT_BYTES
    room = KEPT_BYTES // one - 1 if held else gradients.rows
    room = min(room, SUM_BYTES // (gradients.size * 64)) if not held else room
    step, found = max(1, int(room)), []
    for start in range(0, gradients.rows, step):
        rows = slice(start, min(start + step, gradients.rows))
        chunks = partial(gradients.chunks, rows)
        if held:
            kept = list(chunks())
            chunks = partial(iter, kept)
        found.append(_of_rows(chunks))
        if progress is not None:
            progress(rows.stop / gradients.rows)
    return RowStatistics(
        *(np.concatenate(column) for column in zip(*found, strict=True))
    )


def _of_rows(chunks: Chunks) -> RowStatistics:
    """Pass over the sequences: for the sums, the projections, and the products.

    The direction that sequence n is projected on is that of ``S - S_n``, which n has
    no part in. It is an estimate, too: without sequence i it is ``S - S_n - S_i``, and
    to first order the sum of squared deviations of ``p_n = G_n . w_n`` changes by

        tilt_i = -2/||S|| (S_i . q - (p_i - pbar) (G_i - p_i w) . S_i),
        q = sum_n (p_n - pbar) (G_n - p_n w),   w = S/||S||.

    How it goes on along ``D = sum w_i S_i``, w from `turned_by`, is told by
    ``p_n(e) = G_n . (S + e D)/||S + e D||``, n's own part in S and in D taken off.
    """
    total, square, own = _sums(chunks)
    length = torch.linalg.vector_norm(total, dim=-1, keepdim=True)
    some = torch.where(length > 0, length, 1.0)
    unit = total.div_(some)
    dots, along, projected = [], [], []
    weighted = plain = torch.zeros((), dtype=torch.float64)
    for chunk in chunks():
        dot, p = chunk.along(unit)
        dots.append(dot * some)
        along.append(p)
        # What a sequence's own part in the sum adds to its projection is taken off.
        projected.append(p - own[:, chunk.place] / some)
        weighted = chunk.losses(projected[-1]).add_(weighted)
        plain = chunk.losses(torch.ones_like(p[:1])).add_(plain)
    dot, along, p = (torch.cat(each, dim=1) for each in (dots, along, projected))
    mean = p.mean(dim=1, keepdim=True)
    q = weighted.addcmul_(mean, plain, value=-1)
    q.addcmul_(((p - mean) * p).sum(dim=1, keepdim=True), unit, value=-1)
    turned = torch.cat([chunk.along(q)[0] for chunk in chunks()], dim=1)
    p, rest, tilt = _leave_one_out(length, square, own, along, dot, turned)
    way = torch.from_numpy(turned_by(p.cpu().numpy(), tilt.cpu().numpy())).to(p)
    pulled, along = _pulled(chunks, way)
    size = torch.linalg.vector_norm(pulled, dim=1) ** 2
    turn = torch.stack([2 * (way * dot).sum(dim=1), size], dim=1)
    moments = _moments(p, (along - way * own) / rest)
    path = torch.cat([moments, turn / some**2], dim=1)
    return RowStatistics(*(v.cpu().numpy() for v in (square, dot, p, tilt, path)))


def _sums(chunks: Chunks) -> tuple[Tensor, Tensor, Tensor]:
    """Return ``S``, ``||S_n||^2`` and ``G_n . S_n``, one row per probe."""
    total, squares, own = torch.zeros((), dtype=torch.float64), [], []
    for chunk in chunks():
        total = chunk.total().add_(total)
        for found, values in zip((squares, own), chunk.squares(), strict=True):
            found.append(values)
    return total, torch.cat(squares, dim=1), torch.cat(own, dim=1)


def _leave_one_out(
    length: Tensor,
    square: Tensor,
    own: Tensor,
    along: Tensor,
    dot: Tensor,
    turned: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return projections on ``S - S_n``, its length, and tilts."""
    some = torch.where(length > 0, length, 1.0)
    rest = (length**2 - 2 * dot + square).clamp(min=0).sqrt()
    rest = torch.where(rest > 0, rest, 1.0)
    p = (along * length - own) / rest
    apart = p - p.mean(dim=1, keepdim=True)
    tilt = -2 / some * (turned - apart * (own - p * dot / some))
    return p, rest, tilt


def _pulled(chunks: Chunks, way: Tensor) -> tuple[Tensor, Tensor]:
    """Return ``D = sum w_i S_i`` and ``G_n . D`` of each row."""
    pulled = torch.zeros((), dtype=torch.float64)
    for chunk in chunks():
        pulled = chunk.total(way[:, chunk.place]).add_(pulled)
    return pulled, torch.cat([chunk.along(pulled)[1] for chunk in chunks()], dim=1)


def _moments(p: Tensor, moved: Tensor) -> Float[Tensor, "row 2"]:
    """Return twice the covariance of p with its change, and the change's variance."""
    p, moved = (v - v.mean(dim=1, keepdim=True) for v in (p, moved))
    found = [2 * (p * moved).sum(dim=1), (moved**2).sum(dim=1)]
    return torch.stack(found, dim=1) / (p.shape[1] - 1)

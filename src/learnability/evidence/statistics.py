"""What N(l) is made of, from the gradients of single sequences."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

KEPT_BYTES = 128 * 2**20  # of gradients held at once; beyond it speed gains nothing
SUM_BYTES = 128 * 2**20  # of the sums of all rows, where no gradient is held


class Chunk(NamedTuple):
    """Gradients of some sequences.

    Attributes:
        place: of the sequences among all.
        probes: ``S_n`` of every row.
        losses: ``G_n``.
    """

    place: slice
    probes: Float[Tensor, "sequence row place"]
    losses: Float[Tensor, "sequence place"]


Chunks = Callable[[], Iterable[Chunk]]


@final
@dataclass(frozen=True)
class SequenceGradients:
    """The gradients of probes and losses of single sequences, made when asked for.

    Attributes:
        count: of sequences.
        rows: of probes.
        size: numbers of one gradient.
        dtype: of the gradients.
        chunks: makes those of some rows and of the losses, some sequences at a time, in
            order.
    """

    count: int
    rows: int
    size: int
    dtype: torch.dtype
    chunks: Callable[[slice], Iterator[Chunk]]


class RowStatistics(NamedTuple):
    """Squares, products and projections, one row per probe; see `ProbeStatistics`."""

    square: Float[np.ndarray, "row sequence"]
    dot: Float[np.ndarray, "row sequence"]
    projection: Float[np.ndarray, "row sequence"]
    tilt: Float[np.ndarray, "row sequence"]


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
    one = gradients.size * gradients.dtype.itemsize * gradients.count
    held = 2 * one <= KEPT_BYTES
    room = KEPT_BYTES // one - 1 if held else SUM_BYTES // (gradients.size * 64)
    step, found = max(1, int(room)), []
    for start in range(0, gradients.rows, step):
        rows = slice(start, min(start + step, gradients.rows))
        chunks = partial(gradients.chunks, rows)
        if held:
            kept = list(chunks())
            chunks = partial(iter, kept)
        found.append(_of_rows(chunks, gradients.count))
        if progress is not None:
            progress(rows.stop / gradients.rows)
    return RowStatistics(
        *(np.concatenate(column) for column in zip(*found, strict=True))
    )


def _of_rows(chunks: Chunks, count: int) -> RowStatistics:
    """Pass over the sequences: for the sums, the projections, and the products.

    The direction that sequence n is projected on is that of ``S - S_n``, which n has
    no part in. It is an estimate, too: without sequence i it is ``S - S_n - S_i``, and
    to first order the sum of squared deviations of ``p_n = G_n . w_n`` changes by

        tilt_i = -2/||S|| (S_i . q - (p_i - pbar) (G_i - p_i w) . S_i),
        q = sum_n (p_n - pbar) (G_n - p_n w),   w = S/||S||.
    """
    total, square, own = _sums(chunks)
    length = torch.linalg.vector_norm(total, dim=-1, keepdim=True)
    unit = total / torch.where(length > 0, length, 1.0)
    along, weighted, plain = [], 0.0, 0.0
    for chunk in chunks():
        losses = chunk.losses.double()
        p = unit @ losses.T
        along.append(p)
        # What a sequence's own part in the sum adds to its projection is taken off.
        p = p - own[:, chunk.place] / torch.where(length > 0, length, 1.0)
        weighted = weighted + p @ losses - (p**2).sum(dim=1, keepdim=True) * unit
        plain = plain + losses.sum(dim=0) - p.sum(dim=1, keepdim=True) * unit
    q, along = weighted, torch.cat(along, dim=1)
    p = along - own / torch.where(length > 0, length, 1.0)
    q = q - p.mean(dim=1, keepdim=True) * plain
    dot, turned = _products(chunks, total, q)
    return _leave_one_out(length, square, own, along, dot, turned)


def _sums(chunks: Chunks) -> tuple[Tensor, Tensor, Tensor]:
    """Return ``S``, ``||S_n||^2`` and ``G_n . S_n``, one row per probe."""
    total, squares, own = torch.zeros((), dtype=torch.float64), [], []
    for chunk in chunks():
        total = total + chunk.probes.sum(dim=0, dtype=torch.float64)
        squares.append(torch.linalg.vector_norm(chunk.probes, dim=-1).T.double() ** 2)
        products = torch.einsum("nrp,np->rn", chunk.probes, chunk.losses)
        own.append(products.double())
    return total, torch.cat(squares, dim=1), torch.cat(own, dim=1)


def _products(chunks: Chunks, *by: Tensor) -> Iterable[Tensor]:
    """Return the products of all ``S_n`` with one vector per row, or with several."""
    found = [[] for _ in by]
    for chunk in chunks():
        for row, vector in zip(found, by, strict=True):
            own = torch.einsum("nrp,rp->rn", chunk.probes, vector.to(chunk.probes))
            row.append(own.double())
    return (torch.cat(row, dim=1) for row in found)


def _leave_one_out(
    length: Tensor,
    square: Tensor,
    own: Tensor,
    along: Tensor,
    dot: Tensor,
    turned: Tensor,
) -> RowStatistics:
    """Return projections on ``S - S_n`` and tilts, from products with all of S."""
    some = torch.where(length > 0, length, 1.0)
    rest = (length**2 - 2 * dot + square).clamp(min=0).sqrt()
    p = (along * length - own) / torch.where(rest > 0, rest, 1.0)
    apart = p - p.mean(dim=1, keepdim=True)
    tilt = -2 / some * (turned - apart * (own - p * dot / some))
    return RowStatistics(*(v.cpu().numpy() for v in (square, dot, p, tilt)))

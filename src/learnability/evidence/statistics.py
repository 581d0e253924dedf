"""What N(l) is made of, from the gradients of single sequences."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from .spread import Spread

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


def _of_rows(chunks: Callable[[], Iterable[Chunk]], count: int) -> RowStatistics:
    """Pass over the sequences: for the sums, the projections, and the products."""
    sums, squares = None, []
    for place, probes, _ in chunks():
        halves = torch.stack([probes[h].sum(dim=0) for h in _halves(place)], dim=1)
        sums = halves.double() if sums is None else sums + halves
        squares.append(torch.linalg.vector_norm(probes, dim=-1).T.double() ** 2)
    assert sums is not None  # data are never empty
    spread = Spread.along(sums.cpu().numpy())
    for place, _, losses in chunks():
        spread.add(np.arange(place.start, place.stop), losses.cpu().numpy())
    across = torch.from_numpy(spread.across())
    whole, dots = sums.sum(dim=1), []
    tilted = torch.empty(len(sums), count, dtype=torch.float64)
    for place, probes, _ in chunks():
        dots.append(_products(probes, whole))
        for half, own in enumerate(_halves(place)):
            tilted[:, place][:, own] = _products(probes[own], across[:, 1 - half])
    square, dot = (torch.cat(v, dim=1).cpu().numpy() for v in (squares, dots))
    tilt = spread.tilt(tilted.numpy())
    return RowStatistics(square, dot, spread.projection(count), tilt)


def _products(probes: Tensor, by: Tensor) -> Float[Tensor, "row sequence"]:
    return torch.einsum("nrp,rp->rn", probes, by.to(probes)).double()


def _halves(part: slice) -> tuple[slice, slice]:
    """Return the even and the odd sequences of a chunk, as places in it."""
    odd = part.start % 2
    return slice(odd, None, 2), slice(1 - odd, None, 2)

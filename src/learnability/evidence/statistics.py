"""What N(l) is made of, from the gradients of single sequences."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from itertools import accumulate, count, pairwise
from typing import Any, NamedTuple, final
from uuid import uuid4

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ..detection.leave_one_out import turned_by
from .gradients import Chunk
from .pieces import Memo, Over, Parts, in_one

KEPT_BYTES = 128 * 2**20  # of gradients held at once; beyond it speed gains nothing
SUM_BYTES = 128 * 2**20  # of the sums of all rows, where no gradient is held


Chunks = Callable[[], Iterable[Chunk]]
Made = Callable[[Parts, slice], Iterable[Chunk]]


@final
@dataclass(frozen=True)
class SequenceGradients:
    """The gradients of probes and losses of single sequences, made when asked for.

    Attributes:
        count: of sequences.
        rows: of probes.
        size: numbers of one gradient.
        held: bytes that one row takes, of all sequences that one process has.
        chunks: makes those of a piece, of some rows and of the losses, some sequences
            at a time, in order; places are those in the piece.
        over: does work with the pieces; one alone, without samples, unless given.
    """

    count: int
    rows: int
    size: int
    held: int
    chunks: Made
    over: Over = field(default_factory=lambda: in_one(list))
    _name: str = field(default_factory=lambda: uuid4().hex)

    def passes(self, rows: slice, *, hold: bool) -> Over:
        """Return what does work with the gradients of some rows, piece by piece.

        Args:
            rows: which.
            hold: whether they are held from one pass to the next.
        """
        kind = (self._name, rows.start) if hold else None
        one = partial(Pass, self.chunks, rows, kind, Memo(math.inf))
        return lambda work, *own: self.over(one(work), count(), *own)


@final
@dataclass(frozen=True)
class Pass:
    """One pass over a piece's gradients.

    Attributes:
        made: makes them.
        rows: which.
        kind: what they are among all that is held; None where they are not.
        memo: what is held.
        work: called with what gives them, and with the piece's further arguments.
    """

    made: Made
    rows: slice
    kind: tuple[str, int] | None
    memo: Memo
    work: Callable[..., Any]

    def __call__(self, parts: Parts, number: int, *own: Any) -> Any:
        """Do the work with one piece."""
        chunks: Chunks = partial(self.made, parts, self.rows)
        if self.kind is not None:
            held = self.memo.of(
                self.kind,
                number,
                lambda: list(chunks()),
                lambda made: sum(chunk.nbytes for chunk in made),
            )
            return self.work(lambda: held, *own)
        return self.work(chunks, *own)


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
        found.append(_of_rows(gradients.passes(rows, hold=held)))
        if progress is not None:
            progress(rows.stop / gradients.rows)
    return RowStatistics(
        *(np.concatenate(column) for column in zip(*found, strict=True))
    )


def _of_rows(over: Over) -> RowStatistics:
    """Pass over the sequences: for the sums, the projections, and the products.

    The direction that sequence n is projected on is that of ``S - S_n``, which n has
    no part in. It is an estimate, too: without sequence i it is ``S - S_n - S_i``, and
    to first order the sum of squared deviations of ``p_n = G_n . w_n`` changes by

        tilt_i = -2/||S|| (S_i . q - (p_i - pbar) (G_i - p_i w) . S_i),
        q = sum_n (p_n - pbar) (G_n - p_n w),   w = S/||S||.

    How it goes on along ``D = sum w_i S_i``, w from `turned_by`, is told by
    ``p_n(e) = G_n . (S + e D)/||S + e D||``, n's own part in S and in D taken off.
    """
    total, squares, own = torch.zeros((), dtype=torch.float64), [], []
    for one, *each in over(_sums):
        total = one.add_(total)
        for found, values in zip((squares, own), each, strict=True):
            found.append(values)
    length = torch.linalg.vector_norm(total, dim=-1, keepdim=True)
    some = torch.where(length > 0, length, 1.0)
    unit = total.div_(some)
    dots, along = [], []
    weighted = plain = torch.zeros((), dtype=torch.float64)
    for dot, p, *sums in over(partial(_projected, unit, some), own):
        dots.append(dot)
        along.append(p)
        weighted, plain = sums[0].add_(weighted), sums[1].add_(plain)
    p = torch.cat([a - o / some for a, o in zip(along, own, strict=True)], dim=1)
    places = list(pairwise(accumulate((v.shape[1] for v in own), initial=0)))
    square, own, dot, along = (
        torch.cat(each, dim=1) for each in (squares, own, dots, along)
    )
    mean = p.mean(dim=1, keepdim=True)
    q = weighted.addcmul_(mean, plain, value=-1)
    q.addcmul_(((p - mean) * p).sum(dim=1, keepdim=True), unit, value=-1)
    turned = torch.cat(list(over(partial(_along, 0, q))), dim=1)
    p, rest, tilt = _leave_one_out(length, square, own, along, dot, turned)
    way = torch.from_numpy(turned_by(p.cpu().numpy(), tilt.cpu().numpy())).to(p)
    pulled = torch.zeros((), dtype=torch.float64)
    for one in over(_total, (way[:, start:stop] for start, stop in places)):
        pulled = one.add_(pulled)
    along = torch.cat(list(over(partial(_along, 1, pulled))), dim=1)
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


def _projected(
    unit: Tensor, some: Tensor, chunks: Chunks, own: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return ``S_n . S``, ``G_n . w``, ``sum_n p_n G_n`` and ``sum_n G_n``."""
    dots, along = [], []
    weighted = plain = torch.zeros((), dtype=torch.float64)
    for chunk in chunks():
        dot, p = chunk.along(unit)
        dots.append(dot * some)
        along.append(p)
        # What a sequence's own part in the sum adds to its projection is taken off.
        weighted = chunk.losses(p - own[:, chunk.place] / some).add_(weighted)
        plain = chunk.losses(torch.ones_like(p[:1])).add_(plain)
    return torch.cat(dots, dim=1), torch.cat(along, dim=1), weighted, plain


def _along(which: int, vectors: Tensor, chunks: Chunks) -> Tensor:
    """Return ``S_n . v``, or ``G_n . v`` for the second, v of each row."""
    return torch.cat([chunk.along(vectors)[which] for chunk in chunks()], dim=1)


def _total(chunks: Chunks, way: Tensor) -> Tensor:
    """Return ``D = sum w_i S_i`` of each row."""
    pulled = torch.zeros((), dtype=torch.float64)
    for chunk in chunks():
        pulled = chunk.total(way[:, chunk.place]).add_(pulled)
    return pulled


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


def _moments(p: Tensor, moved: Tensor) -> Float[Tensor, "row 2"]:
    """Return twice the covariance of p with its change, and the change's variance."""
    p, moved = (v - v.mean(dim=1, keepdim=True) for v in (p, moved))
    found = [2 * (p * moved).sum(dim=1), (moved**2).sum(dim=1)]
    return torch.stack(found, dim=1) / (p.shape[1] - 1)

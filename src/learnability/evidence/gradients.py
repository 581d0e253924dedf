"""Gradients of single sequences, as numbers or as products over steps.

A cotangent on the states, carried back to the pre-activations, gives every weight's
gradient as a product over steps, without a graph; see `cells.OuterProductFactor`. That
of a large cell has millions of numbers; what leads to it has few: of each step a
cotangent p of the pre-activations and what the weights multiplied, z, and the gradient
is ``sum_t p_t outer z_t``. Squares and products need no more than that:
``<S, V> = sum_t p_t' V z_t`` and ``<S, S'> = sum_ts (p_t . p'_s)(z_t . z_s)``.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, final

import torch
from jaxtyping import Float
from torch import Tensor

from ..cells import Cell
from ..cells.base import Inputs, States
from ..cells.closed import OuterProductFactor
from .lag_gradients import immediate_sensitivity


class Chunk(Protocol):
    """The gradients S_n of every row, and G_n, of some sequences."""

    @property
    def place(self) -> slice:
        """Return where the sequences are among all."""
        ...

    @property
    def nbytes(self) -> int:
        """Return the bytes that it holds."""
        ...

    def total(
        self, weights: Float[Tensor, "row sequence"] | None = None
    ) -> Float[Tensor, "row place"]:
        """Return the sum of ``S_n``, weighted unless None."""
        ...

    def squares(self) -> tuple[Float[Tensor, "row sequence"], ...]:
        """Return ``||S_n||^2`` and ``S_n . G_n``."""
        ...

    def along(
        self, vectors: Float[Tensor, "row place"]
    ) -> tuple[Float[Tensor, "row sequence"], ...]:
        """Return ``S_n . v`` and ``G_n . v``, v of each row."""
        ...

    def losses(
        self, weights: Float[Tensor, "row sequence"]
    ) -> Float[Tensor, "row place"]:
        """Return the weighted sums of ``G_n``."""
        ...


@final
@dataclass(frozen=True)
class Numbers:
    """Gradients as they are.

    Attributes:
        place: of the sequences among all.
        probes: ``S_n`` of every row.
        by_loss: ``G_n``.
    """

    place: slice
    probes: Float[Tensor, "sequence row place"]
    by_loss: Float[Tensor, "sequence place"]

    @property
    def nbytes(self) -> int:
        """Return the bytes that it holds."""
        return self.probes.nbytes + self.by_loss.nbytes

    def total(
        self, weights: Float[Tensor, "row sequence"] | None = None
    ) -> Float[Tensor, "row place"]:
        """Return the sum of ``S_n``, weighted unless None."""
        if weights is None:
            return self.probes.sum(dim=0, dtype=torch.float64)
        some = weights.to(self.probes)
        return torch.einsum("rn,nrp->rp", some, self.probes).double()

    def squares(self) -> tuple[Float[Tensor, "row sequence"], ...]:
        """Return ``||S_n||^2`` and ``S_n . G_n``."""
        square = torch.linalg.vector_norm(self.probes, dim=-1).T.double() ** 2
        own = torch.einsum("nrp,np->rn", self.probes, self.by_loss)
        return square, own.double()

    def along(
        self, vectors: Float[Tensor, "row place"]
    ) -> tuple[Float[Tensor, "row sequence"], ...]:
        """Return ``S_n . v`` and ``G_n . v``, v of each row."""
        v = vectors.to(self.probes)
        own = torch.einsum("nrp,rp->rn", self.probes, v)
        return own.double(), (v @ self.by_loss.T).double()

    def losses(
        self, weights: Float[Tensor, "row sequence"]
    ) -> Float[Tensor, "row place"]:
        """Return the weighted sums of ``G_n``."""
        return (weights.to(self.by_loss) @ self.by_loss).double()


@final
@dataclass(frozen=True)
class Products:
    """Gradients as products over steps, and some numbers beside them.

    Attributes:
        place: of the sequences among all.
        left: p of each block of parameters, of all rows and then of the loss.
        right: z of each block.
        beside: numbers that are no products; of all rows and then of the loss.
        level: how often the mean gradient is taken off.
        kinds: of each row, which mean gradient that is.
        means: mean gradients.
    """

    place: slice
    left: list[Float[Tensor, "sequence row_and_loss step _"]]
    right: list[Float[Tensor, "sequence step _"]]
    beside: Float[Tensor, "sequence row_and_loss beside"]
    level: Float[Tensor, "sequence row"]
    kinds: Sequence[int]
    means: Float[Tensor, "kind place"]

    @property
    def nbytes(self) -> int:
        """Return the bytes that it holds, without the mean gradients."""
        return sum(v.nbytes for v in (*self.left, *self.right, self.beside))

    def total(
        self, weights: Float[Tensor, "row sequence"] | None = None
    ) -> Float[Tensor, "row place"]:
        """Return the sum of ``S_n``, weighted unless None."""
        level = self.level.T.double()
        every = torch.ones_like(level) if weights is None else weights
        found = self._sums(range(len(every)), every)
        taken = (every * level).sum(1).tolist()
        for total, kind, share in zip(found, self.kinds, taken, strict=True):
            total.sub_(self.means[kind], alpha=share)
        return found

    def squares(self) -> tuple[Float[Tensor, "row sequence"], ...]:
        """Return ``||S_n||^2`` and ``S_n . G_n``."""
        square = (self.beside[:, :-1] ** 2).sum(-1).double()
        own = (self.beside[:, :-1] * self.beside[:, -1:]).sum(-1).double()
        for left, right in zip(self.left, self.right, strict=True):
            z = (right @ right.transpose(1, 2))[:, None]
            p, loss = left[:, :-1], left[:, -1:]
            square = square + ((p @ p.transpose(2, 3)) * z).sum((2, 3))
            own = own + ((p @ loss.transpose(2, 3)) * z).sum((2, 3))
        square, own, level = square.T, own.T, self.level.double().T
        for kind, mean in enumerate(self.means):
            rows = [k for k, one in enumerate(self.kinds) if one == kind]
            *by_mean, loss = self._along(mean, [*rows, -1])
            size = torch.dot(mean, mean)
            for k, by in zip(rows, by_mean, strict=True):
                square[k] += level[k] ** 2 * size - 2 * level[k] * by
                own[k] -= level[k] * loss
        return square.clamp(min=0), own

    def along(
        self, vectors: Float[Tensor, "row place"]
    ) -> tuple[Float[Tensor, "row sequence"], ...]:
        """Return ``S_n . v`` and ``G_n . v``, v of each row."""
        own, by_loss = [], []
        for k, (kind, v) in enumerate(zip(self.kinds, vectors, strict=True)):
            one, loss = self._along(v, [k, -1])
            mean = float(torch.dot(self.means[kind], v))
            own.append(one - mean * self.level[:, k].double())
            by_loss.append(loss)
        return torch.stack(own), torch.stack(by_loss)

    def losses(
        self, weights: Float[Tensor, "row sequence"]
    ) -> Float[Tensor, "row place"]:
        """Return the weighted sums of ``G_n``."""
        return self._sums([-1] * len(weights), weights)

    def _sums(
        self, rows: Sequence[int], weights: Float[Tensor, "row sequence"]
    ) -> Float[Tensor, "row place"]:
        """Return the weighted sums of some rows' gradients over the sequences."""
        sizes = [a * b for a, b in self._shapes]
        found = weights.new_empty(len(rows), sum(sizes) + self.beside.shape[-1])
        for row, own, total in zip(rows, weights.to(self.beside), found, strict=True):
            *parts, rest = total.split([*sizes, self.beside.shape[-1]])
            for left, right, part in zip(self.left, self.right, parts, strict=True):
                p = (left[:, row] * own[:, None, None]).flatten(0, 1)
                part.copy_((p.T @ right.flatten(0, 1)).flatten())
            rest.copy_(own @ self.beside[:, row])
        return found

    def _along(
        self, vector: Float[Tensor, "place"], rows: list[int]
    ) -> Float[Tensor, "row sequence"]:
        """Return some rows' products with a vector, the mean not taken off."""
        matrices, beside = self._blocks(vector)
        own = self.beside[:, rows] @ beside
        for left, right, v in zip(self.left, self.right, matrices, strict=True):
            turned = (right @ v.T).flatten(1)[..., None]
            pairs = [left[:, row].flatten(1)[:, None] @ turned for row in rows]
            own = own + torch.cat(pairs, 1)[..., 0]
        return own.double().T

    @property
    def _shapes(self) -> list[tuple[int, int]]:
        """Return the shape of each block of parameters."""
        both = zip(self.left, self.right, strict=True)
        return [(left.shape[-1], right.shape[-1]) for left, right in both]

    def _blocks(self, vector: Tensor) -> tuple[list[Tensor], Tensor]:
        """Return one gradient's place for each block, and those beside."""
        shapes = self._shapes
        sizes = [a * b for a, b in shapes]
        *parts, beside = vector.to(self.beside).split(
            [*sizes, len(vector) - sum(sizes)]
        )
        return [
            part.view(shape) for part, shape in zip(parts, shapes, strict=True)
        ], beside


def blocks(
    factors: Iterable[OuterProductFactor], p: Float[Tensor, "sequence row step pre"]
) -> tuple[list[Tensor], list[Tensor]]:
    """Return p and z of blocks of parameters that multiply the same.

    Args:
        factors: of a cell's parameters.
        p: cotangents of the pre-activations.
    """
    sources: dict[tuple[int, int], OuterProductFactor] = {}
    columns: dict[tuple[int, int], list[Tensor]] = {}
    for factor in factors:
        key = id(factor.source), id(factor.scale)
        sources[key] = factor
        own = p[..., factor.columns]
        own = own if factor.scale is None else own * factor.scale[:, None]
        columns.setdefault(key, []).append(own)
    ones = p.new_ones(len(p), p.shape[2], 1)
    left = [torch.cat(some, dim=-1) for some in columns.values()]
    right = [ones if one.source is None else one.source for one in sources.values()]
    return left, right


def pre_cotangents(
    cell: Cell,
    x: Inputs,
    states: States,
    cotangent: Float[Tensor, "sequence row step state"],
) -> tuple[Float[Tensor, "sequence row step pre"], dict[str, Tensor]]:
    """Carry cotangents of all states back to the pre-activations.

    ``lambda_t = J_{t+1}^T lambda_{t+1} + cotangent_t``; p is the part of ``lambda_t``
    that reaches the projected input of step t.

    Args:
        cell: the recurrence.
        x: inputs.
        states: the states after each step, from a zero initial state.
        cotangent: any number of rows for every sequence.

    Returns:
        p, and the gradients of LayerNorm's parameters by name (sequence, row, unit).
    """
    adjoint = torch.zeros_like(cotangent[:, :, 0])
    adjoints, reached = [], []
    with torch.no_grad():
        partials = cell.local_derivatives(states, x)
        for t in reversed(range(x.shape[1])):
            total = adjoint + cotangent[:, :, t]
            adjoint, p = cell.vjp(total, partials[:, None, t])
            adjoints.append(total)
            reached.append(p)
    whole = torch.stack(adjoints[::-1], dim=2)
    return torch.stack(reached[::-1], dim=2), _norm_gradients(cell, x, states, whole)


def _norm_gradients(
    cell: Cell,
    x: Inputs,
    states: States,
    adjoint: Float[Tensor, "sequence row step state"],
) -> dict[str, Tensor]:
    """Return the gradients of LayerNorm's parameters for every sequence and row."""
    found = {}
    for name in ("ln_weight", "ln_bias") if cell.layernorm else ():
        # A unit's gain and bias move that unit alone: all of them can move at once.
        ones = torch.ones_like(getattr(cell, name))
        moved = immediate_sensitivity(cell, x, states, {name: ones})
        gradient = torch.einsum("nrts,nts->nrs", adjoint, moved)
        found[name] = gradient.unflatten(-1, (-1, cell.units)).sum(dim=-2)
    return found


def cell_gradients(
    cell: Cell,
    x: Inputs,
    states: States,
    cotangent: Float[Tensor, "sequence row step state"],
) -> Float[Tensor, "sequence row parameter"]:
    """Return the gradient by the cell's parameters of every sequence and row.

    Args:
        cell, x, states, cotangent: as `pre_cotangents` takes them.

    Returns:
        The gradients, parameters flattened one after the other: LayerNorm's, then the
        others in the order of `Cell.factors`.
    """
    p, norm = pre_cotangents(cell, x, states, cotangent)
    with torch.no_grad():
        return torch.cat([*norm.values(), cell.row_gradients(p, states, x)], dim=-1)

"""A memory through time: only its own advance is made step by step.

Of a linear one, ``m_t = a_t m_{t-1} + b_t``, that is a scan of two operations a step in
each pass. PyTorch on any device.
"""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Inexact
from torch import Tensor

from ..cells.base import Inputs, State, States
from ..cells.inputs import Advancing, Scan

Steps = Inexact[Tensor, "sequence step memory"]


def unroll(cell: Advancing, x: Inputs, state: State | None = None) -> States:
    """Return the state after every step, as `reference.unroll` does step by step.

    It takes what that takes.

    Example:
        >>> import torch
        >>> from learnability.cells import MinGRU
        >>> unroll(MinGRU(3, 4), torch.zeros(2, 5, 3)).shape
        torch.Size([2, 5, 4])
    """
    if state is None:
        state = x.new_zeros(len(x), cell.state_size)
    projected = cell.input_projection(x)
    prepared, memory = cell.prepared(projected), cell.memory(state)
    if isinstance(cell, Scan):
        a, b = prepared
        return cell.shown(scanned(a, b, memory), projected)
    found = []
    for parts in zip(*(part.unbind(1) for part in prepared), strict=True):
        memory = cell.advanced(memory, *parts)
        found.append(memory)
    return cell.shown(torch.stack(found, dim=1), projected)


def scanned(a: Steps, b: Steps, start: Inexact[Tensor, "sequence memory"]) -> Steps:
    """Return ``m_t = a_t m_{t-1} + b_t`` of all steps, real or complex.

    Args:
        a: what is kept.
        b: what is added.
        start: m before the first step.
    """
    return _Scan.apply(a, b, start)  # pyright: ignore


class _Scan(torch.autograd.Function):
    """The scan as one node of the graph: its gradient is a scan back in time.

    ``l_t = grad_t + conj(a_{t+1}) l_{t+1}``; that of b is l, that of a ``l_t
    conj(m_{t-1})``, that of the start ``conj(a_0) l_0``.
    """

    @staticmethod
    def forward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, a: Tensor, b: Tensor, start: Tensor
    ) -> Tensor:
        found = torch.empty_like(b)
        _advance(a.unbind(1), b.unbind(1), start, found.unbind(1))
        ctx.save_for_backward(a, start, found)
        return found

    @staticmethod
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, grad: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        a, start, found = ctx.saved_tensors
        if torch.is_grad_enabled():  # a second derivative will be taken
            return _differentiable(a, start, found, grad)
        back, by_a, conj = torch.empty_like(grad), torch.empty_like(a), a.conj()
        every, steps = back.unbind(1)[::-1], grad.unbind(1)[::-1]
        every[0].copy_(steps[0])
        _advance(conj.unbind(1)[:0:-1], steps[1:], every[0], every[1:])
        torch.mul(back[:, 0], start.conj(), out=by_a[:, 0])
        torch.mul(back[:, 1:], found[:, :-1].conj(), out=by_a[:, 1:])
        return by_a, back, conj[:, 0] * back[:, 0]


def _advance(
    a: Sequence[Tensor], b: Sequence[Tensor], last: Tensor, out: Sequence[Tensor]
) -> None:
    """Write ``m_t = a_t m_{t-1} + b_t`` step by step."""
    for kept, added, found in zip(a, b, out, strict=True):
        last = torch.addcmul(added, kept, last, out=found)


def _differentiable(
    a: Tensor, start: Tensor, found: Tensor, grad: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the gradients with a graph of their own."""
    later = torch.cat((a[:, 1:], torch.zeros_like(a[:, :1])), dim=1).conj()
    none = torch.zeros_like(start)
    back = scanned(later.flip(1), grad.flip(1), none).flip(1)
    before = torch.cat((start[:, None], found[:, :-1]), dim=1)
    return back * before.conj(), back, a[:, 0].conj() * back[:, 0]

"""A cell through time, by whichever engine can, and a seam for those who watch."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ..cells import Cell
from ..cells.base import Inputs, State, States
from ..cells.inputs import Advancing
from ..compiled import engine as loops
from ..compiled.engine import Engine, check_direction, chosen, plain
from . import reference, scan

Watcher = Callable[[Cell, Tensor, Tensor | None, Tensor], Tensor]

_watchers: list[Watcher] = []


def unroll(
    cell: Cell, x: Inputs, state: State | None = None, *, engine: Engine = "auto"
) -> States:
    """Give the state after every step, ``state_t = step(state_{t-1}, x_t)``.

    ``auto`` takes the compiled engine for this package's cells in float32 or float64
    on a CPU, a scan for those whose gates see the inputs alone, and the reference
    engine for anything else: other devices and dtypes, own cells, `torch.func`
    transforms, forward-mode tensors, autocast, tracing. All give gradients for x, the
    state and the parameters. A second derivative of the compiled engine is taken
    through the reference.

    Args:
        cell: the recurrence.
        x: inputs.
        state: the state before the first step; zero unless given.
        engine: ``auto``, or one of the two by name.

    Returns:
        The states, of the dtype of x.

    Raises:
        ValueError: if the engine is unknown, or if it is ``compiled`` and cannot do
            this; the sentence says why.

    Example:
        >>> import torch
        >>> from learnability.cells import GRU
        >>> unroll(GRU(3, 4), torch.zeros(2, 5, 3)).shape
        torch.Size([2, 5, 4])
    """
    if chosen(engine, cell, x, state, task="unroll") == "compiled":
        states = _compiled(cell, x, state, None)
    else:
        states = _in_pytorch(cell, x, state, engine)
    for watcher in _watchers:
        states = watcher(cell, x, state, states)
    return states


def outputs(
    cell: Cell, x: Inputs, weight: Float[Tensor, "unit"], *, engine: Engine = "auto"
) -> Float[Tensor, "sequence step"]:
    """Give what a linear read-out sees of every step, ``weight . h_t``.

    The compiled engine reads h while it is in the cache and holds neither the states'
    gradient nor, where no gradient is wanted, the states. Someone who watches the
    unrolling sees the states all the same.

    Args:
        cell: the recurrence.
        x: inputs.
        weight: of the read-out.
        engine: see `unroll`.

    Returns:
        The outputs, of the dtype of x.

    Raises:
        ValueError: for the engine as in `unroll`, or if the weight does not fit.

    Example:
        >>> import torch
        >>> from learnability.cells import GRU
        >>> outputs(GRU(3, 4), torch.zeros(2, 5, 3), torch.ones(4)).shape
        torch.Size([2, 5])
    """
    if weight.shape != (cell.units,):
        raise ValueError(
            f"the read-out has shape {tuple(weight.shape)}; it needs ({cell.units},), "
            "a weight for each unit"
        )
    if _watchers:
        return unroll(cell, x, engine=engine)[..., cell.output] @ weight
    if chosen(engine, cell, x, None, weight, task="unroll") == "compiled":
        return _compiled(cell, x, None, weight)
    return _in_pytorch(cell, x, None, engine)[..., cell.output] @ weight


def _in_pytorch(cell: Cell, x: Tensor, state: Tensor | None, engine: Engine) -> Tensor:
    """Return the states by a scan of the memory where there is one."""
    given = [x, *cell.parameters()]
    if engine == "auto" and isinstance(cell, Advancing) and plain(given):
        return scan.unroll(cell, x, state)
    return reference.unroll(cell, x, state)


def tangent(
    cell: Cell,
    x: Inputs,
    direction: Mapping[str, Tensor],
    state: State | None = None,
    *,
    engine: Engine = "auto",
) -> States:
    """Give the derivative of every state along a direction of the parameters.

    ``v_t = J_t v_{t-1} + b_t`` with ``v_{-1} = 0``: ``b_t`` is the derivative of
    ``state_t`` along the direction at fixed ``state_{t-1}``, ``J_t`` that by
    ``state_{t-1}``. The derivative is linear in the direction, so the mean over
    several directions is that along their mean. It carries no autograd history.

    Args:
        cell: the recurrence.
        x: inputs.
        direction: a tensor like the parameter for some or all of the cell's
            parameters, by name; the others stand still.
        state: the state before the first step; zero unless given.
        engine: see `unroll`.

    Returns:
        v, of the dtype of x.

    Raises:
        ValueError: if the direction names no parameter of the cell or has another
            shape, or for the engine as in `unroll`.

    Example:
        >>> import torch
        >>> from learnability.cells import GRU
        >>> cell = GRU(3, 4)
        >>> tangent(cell, torch.ones(2, 5, 3), {"b_g": torch.ones(4)}).shape
        torch.Size([2, 5, 4])

    Source: forward-mode differentiation; Williams and Zipser 1989.
    """
    check_direction(cell, direction)
    way = chosen(engine, cell, x, state, task="tangent")
    run = loops if way == "compiled" else reference
    return run.tangent(cell, x, direction, state)


@contextmanager
def watching(watcher: Watcher) -> Iterator[None]:
    """Show every unrolling to ``watcher(cell, x, state, states)`` meanwhile.

    Args:
        watcher: returns the states that the caller of `unroll` gets.
    """
    _watchers.append(watcher)
    try:
        yield
    finally:
        _watchers.remove(watcher)


def _compiled(
    cell: Cell, x: Tensor, state: Tensor | None, read: Tensor | None
) -> Tensor:
    values = dict(cell.named_parameters())
    if state is None:
        state = x.new_zeros(len(x), cell.state_size)
    inputs = (x, state, read, *values.values())
    asking = (tensor is not None and tensor.requires_grad for tensor in inputs)
    if torch.is_grad_enabled() and any(asking):
        return _Unroll.apply(cell, tuple(values), *inputs)  # pyright: ignore
    return loops.unrolling(cell, values, x, state, read).forward(keep=False)[0]


class _Unroll(torch.autograd.Function):
    """The unrolling, with its read-out if there is one, as one node of the graph."""

    @staticmethod
    def forward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any,
        cell: Cell,
        names: tuple[str, ...],
        x: Tensor,
        state: Tensor,
        read: Tensor | None,
        *parameters: Tensor,
    ) -> Tensor:
        values = dict(zip(names, parameters, strict=True))
        unrolling = loops.unrolling(cell, values, x, state, read)
        found, parts = unrolling.forward(keep=True)
        ctx.cell, ctx.names, ctx.unrolling = cell, names, unrolling
        ctx.save_for_backward(x, state, read, *parameters, *parts)
        return found

    @staticmethod
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, grad: Tensor
    ) -> tuple[Tensor | None, ...]:
        x, state, read, *rest = ctx.saved_tensors
        parameters, parts = rest[: len(ctx.names)], rest[len(ctx.names) :]
        wanted = ctx.needs_input_grad[2:]
        if torch.is_grad_enabled():  # a second derivative will be taken
            values = dict(zip(ctx.names, parameters, strict=True))
            inputs = [x, state, read, *parameters]
            found = _differentiable(ctx.cell, values, inputs, wanted, grad)
            return None, None, *found
        named = ctx.unrolling.backward(parts, grad, want_x=wanted[0])
        names = ("x", "state", "read", *ctx.names)
        found = (named[n] if w else None for n, w in zip(names, wanted, strict=True))
        return None, None, *found


def _differentiable(
    cell: Cell,
    values: Mapping[str, Tensor],
    inputs: list[Tensor | None],
    wanted: tuple[bool, ...],
    grad: Tensor,
) -> list[Tensor | None]:
    """Give the gradients through the reference, with a graph of their own."""
    x, state, read, *_ = inputs
    out = reference.unroll_with(cell, values, x, state)  # pyright: ignore
    if read is not None:
        out = out[..., cell.output] @ read
    both = zip(inputs, wanted, strict=True)
    asked = [tensor for tensor, want in both if want and tensor is not None]
    found = iter(torch.autograd.grad(out, asked, grad, create_graph=True))
    return [next(found) if want else None for want in wanted]

"""The one entry to both engines, and the choice between them."""

from collections.abc import Mapping
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch._C._functorch import (  # pyright: ignore[reportMissingModuleSource]
    peek_interpreter_stack,  # PyTorch has no public question for its transforms
)
from torch.autograd import forward_ad

from ..cells import Cell
from . import compiled, reference
from .layout import compiles
from .watching import shown, watched

Engine = Literal["auto", "reference", "compiled"]


def unroll(
    cell: Cell,
    x: Float[Tensor, "sequence step input"],
    state: Float[Tensor, "sequence state"] | None = None,
    *,
    engine: Engine = "auto",
) -> Float[Tensor, "sequence step state"]:
    """Give the state after every step, ``state_t = step(state_{t-1}, x_t)``.

    ``auto`` takes the compiled engine for this package's cells in float32 or float64
    on a CPU, and the reference engine for anything else: other devices and dtypes,
    own cells, `torch.func` transforms, forward-mode tensors, autocast, tracing. Both
    give gradients for x, the state and the parameters. A second derivative of the
    compiled engine is taken through the reference.

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
    run = compiled if chosen(engine, cell, x, state) == "compiled" else reference
    return shown(cell, x, state, run.unroll(cell, x, state))


def outputs(
    cell: Cell,
    x: Float[Tensor, "sequence step input"],
    weight: Float[Tensor, "unit"],
    *,
    engine: Engine = "auto",
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
    if watched():
        return unroll(cell, x, engine=engine)[..., cell.output] @ weight
    run = compiled if chosen(engine, cell, x, None, weight) == "compiled" else reference
    return run.outputs(cell, x, weight)


def tangent(
    cell: Cell,
    x: Float[Tensor, "sequence step input"],
    direction: Mapping[str, Tensor],
    state: Float[Tensor, "sequence state"] | None = None,
    *,
    engine: Engine = "auto",
) -> Float[Tensor, "sequence step state"]:
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
    _check_direction(cell, direction)
    run = compiled if chosen(engine, cell, x, state) == "compiled" else reference
    return run.tangent(cell, x, direction, state)


def _check_direction(cell: Cell, direction: Mapping[str, Tensor]) -> None:
    shapes = {name: tuple(p.shape) for name, p in cell.named_parameters()}
    for name, value in direction.items():
        if name not in shapes:
            known = ", ".join(shapes)
            raise ValueError(f"{name} is no parameter of the cell; it has {known}")
        if tuple(value.shape) != shapes[name]:
            raise ValueError(
                f"the direction of {name} has shape {tuple(value.shape)}; "
                f"the parameter has {shapes[name]}"
            )


def chosen(
    engine: Engine,
    cell: Cell,
    x: Tensor,
    state: Tensor | None,
    read: Tensor | None = None,
) -> Engine:
    """Give the engine that will run, ``compiled`` or ``reference``.

    Raises:
        ValueError: as `unroll`.
    """
    if engine not in ("auto", "reference", "compiled"):
        raise ValueError(
            f"the engine is {engine!r}; it must be auto, reference or compiled"
        )
    if engine == "reference":
        return engine
    reason = obstacle(cell, x, state, read)
    if engine == "compiled" and reason:
        raise ValueError(f"the compiled engine cannot run here: {reason}")
    return "reference" if reason else "compiled"


def obstacle(
    cell: Cell, x: Tensor, state: Tensor | None = None, read: Tensor | None = None
) -> str | None:
    """Say why the compiled engine cannot run, or None if it can."""
    if not compiles(cell):
        return f"it knows no {type(cell).__name__} like this one"
    parameters = [getattr(cell, name) for name, _ in cell.named_parameters()]
    given = [tensor for tensor in (state, read) if tensor is not None]
    if isinstance(getattr(cell, "s", None), Tensor) and cell.s.requires_grad:
        return "the constant gate s asks for a gradient"
    return _mode() or _kinds([x, *parameters, *given]) or _shapes(cell, x, state)


def _mode() -> str | None:
    if torch.compiler.is_compiling():
        return "the call is being traced"
    if peek_interpreter_stack() is not None:
        return "a torch.func transform is at work"
    if torch.is_autocast_enabled("cpu"):
        return "autocast is on"
    return None


def _kinds(tensors: list[Tensor]) -> str | None:
    for tensor in tensors:
        if type(tensor) not in (Tensor, torch.nn.Parameter):
            return f"it takes plain tensors, not {type(tensor).__name__}"
        if tensor.device.type != "cpu" or tensor.layout != torch.strided:
            return f"a tensor is on {tensor.device} as {tensor.layout}"
        if forward_ad.unpack_dual(tensor).tangent is not None:
            return "a tensor carries a forward-mode tangent"
    dtypes = {tensor.dtype for tensor in tensors}
    if dtypes not in ({torch.float32}, {torch.float64}):
        return f"dtypes are {sorted(map(str, dtypes))}; it takes float32 or float64"
    return None


def _shapes(cell: Cell, x: Tensor, state: Tensor | None) -> str | None:
    if x.ndim != 3 or x.shape[2] != cell.inputs or 0 in x.shape[:2]:
        return f"x has shape {tuple(x.shape)}, not (sequence, step, {cell.inputs})"
    if state is not None and state.shape != (x.shape[0], cell.state_size):
        return f"the state has shape {tuple(state.shape)}"
    return None

"""What compiled loops can do, and whether what they are given fits together."""

from collections.abc import Iterable, Mapping
from operator import index
from typing import Literal, SupportsIndex

import torch
from torch import Tensor
from torch._C._functorch import (  # pyright: ignore[reportMissingModuleSource]
    peek_interpreter_stack,  # PyTorch has no public question for its transforms
)
from torch.autograd import forward_ad

from ..cells import Cell
from .ahead import Task, better_in_pytorch
from .layout import compiles

Engine = Literal["auto", "reference", "compiled"]


def chosen(
    engine: Engine,
    cell: Cell,
    x: Tensor,
    state: Tensor | None = None,
    read: Tensor | None = None,
    task: Task | None = None,
) -> Engine:
    """Return the engine that will run, ``compiled`` or ``reference``.

    While loops are compiled for the first time on a machine, ``auto`` takes PyTorch for
    what is small.

    Args:
        engine: ``auto``, or one of the two by name.
        cell: the recurrence.
        x: inputs.
        state: the state before the first step.
        read: the weight of a linear read-out.
        task: what is to be done, if a second process may be compiling its loops.

    Raises:
        ValueError: if the engine is unknown, or if it is ``compiled`` and cannot do
            this; the sentence says why.
    """
    if engine not in ("auto", "reference", "compiled"):
        raise ValueError(
            f"the engine is {engine!r}; it must be auto, reference or compiled"
        )
    if engine == "reference":
        return engine
    reason = obstacle(cell, x, state, read)
    if engine == "compiled" and reason:
        raise ValueError(refusal(reason))
    if reason:
        return "reference"
    numbers = x.shape[0] * x.shape[1] * cell.state_size
    waits = engine == "auto" and task and better_in_pytorch(x.dtype, task, numbers)
    return "reference" if waits else "compiled"


def refusal(reason: str) -> str:
    """Return what is said where the compiled engine was asked for and cannot run."""
    return f"the compiled engine cannot run here: {reason}; use engine='auto'"


def obstacle(
    cell: Cell, x: Tensor, state: Tensor | None = None, read: Tensor | None = None
) -> str | None:
    """Return why the compiled engine cannot run, or None if it can."""
    if not compiles(cell):
        return f"it knows no {type(cell).__name__} like this one"
    parameters = [getattr(cell, name) for name, _ in cell.named_parameters()]
    given = [tensor for tensor in (state, read) if tensor is not None]
    if isinstance(getattr(cell, "s", None), Tensor) and cell.s.requires_grad:
        return "the constant gate s asks for a gradient"
    return _mode() or kinds([x, *parameters, *given]) or _shapes(cell, x, state)


def _mode() -> str | None:
    if torch.compiler.is_compiling():
        return "the call is being traced"
    if peek_interpreter_stack() is not None:
        return "a torch.func transform is at work"
    if torch.is_autocast_enabled("cpu"):
        return "autocast is on"
    return None


def plain(tensors: Iterable[Tensor]) -> bool:
    """Say whether a call may be one node of the graph, in PyTorch on any device."""
    given = list(tensors)
    return (
        _mode() is None
        and len({tensor.dtype for tensor in given}) == 1
        and not any(torch.is_autocast_enabled(t.device.type) for t in given)
        and all(
            type(tensor) in (Tensor, torch.nn.Parameter)
            and forward_ad.unpack_dual(tensor).tangent is None
            for tensor in given
        )
    )


def kinds(tensors: Iterable[Tensor]) -> str | None:
    """Return why loops cannot read some tensors, or None if they can."""
    dtypes = set()
    for tensor in tensors:
        if type(tensor) not in (Tensor, torch.nn.Parameter):
            return f"it takes plain tensors, not {type(tensor).__name__}"
        if tensor.device.type != "cpu" or tensor.layout != torch.strided:
            return f"a tensor is on {tensor.device} as {tensor.layout}"
        if forward_ad.unpack_dual(tensor).tangent is not None:
            return "a tensor carries a forward-mode tangent"
        dtypes.add(tensor.dtype)
    if dtypes not in ({torch.float32}, {torch.float64}):
        return f"dtypes are {sorted(map(str, dtypes))}; it takes float32 or float64"
    return None


def _shapes(cell: Cell, x: Tensor, state: Tensor | None) -> str | None:
    if x.ndim != 3 or x.shape[2] != cell.inputs or 0 in x.shape[:2]:
        return f"x has shape {tuple(x.shape)}, not (sequence, step, {cell.inputs})"
    if state is not None and state.shape != (x.shape[0], cell.state_size):
        return f"the state has shape {tuple(state.shape)}"
    return None


def check_direction(cell: Cell, direction: Mapping[str, Tensor]) -> None:
    """Check that a direction is one of the cell's parameters.

    Raises:
        ValueError: if it names another parameter or has another shape.
    """
    shapes = {name: tuple(p.shape) for name, p in cell.named_parameters()}
    for name, value in direction.items():
        if name not in shapes:
            known = ", ".join(shapes)
            raise ValueError(f"{name} is no parameter of the cell; it has {known}")
        check_shape(f"the direction of {name}", value, shapes[name])


def check_shape(name: str, value: Tensor, needed: tuple[int, ...]) -> None:
    """Check a tensor's shape.

    Raises:
        ValueError: if it is another one.
    """
    if tuple(value.shape) != needed:
        raise ValueError(
            f"{name} has shape {tuple(value.shape)}; these inputs and this cell need "
            f"{needed}"
        )


def check_sweep(
    cell: Cell,
    x: Tensor,
    anchors: Iterable[SupportsIndex],
    longest: int,
    **vectors: Tensor,
) -> list[int]:
    """Return the anchors of a backward sweep if all that it reads is there.

    Args:
        cell: the recurrence.
        x: inputs (sequence, step, input).
        anchors: the steps at which it begins.
        longest: its last lag.
        vectors: what it reads of every state, by name.

    Raises:
        ValueError: if an anchor or lag lies outside the sequences, or a shape is not
            what the cell and the inputs ask for.
    """
    if x.ndim != 3 or x.shape[2] != cell.inputs:
        raise ValueError(
            f"the inputs have shape {tuple(x.shape)}; this cell needs (sequence, step, "
            f"{cell.inputs})"
        )
    steps = x.shape[1]
    for name, vector in vectors.items():
        check_shape(name, vector, (*x.shape[:2], cell.state_size))
    if not 0 <= longest < steps:
        raise ValueError(
            f"lag {longest} does not fit into sequences of {steps} steps; give lags "
            f"from 0 to {steps - 1}"
        )
    at = [index(anchor) for anchor in anchors]
    for anchor in at:
        if not 0 <= anchor < steps:
            raise ValueError(
                f"anchor {anchor} is no step of sequences of {steps} steps; give steps "
                f"from 0 to {steps - 1}"
            )
    return at

"""How a cell of others steps: what it takes and gives, which of it is its state."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from math import prod
from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from .split import pulled
from .taps import filled, unseen
from .trees import Place, leaves, mapped, placed, replaced


@final
@dataclass(frozen=True)
class DeclaredCell:
    """What is declared of a cell of others: see `cell`.

    Attributes:
        module: the module of the model.
        step: gives, of state and inputs, what a call gives; None: as it is called.
        state: picks the state of what a call gives; None: found by its values.
    """

    module: nn.Module
    step: Callable[[Any, Tensor], Any] | None = None
    state: Callable[[Any], Any] | None = None


def cell(
    module: nn.Module,
    *,
    step: Callable[[Any, Tensor], Any] | None = None,
    state: Callable[[Any], Any] | None = None,
) -> DeclaredCell:
    """Declare that a model calls a module step by step, for `diagnose(layers=...)`.

    Cells that are given, beside their inputs, a state that they gave in the call before
    are recognised as they are. What cannot be seen by that is declared: which part of
    what a call gives is the state, and how to step where a call needs more than state
    and inputs.

    Args:
        module: a module of the model.
        step: ``step(state, x)`` gives what a call of the module gives, rows of
            sequences first; the state is a tensor, or a tuple of its parts. The module
            is called as the model calls it unless given.
        state: picks the state of what a call gives; found by its values unless given.

    Returns:
        What `diagnose` takes among the names of layers.

    Example:
        >>> import torch
        >>> import learnability as lw
        >>> class Timed(torch.nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.mix = torch.nn.Linear(3, 2)
        ...     def forward(self, x, state, seconds):
        ...         state = torch.tanh(seconds * self.mix(torch.cat([x, state], -1)))
        ...         return state, state
        >>> class Model(torch.nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.cell = Timed()
        ...     def forward(self, x):
        ...         state, seconds = x.new_zeros(len(x), 2), x.new_tensor(0.5)
        ...         for step in x.unbind(1):
        ...             out, state = self.cell(step, state, seconds)
        ...         return out[:, 0]
        >>> model, x = Model(), torch.randn(64, 8, 1)
        >>> half = torch.tensor(0.5)
        >>> timed = lw.cell(model.cell, step=lambda h, x: model.cell(x, h, half))
        >>> found = lw.diagnose(model, (x, x[:, -3, 0]), "mse", [1, 2], layers=timed)
        >>> list(found)
        ['cell']
    """
    return DeclaredCell(module, step, state)


@final
@dataclass(frozen=True)
class Convention:
    """How a cell of others is called.

    Attributes:
        x: the place of the inputs in what it takes, (args, kwargs).
        state: the places of each part of the state therein: one may be taken twice.
        parts: the places of the same parts in what it gives, then of all else.
        step: see `DeclaredCell`.
    """

    x: Place
    state: tuple[tuple[Place, ...], ...]
    parts: tuple[Place, ...]
    step: Callable[[Any, Tensor], Any] | None = None

    def read(self, args: tuple, kwargs: dict) -> tuple[Any, tuple[Tensor, ...] | None]:
        """Return the inputs and the state of a call, None where one is missing."""
        taken = dict(placed((args, kwargs)))
        state = tuple(taken[p] for p, *_ in self.state if p in taken)
        return taken.get(self.x), state or None

    def passed(self, taken: tuple[tuple, dict], state: list[Tensor]) -> Any:
        """Return what a call takes with another state."""
        pairs = zip(self.state, state, strict=True)
        by = {place: part for places, part in pairs for place in places}
        return replaced(taken, lambda place, leaf: by.get(place, leaf))

    def given(self, given: Any) -> tuple[Tensor, ...]:
        """Return the parts of what a call gave."""
        found = dict(placed(given))
        return tuple(found[place] for place in self.parts)


@final
class Called(nn.Module):
    """A cell of others with ``step(state, x)``: its call, or what is declared.

    Args:
        module: the cell.
        convention: how it is called.
        taken: what a call took, (args, kwargs).
    """

    def __init__(
        self, module: nn.Module, convention: Convention, taken: tuple[tuple, dict]
    ) -> None:
        super().__init__()
        self.module, self.convention, self.taken = module, convention, taken

    def step(self, state: tuple[Tensor, ...], x: Tensor) -> tuple[Tensor, ...]:
        """Return the next state and what else a call gives."""
        way = self.convention
        own = list(state[: len(way.state)])
        if way.step is not None:
            return way.given(way.step(own[0] if len(own) == 1 else tuple(own), x))
        by: Mapping[Place, Tensor] = {way.x: x}
        taken = replaced(way.passed(self.taken, own), lambda p, v: by.get(p, v))
        args, kwargs = taken
        return way.given(self.module(*args, **kwargs))


class Step(nn.Module):
    """A module whose forward pass is another's step, on states that are one tensor.

    Args:
        module: has ``step(state, x)``.
        state: a state that it gave; its form is that of all states.
        x: inputs, likewise; they are one axis here.
    """

    def __init__(self, module: nn.Module, state: Any, x: Tensor) -> None:
        super().__init__()
        self.shape_of_inputs = x.shape[1:]
        self.module, self.form = module, mapped(state, lambda part: part[:1].detach())
        self.shapes = [part.shape[1:] for part in leaves(state)]
        self.sizes = [shape.numel() for shape in self.shapes]

    def split(self, state: Float[Tensor, "row state"]) -> list[Tensor]:
        """Return the parts of a state, as views."""
        pairs = zip(state.split(self.sizes, dim=-1), self.shapes, strict=True)
        return [part.reshape(len(state), *shape) for part, shape in pairs]

    def parts(self, before: list[Tensor], x: Tensor) -> list[Tensor]:
        """Return the parts of the next state as the module gives them.

        It is handed copies: a step may write into them. A part of the old state that
        it hands on as it is comes as a view, so that no part is made of it.
        """
        device = next(self.module.parameters()).device
        given = [part.to(device, copy=True) for part in before]
        parts = iter(given)
        state = mapped(self.form, lambda _: next(parts))
        with unseen():
            shaped = x.reshape(len(x), *self.shape_of_inputs)
            found = self._stepped(state, shaped.to(device, copy=True))
        old = {id(part) for part in given if part._version == 0}
        return [p.view_as(p) if id(p) in old else p for p in leaves(found)]

    def _stepped(self, state: Any, x: Tensor) -> Any:
        """Step with copies of the buffers: no transform may write into them."""
        with ExitStack() as stack:
            for module in self.module.modules():
                kept = dict(module._buffers)
                stack.callback(module._buffers.update, kept)
                for name, value in kept.items():
                    module._buffers[name] = None if value is None else value.clone()
            return self.module.step(state, x)  # pyright: ignore[reportCallIssue]

    def forward(self, state: Tensor, x: Tensor) -> Tensor:
        return joined(self.parts(self.split(state), x)).to(state.device)


def joined(parts: Sequence[Tensor]) -> Float[Tensor, "row state"]:
    """Return the parts of a state as one tensor."""
    # Of no sequences PyTorch does not infer the size, and scalars have no axis more.
    rows = [part.reshape(len(part), prod(part.shape[1:])) for part in parts]
    return torch.cat(rows, dim=-1)


def led_back(after: Tensor, before: list[Tensor], by: Tensor) -> list[Tensor]:
    """Return cotangents led back; zero to what has no part in it."""
    if not after.requires_grad:
        return [torch.zeros_like(value) for value in before]
    found = torch.autograd.grad(
        after, before, by.to(after.device), retain_graph=True, allow_unused=True
    )
    return filled(found, before)


def rows_led_back(
    after: Float[Tensor, "step state"],
    before: list[Tensor],
    by: Float[Tensor, "row step state"],
) -> list[Float[Tensor, "row step *_"]]:
    """Return what `led_back` says of any number of rows of cotangents."""
    if len(by) > 1 and after.requires_grad:
        return pulled(after, before, by.to(after.device))
    return [
        torch.stack(parts)
        for parts in zip(*(led_back(after, before, one) for one in by), strict=True)
    ]


def reaches(one: Tensor, other: Tensor) -> bool:
    """Tell whether a step made one part of the new state of another."""
    if not (one.requires_grad and other.requires_grad):
        return False
    by = torch.ones_like(one)
    (found,) = torch.autograd.grad(one, other, by, retain_graph=True, allow_unused=True)
    return found is not None


def by_unit(one: Tensor, other: Tensor) -> bool:
    """Tell whether each unit of one part is made of its own unit of the other.

    A diagonal matrix, and no other, takes random v to v times what it takes 1 to.
    """
    if one.shape != other.shape:
        return False
    generator = torch.Generator().manual_seed(0)
    v = torch.randn(one.shape, generator=generator).to(one)
    (through,) = led_back(one, [other], v)
    expected = v * led_back(one, [other], torch.ones_like(one))[0]
    scale = expected.abs().max().clamp(min=through.abs().max())
    apart = (through - expected).abs().max()
    return bool(apart <= 100 * torch.finfo(one.dtype).eps * scale)

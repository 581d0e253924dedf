"""Cells whose gates are made of the inputs alone, and those whose memory is a scan."""

from abc import abstractmethod
from math import prod
from typing import NamedTuple, Unpack

import torch
from jaxtyping import Float, Int
from torch import Tensor

from .base import AnyState, Projected, States, Steps, previous
from .closed import ClosedForm, Options, OuterProductFactor

PULL = 100  # products a number of the state: few, but as slow as memory is
Slope = tuple[Tensor | float, Tensor | float]


class Section(NamedTuple):
    """Some of the projected inputs, ``W_name x + b_name``.

    Attributes:
        name: of its parameters.
        shape: of what it is.
        weight: whether it has W; without it is one parameter, ``name`` itself.
        bias: whether it has b beside W.
    """

    name: str
    shape: tuple[int, ...]
    weight: bool = True
    bias: bool = True

    @property
    def size(self) -> int:
        return prod(self.shape)

    @property
    def constant(self) -> str:
        """Return the name of what is added whatever the inputs."""
        return f"b_{self.name}" if self.weight else self.name


class FromInputs(ClosedForm):
    """A cell whose parameters reach it in its projected inputs, and nowhere else.

    What is the same for all inputs is a part of them, too. So the gradient by every
    parameter is a product of their cotangents.
    """

    recurrent = ()
    no_rates = (
        "its gates are made of the inputs alone: it has no recurrent weights whose "
        "step sizes could be those of its units; read the envelope without rates"
    )

    @property
    def pull_cost(self) -> int:
        return PULL * self.state_size

    @abstractmethod
    def sections(self) -> tuple[Section, ...]:
        """Return the sections of the projected inputs, those with weights first."""

    @abstractmethod
    def pulled(
        self, adjoint: AnyState, before: AnyState, projected: Projected
    ) -> tuple[AnyState, Projected]:
        """Return what `vjp` does, of the state before and the projected input.

        Args:
            adjoint: cotangents of the state after the step.
            before: the state before it.
            projected: its projected input.
        """

    def shapes(self) -> dict[str, tuple[int, ...]]:
        found = {}
        for one in self.sections():
            if one.weight:
                found[f"W_{one.name}"] = (one.size, self.inputs)
            if one.bias or not one.weight:
                found[one.constant] = one.shape
        return found

    def input_projection(self, x: Float[Tensor, "*batch input"]) -> Tensor:
        """Return ``W x + b`` of the sections, one after the other."""
        every = self.sections()
        weight = torch.cat([getattr(self, f"W_{s.name}") for s in every if s.weight])
        constant = torch.cat(
            [
                getattr(self, s.constant).flatten()
                if s.bias or not s.weight
                else weight.new_zeros(s.size)
                for s in every
            ]
        )
        own = len(weight)
        rest = constant[own:].expand(*x.shape[:-1], -1)
        return torch.cat((x @ weight.T + constant[:own], rest), dim=-1)

    def parts(self, projected: Projected) -> tuple[Tensor, ...]:
        """Return the sections of some projected inputs, flat."""
        return projected.split([one.size for one in self.sections()], dim=-1)

    def factors(self, states: Tensor, x: Tensor) -> dict[str, OuterProductFactor]:
        found, start = {}, 0
        for one in self.sections():
            columns = slice(start, start + one.size)
            if one.weight:
                found[f"W_{one.name}"] = OuterProductFactor(columns, x)
            if one.bias or not one.weight:
                found[one.constant] = OuterProductFactor(columns, None)
            start = columns.stop
        return found

    def local_derivatives(self, states: Tensor, x: Tensor) -> Tensor:
        """Return where each step is taken: its state before, its projected input."""
        at = previous(states), self.input_projection(x)
        return torch.cat(at, dim=-1)[..., None, :]

    def vjp(self, adjoint: Tensor, local: Tensor) -> tuple[Tensor, Tensor]:
        size = self.state_size
        at = local[..., 0, :]
        return self.pulled(adjoint, at[..., :size], at[..., size:])


class Advancing(FromInputs):
    """A cell with a memory that advances; all else is done for all steps at once."""

    @abstractmethod
    def prepared(self, projected: Projected) -> tuple[Tensor, ...]:
        """Return what advances the memory."""

    @abstractmethod
    def advanced(self, memory: Tensor, *prepared: Tensor) -> Tensor:
        """Return the memory after a step."""

    def memory(self, state: AnyState) -> Tensor:
        """Return the memory in a state."""
        return state[..., self.carried]

    def shown(self, memory: Tensor, projected: Projected) -> AnyState:
        """Return the state of a memory after its step: the output comes first."""
        del projected
        return memory

    def step_projected(self, state: Tensor, projected: Tensor) -> Tensor:
        after = self.advanced(self.memory(state), *self.prepared(projected))
        return self.shown(after, projected)


class Scan(Advancing):
    """A cell whose memory is a scan, ``m_t = a_t m_{t-1} + b_t``, number by number."""

    @abstractmethod
    def coefficients(self, projected: Projected) -> tuple[Tensor, Tensor]:
        """Return a and b of some projected inputs."""

    def prepared(self, projected: Tensor) -> tuple[Tensor, ...]:
        return self.coefficients(projected)

    def advanced(self, memory: Tensor, *prepared: Tensor) -> Tensor:
        a, b = prepared
        return a * memory + b


class Elementwise(Scan):
    """A scan whose memory is its output, of H units, each with gates of its own."""

    @abstractmethod
    def slopes(self, projected: Projected) -> tuple[Slope, ...]:
        """Return the derivatives of a and b by each section of H units."""

    def diagonal_jacobian(self, states: States, x: Tensor) -> Steps:
        """Return the leak a; there is no correction."""
        a, _ = self.coefficients(self.input_projection(x))
        return Steps(leak=a, correction=torch.zeros_like(a))

    def pulled(
        self, adjoint: Tensor, before: Tensor, projected: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return ``a lambda``, and ``(a' h + b') lambda`` of each section."""
        a, _ = self.coefficients(projected)
        every = self.slopes(projected)
        p = torch.cat([adjoint * (da * before + db) for da, db in every], dim=-1)
        return a * adjoint, p


class Matrix(FromInputs):
    """A cell that reads each unit of its output from a row of memory of its own.

    Its state is the output and then the memory, row by row; more may follow.

    Args:
        inputs: their number, D.
        units: their number, H.
        width: numbers of memory in the row of each unit.
        options: ``init`` and ``seed``; see `Options`.
    """

    def __init__(
        self,
        inputs: int,
        units: int,
        *,
        width: int,
        **options: Unpack[Options],
    ) -> None:
        if width < 1:
            raise ValueError(f"width is {width}; a memory needs at least one number")
        self.width = width
        super().__init__(inputs, units, **options)

    @property
    def state_size(self) -> int:
        return self.units * (1 + self.width)

    @property
    def carried(self) -> slice:
        return slice(self.units, self.units * (1 + self.width))

    @property
    def shown_in(self) -> Int[Tensor, "carried place"]:
        return torch.arange(self.units).repeat_interleave(self.width)[:, None]

    def rows(self, flat: Float[Tensor, "*batch carried"]) -> Tensor:
        """Return a memory, or what is like one, as a row for each unit."""
        return flat.unflatten(-1, (self.units, self.width))


def times(
    matrix: Float[Tensor, "*#batch row column"], vector: Float[Tensor, "*#batch column"]
) -> Float[Tensor, "*batch row"]:
    """Return ``M v``."""
    return (matrix * vector[..., None, :]).sum(dim=-1)


def times_from_left(
    vector: Float[Tensor, "*#batch row"], matrix: Float[Tensor, "*#batch row column"]
) -> Float[Tensor, "*batch column"]:
    """Return ``v' M``."""
    return (vector[..., None] * matrix).sum(dim=-2)


def outer(
    left: Float[Tensor, "*#batch row"], right: Float[Tensor, "*#batch column"]
) -> Float[Tensor, "*batch row column"]:
    """Return ``v w'``."""
    return left[..., None] * right[..., None, :]

"""What every cell has: one step, and its derivatives."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.func import functional_call, jvp
from torch.nn import functional

Inputs = Float[Tensor, "sequence step input"]
States = Float[Tensor, "sequence step state"]
State = Float[Tensor, "sequence state"]
AnyState = Float[Tensor, "*batch state"]
Units = Float[Tensor, "sequence step unit"]
Carried = Float[Tensor, "sequence step carried"]
Projected = Float[Tensor, "*batch pre"]

STATE_BYTES = 2**28
"""Bytes of the states of one part: far above a cache, far below a machine's memory.

What all studies of a small machine hold in one part is computed as one batch."""

WORKING_BYTES = 2**24
"""Bytes of the states of a slice, where work takes twenty arrays of their size."""


@dataclass(frozen=True)
class Steps:
    """How one step carries each unit's own past: ``J_t[q, q] = leak + correction``.

    Of a pair of units that turn about each other it is the size that they keep.

    Attributes:
        leak: what the gate alone keeps, ``a_t``; (sequence, step, carried unit).
        correction: gate derivatives and recurrent weights, ``r_t``; the same shape.
        exit: factor from the carried unit to its output, ``e_t`` of the LSTM;
            None where the carried unit is the output.
    """

    leak: Carried
    correction: Carried
    exit: Carried | None = None


class Cell(nn.Module, ABC):
    """A recurrence ``state' = step(state, x)`` and its derivatives.

    Attributes:
        inputs: D, the number of inputs.
        units: H, the number of units of the output.
        state_size: S, the size of the state (H; twice H for the LSTM).
        carried: slice of the state that carries the past (LSTM: c, otherwise h).
        output: slice of the state that the read-out sees, h.
        recurrent: names of the recurrent matrices, (unit, unit) each, or of their
            diagonals, (unit,).
        undefined: why the cell has none of some orders of transport, by order.
        no_rates: why no step sizes of an optimizer are those of its units, if so.
        route: from what to what a gain leads, in words; empty where it says itself.
    """

    inputs: int
    units: int
    recurrent: tuple[str, ...]
    undefined: Mapping[str, str] = {}
    no_rates: str = ""
    route: str = ""
    ln_weight: Tensor | None
    ln_bias: Tensor | None

    @property
    def layernorm(self) -> bool:
        return self.ln_weight is not None

    @property
    def state_size(self) -> int:
        return self.units

    @property
    def output(self) -> slice:
        return slice(0, self.units)

    @property
    def carried(self) -> slice:
        return slice(self.state_size - self.units, self.state_size)

    @property
    def carried_units(self) -> int:
        """Return how many units carry the past: H, or more in a wider memory."""
        return self.carried.stop - self.carried.start

    @property
    def pull_cost(self) -> int:
        """Return how many products pull one cotangent of the state through a step."""
        inner = sum(getattr(self, name).numel() for name in self.recurrent)
        return max(inner, self.state_size**2)

    @property
    def shown_in(self) -> Int[Tensor, "carried place"]:
        """Return the places in the output at which each carried unit shows.

        It is one, or both of a pair of units that turn about each other.
        """
        return torch.arange(self.units)[:, None]

    @abstractmethod
    def input_projection(self, x: Float[Tensor, "*batch input"]) -> Projected:
        """Return the inputs' share of all pre-activations, biases included."""

    @abstractmethod
    def step_projected(self, state: AnyState, projected: Projected) -> AnyState:
        """Return the next state from the last one and the projected input."""

    @abstractmethod
    def diagonal_jacobian(self, states: States, x: Inputs) -> Steps:
        """Return leak and correction of every step in closed form.

        Args:
            states: the states after each step, from a zero initial state.
            x: the inputs of the same steps.
        """

    def exit_derivatives(self, states: States, x: Inputs) -> Tensor | None:
        """Return each carried unit's derivative of its output in the same step.

        It is that of `diagonal_jacobian`: None where units are the output themselves.

        Args:
            states: the states after each step, from a zero initial state.
            x: the inputs of the same steps.
        """
        return self.diagonal_jacobian(states, x).exit

    @abstractmethod
    def local_derivatives(
        self, states: States, x: Inputs
    ) -> Float[Tensor, "sequence step derivative unit"]:
        """Return the partial derivatives of which `vjp` makes ``J_t^T``.

        Args:
            states: the states after each step, from a zero initial state.
            x: the inputs of the same steps.
        """

    @abstractmethod
    def vjp(
        self, adjoint: AnyState, local: Float[Tensor, "*#batch derivative unit"]
    ) -> tuple[AnyState, Projected]:
        """Return ``J_t^T lambda`` in closed form, a few products with the weights.

        Args:
            adjoint: lambda, cotangents of the state after the step.
            local: the step's own, see `local_derivatives`.

        Returns:
            The cotangents of the state before the step and of the projected input.
        """

    def reached(
        self, adjoint: AnyState, local: Float[Tensor, "*#batch derivative unit"]
    ) -> Projected:
        """Return the cotangents of the projected input alone, of steps by themselves.

        Args:
            adjoint: as `vjp` takes it.
            local: likewise.
        """
        return self.vjp(adjoint, local)[1]

    @abstractmethod
    def row_gradients(
        self, p: Float[Tensor, "sequence row step pre"], states: States, x: Inputs
    ) -> Float[Tensor, "sequence row parameter"]:
        """Return each sequence's and row's gradient, LayerNorm's parameters apart.

        Args:
            p: cotangents of the projected inputs, the second of what `vjp` gives.
            states: the states after each step, from a zero initial state.
            x: the inputs of the same steps.
        """

    def step(self, state: AnyState, x: Float[Tensor, "*batch input"]) -> AnyState:
        """Return the next state: the cell's equation."""
        return self.step_projected(state, self.input_projection(x))

    def forward(self, state: Tensor, x: Tensor) -> Tensor:
        return self.step(state, x)

    def parameter_jvp(
        self,
        before: AnyState,
        x: Float[Tensor, "*batch input"],
        at: dict[str, Tensor],
        along: dict[str, Tensor],
    ) -> AnyState:
        """Return the next state's derivative along a direction of the parameters.

        Args:
            before: states before the step.
            x: inputs of the step.
            at: all parameters by name.
            along: the direction, by the same names.
        """

        def step(parameters: dict[str, Tensor]) -> Tensor:
            return functional_call(self, parameters, (before, x))

        return jvp(step, (at,), (along,))[1]


def previous(states: States) -> Tensor:
    """Return the state before each step: ``states`` one later, zero at the start."""
    return functional.pad(states, (0, 0, 1, 0))[:, :-1]


def split(
    cell: Cell,
    x: Inputs,
    *,
    max_bytes: int = STATE_BYTES,
) -> list[slice]:
    """Return slices of sequences whose states take no more than some bytes each.

    A part has one sequence at least, and all parts but the last are of one size.

    Args:
        cell: the recurrence.
        x: inputs.
        max_bytes: of the states of a part.

    Example:
        >>> import torch
        >>> from learnability.cells import GRU
        >>> split(GRU(2, 4), torch.zeros(5, 10, 2), max_bytes=2 * 10 * 4 * 4)
        [slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)]
    """
    sequences, steps = x.shape[:2]
    size = max(1, max_bytes // (steps * cell.state_size * x.element_size()))
    starts = range(0, sequences, size)
    return [slice(start, min(start + size, sequences)) for start in starts]

"""Cells of one candidate: mixed in by a constant, shared or own gate, or by none."""

from abc import abstractmethod
from typing import Literal, Unpack, final, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from .base import Steps, previous
from .closed import Normalised, Options, OuterProductFactor, normalise_vjp


class OneCandidate(Normalised):
    """A cell of one candidate, made of ``a = W_x x + b_x + W_h h``."""

    recurrent = ("W_h",)
    W_x: Tensor
    b_x: Tensor
    W_h: Tensor

    def shapes(self) -> dict[str, tuple[int, ...]]:
        wide, square = (self.units, self.inputs), (self.units, self.units)
        return {"W_x": wide, "b_x": (self.units,), "W_h": square}

    def input_projection(self, x: Float[Tensor, "*batch input"]) -> Tensor:
        return x @ self.W_x.T + self.b_x

    def factors(self, states: Tensor, x: Tensor) -> dict[str, OuterProductFactor]:
        own = slice(0, self.units)
        sources = {"W_x": x, "b_x": None, "W_h": previous(states)}
        return {n: OuterProductFactor(own, source) for n, source in sources.items()}

    def own_slope(self, a: Tensor) -> Tensor:
        """Return `own_derivative` of the candidate's ``LN(a)``, with ``A = W_h``."""
        diagonal = self.W_h.diagonal()
        return self.own_derivative(a, diagonal, lambda y: y @ self.W_h)


class Leaky(OneCandidate):
    """``c = tanh(LN(W_x x + b_x + W_h h))``, ``h' = (1 - s) h + s c``."""

    def shapes(self) -> dict[str, tuple[int, ...]]:
        return super().shapes() | self.gate_shapes()

    @abstractmethod
    def gate_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shapes of the gate's own parameters."""

    @abstractmethod
    def gate(
        self, h: Float[Tensor, "*batch unit"], projected: Float[Tensor, "*batch gate"]
    ) -> Tensor:
        """Return the gate s from the last state and its projected input."""

    @abstractmethod
    def gate_projection(self, x: Float[Tensor, "*batch input"]) -> Tensor | None:
        """Return the inputs' share of the gate's pre-activation, or None."""

    @abstractmethod
    def gate_diagonal(self) -> Tensor | float:
        """Return the derivative of each gate's pre-activation by its unit's state."""

    def input_projection(self, x: Float[Tensor, "*batch input"]) -> Tensor:
        candidate = super().input_projection(x)
        gate = self.gate_projection(x)
        return candidate if gate is None else torch.cat((candidate, gate), dim=-1)

    def step_projected(self, state: Tensor, projected: Tensor) -> Tensor:
        s = self.gate(state, projected[..., self.units :])
        a = projected[..., : self.units] + state @ self.W_h.T
        return (1 - s) * state + s * self.activation(a)

    def factors(self, states: Tensor, x: Tensor) -> dict[str, OuterProductFactor]:
        h, gate = previous(states), slice(self.units, None)
        sources = {"W": x, "w": x, "U": h, "u": h, "b": None}
        return super().factors(states, x) | {
            name: OuterProductFactor(gate, sources[name[0]])
            for name in self.gate_shapes()
        }

    def derivatives(self, states: Tensor, x: Tensor) -> tuple[Tensor, ...]:
        """Return ``1 - s``, ``(c - h) s'``, ``s (1 - c^2)`` and a."""
        h, projected = previous(states), self.input_projection(x)
        s = self.gate(h, projected[..., self.units :])
        a = projected[..., : self.units] + h @ self.W_h.T
        c = self.activation(a)
        by_gate = (c - h) * s * (1 - s)
        return (1 - s).expand_as(h), by_gate, s * (1 - c**2), a

    def diagonal_jacobian(self, states: Tensor, x: Tensor) -> Steps:
        """Return ``1 - s`` and ``(c - h) ds/dh + s (1 - c^2) k``, with ``A = W_h``."""
        keep, by_gate, slope, a = self.derivatives(states, x)
        k = self.own_slope(a)
        return Steps(keep, by_gate * self.gate_diagonal() + slope * k)

    def vjp(self, adjoint: Tensor, local: Tensor) -> tuple[Tensor, Tensor]:
        """Return ``(1-s) lambda + W_h^T p_c + U_s^T p_s``.

        ``p_c = LN^T(s (1-c^2) lambda)``, ``p_s = (c - h) s' lambda``, summed over units
        where they share the gate.
        """
        keep, by_gate, by_candidate, *xhat = local.unbind(dim=-2)
        p = normalise_vjp(by_candidate * adjoint, xhat)
        back = keep * adjoint + p @ self.W_h
        return self.gate_vjp(back, p, by_gate * adjoint)

    @abstractmethod
    def gate_vjp(
        self, back: Tensor, p: Tensor, by_gate: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Add the gate's path to what is pulled back and to the pre-activations."""


@final
class ConstGate(Leaky):
    """A leaky unit of one fixed rate.

    ``c = tanh(LN(W_x x + b_x + W_h h))``, ``h' = (1 - s) h + s c``, s a scalar that
    is not trained.

    Args:
        inputs: their number, D.
        units: their number, H.
        s: the gate, between 0 and 1; the time scale is ``-1/log(1 - s)`` steps.
        options: ``layernorm``, ``init`` and ``seed``; see `Options`.

    Raises:
        ValueError: if s lies outside [0, 1] or a size is below 1.

    Example:
        >>> import torch
        >>> cell = ConstGate(3, 4, s=0.1)
        >>> cell.step(torch.zeros(2, 4), torch.ones(2, 3)).shape
        torch.Size([2, 4])

    Source: Livi 2025, section 3 (arXiv 2512.05790).
    """

    s: Tensor

    def __init__(
        self, inputs: int, units: int, *, s: float = 0.05, **options: Unpack[Options]
    ) -> None:
        if not 0 <= s <= 1:
            raise ValueError(f"the gate s is {s}; it must lie between 0 and 1")
        super().__init__(inputs, units, **options)
        self.register_buffer("s", torch.tensor(float(s)))

    def gate_shapes(self) -> dict[str, tuple[int, ...]]:
        return {}

    def gate_projection(self, x: Tensor) -> None:
        return None

    def gate(self, h: Tensor, projected: Tensor) -> Tensor:
        return self.s

    def gate_diagonal(self) -> float:
        return 0.0

    def gate_vjp(
        self, back: Tensor, p: Tensor, by_gate: Tensor
    ) -> tuple[Tensor, Tensor]:
        return back, p


class TrainedGate(Leaky):
    """A leaky cell whose gate starts at s0 and follows inputs and state."""

    def __init__(
        self, inputs: int, units: int, *, s0: float = 0.05, **options: Unpack[Options]
    ) -> None:
        super().__init__(inputs, units, gate=("s", s0), **options)


@final
class SharedGate(TrainedGate):
    """A leaky cell with one trained gate for all units.

    ``s = sigmoid(w_s . x + b_s + u_s . h)``, ``c = tanh(LN(W_x x + b_x + W_h h))``,
    ``h' = (1 - s) h + s c``.

    Args:
        inputs: their number, D.
        units: their number, H.
        s0: the gate's value at the start, with ``init="published"``.
        options: ``layernorm``, ``init`` and ``seed``; see `Options`.

    Raises:
        ValueError: if s0 is not between 0 and 1 or a size is below 1.

    Example:
        >>> SharedGate(3, 4).state_size
        4

    Source: Livi 2025, section 3 (arXiv 2512.05790).
    """

    w_s: Tensor
    u_s: Tensor
    b_s: Tensor

    def gate_shapes(self) -> dict[str, tuple[int, ...]]:
        return {"w_s": (self.inputs,), "u_s": (self.units,), "b_s": ()}

    def gate_projection(self, x: Tensor) -> Tensor:
        return (x @ self.w_s + self.b_s)[..., None]

    def gate(self, h: Tensor, projected: Tensor) -> Tensor:
        return torch.sigmoid(projected + (h @ self.u_s)[..., None])

    def gate_diagonal(self) -> Tensor:
        return self.u_s

    def gate_vjp(
        self, back: Tensor, p: Tensor, by_gate: Tensor
    ) -> tuple[Tensor, Tensor]:
        shared = by_gate.sum(dim=-1, keepdim=True)
        return back + shared * self.u_s, torch.cat((p, shared), dim=-1)


@final
class DiagGate(TrainedGate):
    """A leaky cell with a trained gate for every unit.

    ``s = sigmoid(W_s x + b_s + U_s h)``, ``c = tanh(LN(W_x x + b_x + W_h h))``,
    ``h' = (1 - s) h + s c``.

    Args:
        inputs: their number, D.
        units: their number, H.
        s0: the gates' value at the start, with ``init="published"``.
        options: ``layernorm``, ``init`` and ``seed``; see `Options`.

    Raises:
        ValueError: if s0 is not between 0 and 1 or a size is below 1.

    Example:
        >>> DiagGate(3, 4, layernorm=True).recurrent
        ('W_h', 'U_s')

    Source: Livi 2025, section 3 (arXiv 2512.05790).
    """

    recurrent = ("W_h", "U_s")
    W_s: Tensor
    U_s: Tensor
    b_s: Tensor

    def gate_shapes(self) -> dict[str, tuple[int, ...]]:
        return {
            "W_s": (self.units, self.inputs),
            "U_s": (self.units, self.units),
            "b_s": (self.units,),
        }

    def gate_projection(self, x: Tensor) -> Tensor:
        return x @ self.W_s.T + self.b_s

    def gate(self, h: Tensor, projected: Tensor) -> Tensor:
        return torch.sigmoid(projected + h @ self.U_s.T)

    def gate_diagonal(self) -> Tensor:
        return self.U_s.diagonal()

    def gate_vjp(
        self, back: Tensor, p: Tensor, by_gate: Tensor
    ) -> tuple[Tensor, Tensor]:
        return back + by_gate @ self.U_s, torch.cat((p, by_gate), dim=-1)


Nonlinearity = Literal["tanh", "relu"]


@final
class TorchRNN(OneCandidate):
    """A recurrent network without a gate, as `torch.nn.RNN` is.

    ``h' = tanh(LN(W_x x + b_x + W_h h))``, or relu in place of tanh. Nothing is kept
    by a gate: the leak is 0, all that a unit carries is the correction ``r``.

    Args:
        inputs: their number, D.
        units: their number, H.
        nonlinearity: ``tanh`` or ``relu``.
        options: ``layernorm``, ``init`` and ``seed``; see `Options`.

    Raises:
        ValueError: if the nonlinearity is unknown or a size is below 1.

    Example:
        >>> TorchRNN(3, 4, nonlinearity="relu").recurrent
        ('W_h',)

    Source: Elman 1990; the equations in the documentation of `torch.nn.RNN`.
    """

    def __init__(
        self,
        inputs: int,
        units: int,
        *,
        nonlinearity: Nonlinearity = "tanh",
        **options: Unpack[Options],
    ) -> None:
        if nonlinearity not in get_args(Nonlinearity):
            raise ValueError(
                f"the nonlinearity is {nonlinearity!r}; it must be 'tanh' or 'relu'"
            )
        super().__init__(inputs, units, **options)
        self.nonlinearity: Nonlinearity = nonlinearity

    def candidate(self, h: Tensor, projected: Tensor) -> tuple[Tensor, Tensor]:
        """Return the pre-activation and what stands inside the nonlinearity."""
        a = projected + h @ self.W_h.T
        return a, self.normalised(a)

    def step_projected(self, state: Tensor, projected: Tensor) -> Tensor:
        _, inside = self.candidate(state, projected)
        return torch.tanh(inside) if self.nonlinearity == "tanh" else inside.relu()

    def slope(self, inside: Tensor) -> Tensor:
        """Return the derivative of the nonlinearity: ``1 - c^2``, or 1 above 0."""
        if self.nonlinearity == "tanh":
            return 1 - torch.tanh(inside) ** 2
        return (inside > 0).to(inside.dtype)

    def diagonal_jacobian(self, states: Tensor, x: Tensor) -> Steps:
        """Return the leak 0 and ``r = slope k``, with ``A = W_h``."""
        a, inside = self.candidate(previous(states), self.input_projection(x))
        correction = self.slope(inside) * self.own_slope(a)
        return Steps(leak=torch.zeros_like(a), correction=correction)

    def derivatives(self, states: Tensor, x: Tensor) -> tuple[Tensor, ...]:
        """Return the nonlinearity's slope and a."""
        a, inside = self.candidate(previous(states), self.input_projection(x))
        return self.slope(inside), a

    def vjp(self, adjoint: Tensor, local: Tensor) -> tuple[Tensor, Tensor]:
        """Return ``W_h^T p``, ``p = LN^T(slope lambda)``."""
        by_candidate, *xhat = local.unbind(dim=-2)
        p = normalise_vjp(by_candidate * adjoint, xhat)
        return p @ self.W_h, p

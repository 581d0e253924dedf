"""Leaky cells: one candidate, mixed in by a gate that is constant, shared or own."""

from abc import abstractmethod
from collections.abc import Callable
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from ..randomness import Seed
from .base import Cell, Factor, Initialisation, Steps, logit, previous
from .layernorm import normalise, own_derivative, pull_back, slopes


class Leaky(Cell):
    """``c = tanh(LN(W_x x + b_x + W_h h))``, ``h' = (1 - s) h + s c``."""

    recurrent = ("W_h",)
    W_x: Tensor
    b_x: Tensor
    W_h: Tensor

    def shapes(self) -> dict[str, tuple[int, ...]]:
        candidate = {
            "W_x": (self.units, self.inputs),
            "b_x": (self.units,),
            "W_h": (self.units, self.units),
        }
        return candidate | self.gate_shapes()

    @abstractmethod
    def gate_shapes(self) -> dict[str, tuple[int, ...]]:
        """Give the shapes of the gate's own parameters."""

    @abstractmethod
    def gate(
        self, h: Float[Tensor, "*batch unit"], projected: Float[Tensor, "*batch gate"]
    ) -> Tensor:
        """Give the gate s from the last state and its projected input."""

    @abstractmethod
    def project_gate(self, x: Float[Tensor, "*batch input"]) -> Tensor | None:
        """Give the inputs' share of the gate's pre-activation, or None."""

    @abstractmethod
    def gate_slope(self, s: Tensor) -> Tensor:
        """Give ``ds_q/dh_q``, each unit's gate by its own past state."""

    def project(self, x: Float[Tensor, "*batch input"]) -> Tensor:
        candidate = x @ self.W_x.T + self.b_x
        gate = self.project_gate(x)
        return candidate if gate is None else torch.cat((candidate, gate), dim=-1)

    def advance(self, state: Tensor, projected: Tensor) -> Tensor:
        s = self.gate(state, projected[..., self.units :])
        a = projected[..., : self.units] + state @ self.W_h.T
        c = torch.tanh(normalise(a, self.ln_weight, self.ln_bias))
        return (1 - s) * state + s * c

    def factors(self, states: Tensor, x: Tensor) -> dict[str, Factor]:
        h = previous(states)
        own, gate = slice(0, self.units), slice(self.units, None)
        candidate = {"W_x": Factor(own, x), "b_x": Factor(own, None)}
        candidate["W_h"] = Factor(own, h)
        sources = {"W": x, "w": x, "U": h, "u": h, "b": None}
        return candidate | {
            name: Factor(gate, sources[name[0]]) for name in self.gate_shapes()
        }

    def linearize(self, states: Tensor, x: Tensor) -> Steps:
        """Give leak and correction, with ``A = W_h``."""

        def own(a: Tensor) -> Tensor:
            return own_derivative(
                a, self.ln_weight, self.W_h.diagonal(), lambda y: y @ self.W_h
            )

        return self.split(states, x, own)

    def partials(self, states: Tensor, x: Tensor) -> Tensor:
        """Give ``1 - s``, ``(c - h) s'``, ``s (1 - c^2)``, then LayerNorm's."""
        h, projected = previous(states), self.project(x)
        s = self.gate(h, projected[..., self.units :])
        a = projected[..., : self.units] + h @ self.W_h.T
        c = torch.tanh(normalise(a, self.ln_weight, self.ln_bias))
        by_candidate = slopes(a, self.ln_weight, s * (1 - c**2))
        parts = ((1 - s).expand_as(h), (c - h) * s * (1 - s), *by_candidate)
        return torch.stack(parts, dim=-2)

    def pull(self, adjoint: Tensor, partials: Tensor) -> tuple[Tensor, Tensor]:
        """Give ``(1-s) lambda + W_h^T p_c + U_s^T p_s``.

        ``p_c = LN^T(s (1-c^2) lambda)``, ``p_s = (c - h) s' lambda``, summed over units
        where they share the gate.
        """
        keep, by_gate, by_candidate, *xhat = partials.unbind(dim=-2)
        p = pull_back(by_candidate * adjoint, xhat)
        back = keep * adjoint + p @ self.W_h
        return self.pull_gate(back, p, by_gate * adjoint)

    @abstractmethod
    def pull_gate(
        self, back: Tensor, p: Tensor, by_gate: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Add the gate's path to what is pulled back and to the pre-activations."""

    def split(
        self, states: Tensor, x: Tensor, own: Callable[[Tensor], Tensor]
    ) -> Steps:
        """Give ``a = 1 - s`` and ``r = (c - h) ds/dh + s (1 - c^2) k``, k = own(a)."""
        h, projected = previous(states), self.project(x)
        s = self.gate(h, projected[..., self.units :])
        a = projected[..., : self.units] + h @ self.W_h.T
        c = torch.tanh(normalise(a, self.ln_weight, self.ln_bias))
        correction = (c - h) * self.gate_slope(s) + s * (1 - c**2) * own(a)
        return Steps(leak=(1 - s).expand_as(h), correction=correction)


@final
class ConstGate(Leaky):
    """A leaky unit of one fixed rate.

    ``c = tanh(LN(W_x x + b_x + W_h h))``, ``h' = (1 - s) h + s c``, s a scalar that
    is not trained.

    Args:
        inputs: D.
        units: H.
        s: the gate, between 0 and 1; the time scale is ``-1/log(1 - s)`` steps.
        layernorm: whether LN is LayerNorm or the identity.
        init: see `Cell.reset`.
        seed: NumPy-style seed of the initial weights.

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
        self,
        inputs: int,
        units: int,
        *,
        s: float = 0.05,
        layernorm: bool = False,
        init: Initialisation = "published",
        seed: Seed = 0,
    ) -> None:
        if not 0 <= s <= 1:
            raise ValueError(f"the gate s is {s}; it must lie between 0 and 1")
        super().__init__(inputs, units, layernorm=layernorm, init=init, seed=seed)
        self.register_buffer("s", torch.tensor(float(s)))

    def gate_shapes(self) -> dict[str, tuple[int, ...]]:
        return {}

    def gate_bias(self) -> None:
        return None

    def project_gate(self, x: Tensor) -> None:
        return None

    def gate(self, h: Tensor, projected: Tensor) -> Tensor:
        return self.s

    def gate_slope(self, s: Tensor) -> Tensor:
        return torch.zeros_like(s)

    def pull_gate(
        self, back: Tensor, p: Tensor, by_gate: Tensor
    ) -> tuple[Tensor, Tensor]:
        return back, p


class TrainedGate(Leaky):
    """A leaky cell whose gate starts at s0 and follows inputs and state."""

    def __init__(
        self,
        inputs: int,
        units: int,
        *,
        s0: float = 0.05,
        layernorm: bool = False,
        init: Initialisation = "published",
        seed: Seed = 0,
    ) -> None:
        self.s0 = s0
        super().__init__(inputs, units, layernorm=layernorm, init=init, seed=seed)

    def gate_bias(self) -> tuple[str, float]:
        return "s", logit(self.s0)


@final
class SharedGate(TrainedGate):
    """A leaky cell with one trained gate for all units.

    ``s = sigmoid(w_s . x + b_s + u_s . h)``, ``c = tanh(LN(W_x x + b_x + W_h h))``,
    ``h' = (1 - s) h + s c``.

    Args:
        inputs: D.
        units: H.
        s0: the gate's value at the start, with ``init="published"``.
        layernorm: whether LN is LayerNorm or the identity.
        init: see `Cell.reset`.
        seed: NumPy-style seed of the initial weights.

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

    def project_gate(self, x: Tensor) -> Tensor:
        return (x @ self.w_s + self.b_s)[..., None]

    def gate(self, h: Tensor, projected: Tensor) -> Tensor:
        return torch.sigmoid(projected + (h @ self.u_s)[..., None])

    def gate_slope(self, s: Tensor) -> Tensor:
        return s * (1 - s) * self.u_s

    def pull_gate(
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
        inputs: D.
        units: H.
        s0: the gates' value at the start, with ``init="published"``.
        layernorm: whether LN is LayerNorm or the identity.
        init: see `Cell.reset`.
        seed: NumPy-style seed of the initial weights.

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

    def project_gate(self, x: Tensor) -> Tensor:
        return x @ self.W_s.T + self.b_s

    def gate(self, h: Tensor, projected: Tensor) -> Tensor:
        return torch.sigmoid(projected + h @ self.U_s.T)

    def gate_slope(self, s: Tensor) -> Tensor:
        return s * (1 - s) * self.U_s.diagonal()

    def pull_gate(
        self, back: Tensor, p: Tensor, by_gate: Tensor
    ) -> tuple[Tensor, Tensor]:
        return back + by_gate @ self.U_s, torch.cat((p, by_gate), dim=-1)

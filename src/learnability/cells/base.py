"""What every cell shares: one step, its linearisation, and how weights start."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call, jvp
from torch.nn import functional

from ..randomness import Seed, torch_generator

Initialisation = Literal["published", "uniform"]


@dataclass(frozen=True)
class Steps:
    """How one step carries each unit's own past: ``J_t[q, q] = leak + correction``.

    Attributes:
        leak: what the gate alone keeps, ``a_t``; (sequence, step, unit).
        correction: gate derivatives and recurrent weights, ``r_t``; the same shape.
        exit: factor from the carried unit to the output, ``e_t`` of the LSTM;
            None where the carried unit is the output.
    """

    leak: Float[Tensor, "sequence step unit"]
    correction: Float[Tensor, "sequence step unit"]
    exit: Float[Tensor, "sequence step unit"] | None = None


@dataclass(frozen=True)
class Factor:
    """How one parameter's gradient is made of pre-activation cotangents p.

    The gradient is ``sum_t (scale_t * p_t[columns]) outer source_t``; a vector or
    scalar parameter has the source 1.

    Attributes:
        columns: where the parameter adds to the projected pre-activations.
        source: what the parameter multiplies; (sequence, step, source), or None for 1.
        scale: what multiplies the product afterwards, like p[columns]; None for 1.
    """

    columns: slice
    source: Float[Tensor, "sequence step source"] | None
    scale: Float[Tensor, "sequence step unit"] | None = None


class Cell(nn.Module, ABC):
    """A recurrence ``state' = step(state, x)`` with closed forms of its diagonal.

    Attributes:
        inputs: D, the number of inputs.
        units: H, the number of units.
        state_size: S, the size of the state (H; twice H for the LSTM).
        carried: slice of the state that carries the past (LSTM: c, otherwise h).
        output: slice of the state that the read-out sees, h.
        recurrent: names of the recurrent matrices, (unit, unit) each.
    """

    recurrent: tuple[str, ...]
    ln_weight: Tensor | None
    ln_bias: Tensor | None

    def __init__(
        self,
        inputs: int,
        units: int,
        *,
        layernorm: bool = False,
        init: Initialisation = "published",
        seed: Seed = 0,
    ) -> None:
        super().__init__()
        for name, value in (("inputs", inputs), ("units", units)):
            if value < 1:
                raise ValueError(f"{name} is {value}; a cell needs at least one")
        self.inputs, self.units = inputs, units
        self.ln_weight = nn.Parameter(torch.ones(units)) if layernorm else None
        self.ln_bias = nn.Parameter(torch.zeros(units)) if layernorm else None
        for name, shape in self.shapes().items():
            setattr(self, name, nn.Parameter(torch.zeros(shape)))
        self.reset(init, seed)

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

    @abstractmethod
    def project(self, x: Float[Tensor, "*batch input"]) -> Float[Tensor, "*batch pre"]:
        """Give the inputs' share of all pre-activations, biases included."""

    @abstractmethod
    def advance(
        self,
        state: Float[Tensor, "*batch state"],
        projected: Float[Tensor, "*batch pre"],
    ) -> Float[Tensor, "*batch state"]:
        """Give the next state from the last one and the projected input."""

    @abstractmethod
    def linearize(
        self,
        states: Float[Tensor, "sequence step state"],
        x: Float[Tensor, "sequence step input"],
    ) -> Steps:
        """Give leak and correction of every step in closed form.

        Args:
            states: the states after each step, from a zero initial state.
            x: the inputs of the same steps.
        """

    @abstractmethod
    def partials(
        self,
        states: Float[Tensor, "sequence step state"],
        x: Float[Tensor, "sequence step input"],
    ) -> Float[Tensor, "sequence step partial unit"]:
        """Give the partial derivatives of which `pull` makes ``J_t^T``.

        Args:
            states: the states after each step, from a zero initial state.
            x: the inputs of the same steps.
        """

    @abstractmethod
    def pull(
        self,
        adjoint: Float[Tensor, "*batch state"],
        partials: Float[Tensor, "*#batch partial unit"],
    ) -> tuple[Float[Tensor, "*batch state"], Float[Tensor, "*batch pre"]]:
        """Give ``J_t^T lambda`` in closed form, a few products with the weights.

        Args:
            adjoint: lambda, cotangents of the state after the step.
            partials: the step's own, see `partials`.

        Returns:
            The cotangents of the state before the step and of the projected input.
        """

    @abstractmethod
    def factors(
        self,
        states: Float[Tensor, "sequence step state"],
        x: Float[Tensor, "sequence step input"],
    ) -> dict[str, Factor]:
        """Give the factors of every parameter's gradient, LayerNorm's apart.

        With them the gradient of one sequence is a product over its steps, so that
        gradients per sequence and cotangent need no pass through the graph each.
        """

    def row_gradients(
        self,
        p: Float[Tensor, "sequence row step pre"],
        states: Float[Tensor, "sequence step state"],
        x: Float[Tensor, "sequence step input"],
    ) -> Float[Tensor, "sequence row parameter"]:
        """Give each sequence's and row's gradient, LayerNorm's parameters apart.

        Args:
            p: cotangents of the projected inputs, the second of what `pull` gives.
            states: the states after each step, from a zero initial state.
            x: the inputs of the same steps.
        """
        factors = self.factors(states, x).values()
        return torch.cat([weight_gradient(p, f).flatten(2) for f in factors], dim=-1)

    @abstractmethod
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Give the shape of every trained parameter, LayerNorm's apart."""

    @abstractmethod
    def gate_bias(self) -> tuple[str, float] | None:
        """Give the leak gate's suffix and the bias it starts with, if it has one."""

    def reset(self, init: Initialisation, seed: Seed) -> None:
        """Draw all weights anew.

        ``published``: matrices orthogonal, biases zero, except for the gate that
        makes the leak: weights zero, bias ``logit(s0)`` (Livi 2025, experiments).
        ``uniform``: everything uniform within ``1/sqrt(H)``, as ``torch.nn.GRU``.

        Args:
            init: which of the two.
            seed: NumPy-style seed of the draw.
        """
        generator = torch_generator(seed)
        with torch.no_grad():
            for name in self.shapes():
                parameter = getattr(self, name)
                if init == "uniform":
                    bound = 1 / math.sqrt(self.units)
                    parameter.uniform_(-bound, bound, generator=generator)
                elif parameter.ndim == 2:
                    nn.init.orthogonal_(parameter, generator=generator)
                else:
                    parameter.zero_()
            if init == "published":
                self._open_gate()

    def _open_gate(self) -> None:
        gate = self.gate_bias()
        if gate is None:
            return
        suffix, bias = gate
        for name in self.shapes():
            if name.endswith(f"_{suffix}"):
                getattr(self, name).fill_(bias if name == f"b_{suffix}" else 0.0)

    def step(
        self, state: Float[Tensor, "*batch state"], x: Float[Tensor, "*batch input"]
    ) -> Float[Tensor, "*batch state"]:
        """Give the next state: the cell's equation."""
        return self.advance(state, self.project(x))

    def forward(self, state: Tensor, x: Tensor) -> Tensor:
        return self.step(state, x)

    def moved(
        self,
        before: Float[Tensor, "*batch state"],
        x: Float[Tensor, "*batch input"],
        at: dict[str, Tensor],
        along: dict[str, Tensor],
    ) -> Float[Tensor, "*batch state"]:
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

    def affine_factors(
        self, gates: str, x: Tensor, sources: dict[str, Tensor]
    ) -> dict[str, Factor]:
        """Give W, U and b of gates that lie one after the other in the projection."""
        factors = {}
        for place, gate in enumerate(gates):
            columns = slice(place * self.units, (place + 1) * self.units)
            factors[f"W_{gate}"] = Factor(columns, x)
            factors[f"U_{gate}"] = Factor(columns, sources[gate])
            factors[f"b_{gate}"] = Factor(columns, None)
        return factors


def weight_gradient(
    p: Float[Tensor, "sequence row step pre"], factor: Factor
) -> Float[Tensor, "sequence row unit source"]:
    """Give ``sum_t (scale_t * p_t) outer source_t`` of every sequence and row."""
    p = p[..., factor.columns]
    if factor.scale is not None:
        p = p * factor.scale[:, None]
    if factor.source is None:
        return p.sum(dim=2)[..., None]
    return p.transpose(-1, -2) @ factor.source[:, None]


def previous(states: Float[Tensor, "sequence step state"]) -> Tensor:
    """Give the state before each step: ``states`` one later, zero at the start."""
    return functional.pad(states, (0, 0, 1, 0))[:, :-1]


def logit(p: float) -> float:
    """Give the pre-activation at which a gate stands at ``p``."""
    if not 0 < p < 1:
        raise ValueError(f"a gate's initial value is {p}; it must lie between 0 and 1")
    return math.log(p / (1 - p))

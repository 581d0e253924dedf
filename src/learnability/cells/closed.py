"""Cells in closed form: how weights start, and gradients as products over steps."""

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import Literal, TypedDict, Unpack

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ..randomness import Seed, torch_generator
from .base import Cell
from .layernorm import scaled_slopes

Initialisation = Literal["published", "uniform"]


class Options(TypedDict, total=False):
    """What all cells take beyond their sizes and their gate.

    Attributes:
        layernorm: whether LN is LayerNorm or the identity; False unless given.
        init: see `Cell.reset`; ``published`` unless given.
        seed: NumPy-style seed of the initial weights; 0 unless given.
    """

    layernorm: bool
    init: Initialisation
    seed: Seed


@dataclass(frozen=True)
class OuterProductFactor:
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

    def gradient(
        self, p: Float[Tensor, "sequence row step pre"]
    ) -> Float[Tensor, "sequence row unit source"]:
        """Return ``sum_t (scale_t * p_t) outer source_t`` of every sequence and row."""
        p = p[..., self.columns]
        if self.scale is not None:
            p = p * self.scale[:, None]
        if self.source is None:
            return p.sum(dim=2)[..., None]
        return p.transpose(-1, -2) @ self.source[:, None]


class ClosedForm(Cell):
    """A cell whose gradients are products of what its gates give, in closed form.

    Args:
        inputs: D.
        units: H.
        gate: suffix of the gate that makes the leak, and its value at the start with
            ``init="published"``; None for a cell without a trained gate.
        options: see `Options`.
    """

    def __init__(
        self,
        inputs: int,
        units: int,
        *,
        gate: tuple[str, float] | None = None,
        **options: Unpack[Options],
    ) -> None:
        super().__init__()
        for name, value in (("inputs", inputs), ("units", units)):
            if value < 1:
                raise ValueError(f"{name} is {value}; a cell needs at least one")
        self.inputs, self.units, self._gate = inputs, units, gate
        layernorm = options.get("layernorm", False)
        self.ln_weight = nn.Parameter(torch.ones(units)) if layernorm else None
        self.ln_bias = nn.Parameter(torch.zeros(units)) if layernorm else None
        for name, shape in self.shapes().items():
            setattr(self, name, nn.Parameter(torch.zeros(shape)))
        self.reset(options.get("init", "published"), options.get("seed", 0))

    @abstractmethod
    def derivatives(
        self,
        states: Float[Tensor, "sequence step state"],
        x: Float[Tensor, "sequence step input"],
    ) -> tuple[Float[Tensor, "sequence step unit"], ...]:
        """Return a step's derivatives, LayerNorm's apart.

        The last two are the derivative of the next state by the candidate's normalised
        pre-activation, and that pre-activation before it is normalised.
        """

    def local_derivatives(self, states: Tensor, x: Tensor) -> Tensor:
        """Return `derivatives`, with LayerNorm's in place of the last two."""
        *parts, slope, a = self.derivatives(states, x)
        return torch.stack((*parts, *scaled_slopes(a, self.ln_weight, slope)), dim=-2)

    @abstractmethod
    def factors(
        self,
        states: Float[Tensor, "sequence step state"],
        x: Float[Tensor, "sequence step input"],
    ) -> dict[str, OuterProductFactor]:
        """Return the factors of every parameter's gradient, LayerNorm's apart.

        With them the gradient of one sequence is a product over its steps, so that
        gradients per sequence and cotangent need no pass through the graph each.
        """

    def row_gradients(
        self,
        p: Float[Tensor, "sequence row step pre"],
        states: Float[Tensor, "sequence step state"],
        x: Float[Tensor, "sequence step input"],
    ) -> Float[Tensor, "sequence row parameter"]:
        factors = self.factors(states, x).values()
        return torch.cat([f.gradient(p).flatten(2) for f in factors], dim=-1)

    @abstractmethod
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shape of every trained parameter, LayerNorm's apart."""

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
        if self._gate is None:
            return
        suffix, start = self._gate
        for name in self.shapes():
            if name.endswith(f"_{suffix}"):
                getattr(self, name).fill_(
                    logit(start) if name == f"b_{suffix}" else 0.0
                )

    def affine_shapes(self, gates: str) -> dict[str, tuple[int, ...]]:
        """Return the shapes of W, U and b of some gates."""
        wide, square = (self.units, self.inputs), (self.units, self.units)
        kinds = (("W", wide), ("U", square), ("b", (self.units,)))
        return {f"{kind}_{gate}": shape for gate in gates for kind, shape in kinds}

    def affine_projection(
        self, gates: str, x: Float[Tensor, "*batch input"]
    ) -> Float[Tensor, "*batch pre"]:
        """Return ``W x + b`` of some gates, one after the other."""
        weight, bias = (
            torch.cat([getattr(self, f"{kind}_{gate}") for gate in gates])
            for kind in "Wb"
        )
        return x @ weight.T + bias

    def affine_factors(
        self, gates: str, x: Tensor, sources: dict[str, Tensor]
    ) -> dict[str, OuterProductFactor]:
        """Return W, U and b of gates that lie one after the other in the projection."""
        factors = {}
        for place, gate in enumerate(gates):
            columns = slice(place * self.units, (place + 1) * self.units)
            factors[f"W_{gate}"] = OuterProductFactor(columns, x)
            factors[f"U_{gate}"] = OuterProductFactor(columns, sources[gate])
            factors[f"b_{gate}"] = OuterProductFactor(columns, None)
        return factors


def logit(p: float) -> float:
    """Return the pre-activation at which a gate stands at ``p``."""
    if not 0 < p < 1:
        raise ValueError(f"a gate's initial value is {p}; it must lie between 0 and 1")
    return math.log(p / (1 - p))

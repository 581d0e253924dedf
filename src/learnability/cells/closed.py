"""Cells in closed form: how weights start, and gradients as products over steps."""

import math
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypedDict, Unpack

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from ..randomness import Seed, torch_generator
from .base import Cell, Inputs, States, Units

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
    scale: Units | None = None

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
        inputs: their number, D.
        units: their number, H.
        gate: suffix of the gate that makes the leak, and its value at the start with
            ``init="published"``; None for a cell without a trained gate.
        options: see `Options`.
    """

    normalises = False

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
        if layernorm and not self.normalises:
            raise ValueError(
                f"{type(self).__name__} has no candidate of inputs and state that "
                "LayerNorm could normalise; leave out layernorm"
            )
        self.ln_weight = nn.Parameter(torch.ones(units)) if layernorm else None
        self.ln_bias = nn.Parameter(torch.zeros(units)) if layernorm else None
        for name, shape in self.shapes().items():
            setattr(self, name, nn.Parameter(torch.zeros(shape)))
        self.reset(options.get("init", "published"), options.get("seed", 0))

    @abstractmethod
    def factors(self, states: States, x: Inputs) -> dict[str, OuterProductFactor]:
        """Return the factors of every parameter's gradient, LayerNorm's apart.

        With them the gradient of one sequence is a product over its steps, so that
        gradients per sequence and cotangent need no pass through the graph each.
        """

    def row_gradients(self, p: Tensor, states: States, x: Inputs) -> Tensor:
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
                self.open_gate(generator)

    def open_gate(self, generator: torch.Generator) -> None:
        """Set the gate's weights and bias, and what else has a start of its own.

        Args:
            generator: of what is drawn.
        """
        if self._gate is not None:
            suffix, start = self._gate
            self._fix(suffix, logit(start))

    def _fix(self, suffix: str, bias: float | Tensor) -> None:
        """Let a gate start at its bias for all inputs and states."""
        for name in self.shapes():
            if name.endswith(f"_{suffix}"):
                parameter = getattr(self, name)
                parameter.copy_(torch.as_tensor(bias if name == f"b_{suffix}" else 0.0))


class Normalised(ClosedForm):
    """A cell with a candidate, whose pre-activation LayerNorm may normalise."""

    normalises = True

    @abstractmethod
    def derivatives(self, states: States, x: Inputs) -> tuple[Units, ...]:
        """Return a step's derivatives, LayerNorm's apart.

        The last two are the derivative of the next state by the candidate's normalised
        pre-activation, and that pre-activation before it is normalised.
        """

    def activation(self, a: Float[Tensor, "*batch unit"]) -> Tensor:
        """Return a candidate from its pre-activation, ``tanh(LN(a))``."""
        return torch.tanh(self.normalised(a))

    def normalised(self, a: Float[Tensor, "*batch unit"]) -> Tensor:
        """Return ``LN(a) = weight * (a - mean a) / sqrt(var a + eps) + bias``.

        Without LayerNorm it is the identity.
        """
        if self.ln_weight is None:
            return a
        shape = a.shape[-1:]
        return functional.layer_norm(a, shape, self.ln_weight, self.ln_bias, EPS)

    def own_derivative(
        self,
        a: Float[Tensor, "*batch unit"],
        diagonal: Tensor,
        columns: Callable[[Tensor], Tensor],
    ) -> Float[Tensor, "*batch unit"]:
        """Return the derivative of each unit's ``LN(a)`` by its own past state.

        With ``A = da/dh``: ``k_q = weight_q/std (A_qq - mean_i A_iq - xhat_q
        mean_i(xhat_i A_iq))``, and ``A_qq`` without LayerNorm.

        Args:
            a: the pre-activation.
            diagonal: ``A_qq``; (unit,) or like ``a``.
            columns: the map ``y -> sum_i y_i A_iq``, over the last axis of ``y``.
        """
        if self.ln_weight is None:
            return diagonal.expand_as(a)
        variance, mean = torch.var_mean(a, dim=-1, keepdim=True, correction=0)
        std = torch.sqrt(variance + EPS)
        xhat = (a - mean) / std
        flat, tilted = columns(a.new_ones(self.units)), columns(xhat)
        return (
            self.ln_weight
            / std
            * (diagonal - flat / self.units - xhat * tilted / self.units)
        )

    def local_derivatives(self, states: Tensor, x: Tensor) -> Tensor:
        """Return `derivatives`, with LayerNorm's in place of the last two."""
        *parts, slope, a = self.derivatives(states, x)
        return torch.stack((*parts, *scaled_slopes(a, self.ln_weight, slope)), dim=-2)


def logit(p: float) -> float:
    """Return the pre-activation at which a gate stands at ``p``."""
    if not 0 < p < 1:
        raise ValueError(f"a gate's initial value is {p}; it must lie between 0 and 1")
    return math.log(p / (1 - p))


EPS = 1e-5  # the value of the published runs, and PyTorch's default


def scaled_slopes(
    a: Float[Tensor, "*batch unit"], weight: Tensor | None, slope: Tensor
) -> list[Tensor]:
    """Return what `normalise_vjp` needs: ``slope weight/std`` and xhat, or slope alone.

    Args:
        a: the pre-activation.
        weight: LayerNorm's gain, or None.
        slope: the derivative of the next state by ``LN(a)``, unit by unit.
    """
    if weight is None:
        return [slope]
    variance, mean = torch.var_mean(a, dim=-1, keepdim=True, correction=0)
    scale = torch.rsqrt(variance + EPS)
    return [slope * weight * scale, (a - mean) * scale]


def normalise_vjp(
    y: Float[Tensor, "*batch unit"], xhat: list[Tensor]
) -> Float[Tensor, "*batch unit"]:
    """Return the cotangent of ``a``: ``y - mean y - xhat mean(xhat y)``.

    Args:
        y: the cotangent of ``LN(a)`` times ``weight/std``.
        xhat: the normalised pre-activation; nothing without LayerNorm.
    """
    if not xhat:
        return y
    (normal,) = xhat
    tilt = (y * normal).mean(dim=-1, keepdim=True)
    return torch.addcmul(y - y.mean(dim=-1, keepdim=True), normal, tilt, value=-1)

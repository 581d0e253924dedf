"""Probes of the inputs: what of them a target may hang on, of mean 0 and variance 1."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor


@final
@dataclass(frozen=True)
class InputProbes:
    """Probes of the inputs, ``(x_t - centre_t) @ weights``, of mean 0 and variance 1.

    What all sequences share at a step is no input that a target could hang on: it is
    taken off.

    Attributes:
        centre: the mean of the inputs over the sequences, step by step; (step, input).
        weights: (input, probe).
    """

    centre: Float[Tensor, "step input"]
    weights: Float[Tensor, "input probe"]

    def __len__(self) -> int:
        return self.weights.shape[1]

    def signals(
        self, x: Float[Tensor, "sequence step input"]
    ) -> Float[Tensor, "probe sequence step"]:
        """Return the probes of some inputs."""
        return ((x - self.centre[: x.shape[1]]) @ self.weights).movedim(-1, 0)

    def first(self, count: int) -> "InputProbes":
        """Return the leading probes."""
        return InputProbes(self.centre, self.weights[:, :count])

    def along(self, weights: Float[Tensor, "probe"]) -> "InputProbes":
        """Return one probe in place of many, a weighted sum of them."""
        return InputProbes(self.centre, (self.weights @ weights)[:, None])


def input_probes(
    parts: "Iterable[tuple[Tensor, Tensor]] | InputMoments",
    direction: Float[Tensor, "input"] | None = None,
) -> InputProbes:
    """Return the probes of some inputs: along a direction, or their principal axes.

    Axes along which the inputs do not vary from sequence to sequence are left out.

    Args:
        parts: inputs (sequence, step, input), some sequences at a time, and which of
            their steps count (sequence, step); or the moments of such parts.
        direction: u; None probes every axis of the whitened inputs, the one of the
            largest variance first.

    Raises:
        ValueError: if the inputs do not vary, or not along the direction.
    """
    sums = parts if isinstance(parts, InputMoments) else InputMoments.of(parts)
    dtype = sums.dtype
    centre, covariance, size = sums.result()
    if direction is None:
        variance, axes = torch.linalg.eigh(covariance)
        variance, axes = variance.flip(0), axes.flip(1)
        missing = "the inputs of this layer do not vary; give other data"
    else:
        axes = direction.to(centre)[:, None]
        variance = (axes * (covariance @ axes)).sum(dim=0)
        missing = "the inputs do not vary along the direction; probe another"
    # Rounding of the inputs, and of sums of their squares, is no variance.
    width, eps = len(covariance), torch.finfo(torch.float64).eps
    least = max((width * torch.finfo(dtype).eps) ** 2, 16 * width * eps) * size
    kept = variance > least
    if not kept.any():
        raise ValueError(missing)
    weights = axes[:, kept] / variance[kept].sqrt()
    return InputProbes(centre.to(dtype), weights.to(dtype))


@final
@dataclass(frozen=True)
class InputMoments:
    """Sums of inputs step by step, and of their products over all steps.

    Attributes:
        total: of the inputs.
        count: of the sequences that have the step.
        products: of any two inputs.
        dtype: of the inputs.
    """

    total: Float[Tensor, "step input"]
    count: Float[Tensor, "step"]
    products: Float[Tensor, "*input_input"]
    dtype: torch.dtype = torch.float32

    @classmethod
    def of(cls, parts: Iterable[tuple[Tensor, Tensor]]) -> "InputMoments":
        """Return the moments of some inputs, as `input_probes` takes them."""
        none = torch.zeros((), dtype=torch.float64)
        sums = cls(none.new_zeros(0, 0), none.new_zeros(0), none)
        for given, own in parts:
            x = given.double() * own[..., None]
            products = torch.einsum("nti,ntj->ij", x, x)
            one = cls(x.sum(dim=0), own.sum(dim=0).double(), products, given.dtype)
            sums = sums + one
        return sums

    def __add__(self, other: "InputMoments") -> "InputMoments":
        """Return the sums over the sequences of both."""
        steps = max(len(self.count), len(other.count))
        width = max(self.total.shape[1], other.total.shape[1])
        total, count = torch.zeros(steps, width).double(), torch.zeros(steps).double()
        for one in (self, other):
            total[: len(one.count)] += one.total.reshape(-1, width)
            count[: len(one.count)] += one.count
        products = self.products + other.products
        return InputMoments(total, count, products, other.dtype)

    def result(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return means by step, the covariance about them, and the inputs' size."""
        centre = self.total / self.count.clamp(min=1)[:, None]
        shared = torch.einsum("t,ti,tj->ij", self.count, centre, centre)
        whole = self.count.sum().clamp(min=1)
        size = self.products.diagonal().max() / whole
        return centre, (self.products - shared) / whole, size


def shifted(
    signal: Float[Tensor, "*batch step"], lag: int
) -> Float[Tensor, "*batch step"]:
    """Return the signal ``lag`` steps ago, zero before the first step."""
    return torch.nn.functional.pad(signal, (lag, 0))[..., : signal.shape[-1]]

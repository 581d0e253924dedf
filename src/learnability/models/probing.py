"""The detection window of any loss: would a dependency show in the gradient?

The loss asks of a layer's states in a few directions only, the axes rho_k of its
error signal; of the layer's inputs the probes u_i . x are taken. A dependency at lag l
of strength 1 between probe i and axis k moves the gradient of sequence n by
``S_n(l) = (1/m) sum_t phi_i(t - l) d(state_t . rho_k)/d theta``, over the m steps t at
which the loss looks, and theta the layer's own parameters (docs/models.md).
"""

from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ..evidence.inputs import InputMoments, InputProbes, input_probes, shifted
from ..evidence.pieces import Parts
from ..evidence.sample import Sample
from .layer import Layer

# A Hotelling test of d directions wants several times d sequences.
SEQUENCES_A_DIRECTION = 4
# Axes of the error signal that carry less than this share of it are rounding.
SMALLEST_SHARE = 1e-6


@final
@dataclass(frozen=True)
class Probes:
    """Pairs of a probe of the inputs and an axis of the error signal.

    Attributes:
        inputs: the probes.
        axes: rho_k, scaled so that the error's coordinates have mean square 1, or the
            weights of a linear read-out; (axis, state).
        left: the mean square of the error over that of the targets' part of it.
    """

    inputs: InputProbes
    axes: Float[Tensor, "axis state"]
    left: float = float("nan")

    @property
    def pairs(self) -> int:
        """The number of pairs."""
        return len(self.inputs) * len(self.axes)

    def signals(self, sample: Sample) -> Float[Tensor, "probe sequence step"]:
        """Return the probes of some sequences, 0 after a sequence's end."""
        return self.inputs.signals(sample.x) * sample.own


@final
@dataclass(frozen=True)
class ErrorMoments:
    """Sums over the steps at which the loss looks.

    Attributes:
        count: of these steps.
        total: of products of the error with itself; 0 where there is no step.
        asked: of squares of the targets' part.
        read_out: the weights of a linear read-out.
        dtype: of the inputs.
    """

    count: int
    total: Float[Tensor, "*state_state"]
    asked: float
    read_out: Float[Tensor, "state"] | None
    dtype: torch.dtype

    @classmethod
    def of(cls, parts: Parts) -> "ErrorMoments":
        """Return the moments of some sequences."""
        none = torch.zeros((), dtype=torch.float64)
        sums = cls(0, none, 0.0, None, torch.float32)
        for sample in parts():
            errors = sample.by_step(sample.delta)[sample.looks].double()
            target = sample.by_step(sample.target)[sample.looks].double()
            sums = sums + cls(
                len(errors),
                errors.T @ errors,
                float(target.square().sum()),
                sample.read_out,
                sample.x.dtype,
            )
        return sums

    def __add__(self, other: "ErrorMoments") -> "ErrorMoments":
        """Return the sums over the sequences of both."""
        return ErrorMoments(
            self.count + other.count,
            self.total + other.total,
            self.asked + other.asked,
            other.read_out,
            other.dtype,
        )

    def axes(self, most: int) -> tuple[Float[Tensor, "axis state"], float]:
        """Return the principal axes of the error signal, the strongest first.

        ``E[e e^T] = sum_k rho_k rho_k^T`` over the steps at which the loss looks. Where
        the model is a linear read-out, the error has one axis, its weights.

        Args:
            most: the largest number of axes.

        Returns:
            The axes, and the mean square of the error over that of the targets' part.

        Raises:
            ValueError: if the loss does not depend on the layer.
        """
        moments = self.total / max(self.count, 1)
        if not moments.any():
            raise ValueError(
                "the loss does not depend on this layer; leave it out with "
                "layers=[...], or use its output"
            )
        if not self.asked:
            raise ValueError(
                "nothing of the targets is left in this layer's error: those of other "
                "sequences make the same gradient; give targets that differ from "
                "sequence to sequence, in batches of several"
            )
        left = float(moments.trace()) * self.count / self.asked
        if self.read_out is not None:
            return self.read_out[None], left
        size, axes = _leading(moments, most)
        return (axes * size.sqrt()[:, None]).to(self.dtype), left


def target_axes(layer: Layer, most: int) -> Float[Tensor, "axis state"]:
    """Return the principal axes of the targets' part, of length 1, the strongest first.

    Args:
        layer: the recurrence on its sequences.
        most: the largest number of axes.
    """
    return _leading(reduce(add, layer.over(_target_products)), most)[1]


def _target_products(parts: Parts) -> Float[Tensor, "state state"]:
    """Return the sum of products of a piece's targets' part with itself."""
    every = (s.by_step(s.target)[s.looks].double() for s in parts())
    return reduce(add, (part.T @ part for part in every))


def _leading(
    moments: Float[Tensor, "state state"], most: int
) -> tuple[Float[Tensor, "axis"], Float[Tensor, "axis state"]]:
    """Return the largest eigenvalues that are no rounding, with their axes."""
    size, axes = torch.linalg.eigh(moments)
    size, axes = size.flip(0)[:most], axes.flip(1)[:, :most]
    kept = size > SMALLEST_SHARE * size[0]
    return size[kept], axes[:, kept].T


def probes(
    layer: Layer,
    *,
    inputs: int,
    outputs: int,
    direction: Float[Tensor, "input"] | None = None,
) -> Probes:
    """Choose what to probe: leading axes of whitened inputs and of the error signal.

    Args:
        layer: the recurrence on its sequences.
        inputs: the largest number of probes of the inputs.
        outputs: the largest number of axes of the error signal.
        direction: u, in place of the axes of the inputs.

    Raises:
        ValueError: if the inputs do not vary, the direction does not fit, or the loss
            does not depend on the layer.
    """
    width = next(iter(layer.parts())).x.shape[-1]
    if direction is not None and direction.shape != (width,):
        raise ValueError(
            f"the direction has shape {tuple(direction.shape)}; this layer has "
            f"{width} inputs"
        )
    of_inputs, of_errors = zip(*layer.over(_moments), strict=True)
    found = input_probes(reduce(add, of_inputs), direction).first(inputs)
    axes, left = reduce(add, of_errors).axes(outputs)
    room = max(1, len(layer) // SEQUENCES_A_DIRECTION)
    axes = axes[: max(1, room // len(found))]
    return Probes(found.first(room), axes, left)


def _moments(parts: Parts) -> tuple[InputMoments, ErrorMoments]:
    """Return the moments of a piece's inputs and errors."""
    every = ((sample.x, sample.own) for sample in parts())
    return InputMoments.of(every), ErrorMoments.of(parts)


def dependencies(
    layer: Layer, chosen: Probes, lags: list[int]
) -> Float[np.ndarray, "lag pair sequence"]:
    """Return ``mean_t phi_l(t) a_k(t)``, the dependency in each sequence's targets.

    a_k is the coordinate along rho_k of what the targets alone ask for. nan where the
    loss of a sequence looks at no step with a lag l before it.
    """
    return np.concatenate(list(layer.over(_Dependencies(chosen, lags))), axis=2)


@final
@dataclass(frozen=True)
class _Dependencies:
    """Makes the dependencies of a piece, as `dependencies` says."""

    chosen: Probes
    lags: list[int]

    def __call__(self, parts: Parts) -> Float[np.ndarray, "lag pair sequence"]:
        """Return those of one piece."""
        found = [_dependencies(sample, self.chosen, self.lags) for sample in parts()]
        return np.concatenate(found, axis=2)


def _dependencies(
    sample: Sample, chosen: Probes, lags: list[int]
) -> Float[np.ndarray, "lag pair sequence"]:
    axes, signals = chosen.axes.double(), chosen.signals(sample).double()
    asked = -sample.by_step(sample.target).double() @ axes.T
    asked = asked / (axes**2).sum(dim=-1)
    step = torch.arange(sample.x.shape[1])
    rows = []
    for lag in lags:
        products = torch.einsum("int,ntk->ikn", shifted(signals, lag), asked)
        count = sample.by_item((sample.looks & (step >= lag)).sum(dim=1))
        products = sample.by_item(products.movedim(2, 0)).movedim(0, 2)
        mean = products / torch.where(count > 0, count, torch.nan)
        rows.append(mean.flatten(0, 1))
    return torch.stack(rows).numpy()


def along(chosen: Probes, dependency: Float[np.ndarray, "pair"] | None) -> Probes:
    """Return one pair in place of many: that of a dependency, or the leading one.

    A dependency between probes and axes is a matrix; its leading singular vectors are
    the probe and the axis that it joins most.
    """
    probe, axis = np.eye(len(chosen.inputs))[0], np.eye(len(chosen.axes))[0]
    if dependency is not None:
        u, _, v = np.linalg.svd(dependency.reshape(len(chosen.inputs), -1))
        probe, axis = u[:, 0], v[0]
    by_probe, by_axis = (
        torch.from_numpy(w).to(chosen.axes.dtype) for w in (probe, axis)
    )
    one = (by_axis @ chosen.axes)[None]
    return Probes(chosen.inputs.along(by_probe), one, chosen.left)

"""The detection window of any loss: would a dependency show in the gradient?

The loss asks of a layer's states in a few directions only, the axes rho_k of its
error signal; of the layer's inputs the probes u_i . x are taken. A dependency at lag l
of strength 1 between probe i and axis k moves the gradient of sequence n by
``S_n(l) = (1/m) sum_t phi_i(t - l) d(state_t . rho_k)/d theta``, over the m steps t at
which the loss looks, and theta the layer's own parameters (docs/models.md).
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ..detection.samples import measured_strength
from ..evidence.probe import probe_signals, shifted
from .sample import Sample

# A Hotelling test of d directions wants several times d sequences.
SEQUENCES_A_DIRECTION = 4
# Axes of the error signal that carry less than this share of it are rounding.
SMALLEST_SHARE = 1e-6


@dataclass(frozen=True)
class Probes:
    """Pairs of a probe of the inputs and an axis of the error signal.

    Attributes:
        signals: ``u_i . x_t`` of mean 0 and variance 1; (probe, sequence, step).
        axes: rho_k, scaled so that the error's coordinates have mean square 1.
    """

    signals: Float[Tensor, "probe sequence step"]
    axes: Float[Tensor, "axis state"]

    @property
    def pairs(self) -> int:
        return len(self.signals) * len(self.axes)


def error_axes(sample: Sample, most: int) -> Float[Tensor, "axis state"]:
    """Give the principal axes of the error signal, the strongest first.

    ``E[e e^T] = sum_k rho_k rho_k^T`` over the steps at which the loss looks.

    Args:
        sample: the sequences.
        most: the largest number of axes.

    Raises:
        ValueError: if the loss does not depend on the layer.
    """
    errors = sample.by_step(sample.delta)[sample.looks].double()
    if not errors.any():
        raise ValueError(
            "the loss does not depend on this layer; leave it out with layers=[...], "
            "or use its output"
        )
    size, axes = torch.linalg.eigh(errors.T @ errors / len(errors))
    size, axes = size.flip(0), axes.flip(1)
    kept = size[:most] > SMALLEST_SHARE * size[0]
    rho = axes[:, :most][:, kept] * size[:most][kept].sqrt()
    return rho.T.to(sample.x.dtype)


def probes(
    sample: Sample,
    *,
    inputs: int,
    outputs: int,
    direction: Float[Tensor, "input"] | None = None,
) -> Probes:
    """Choose what to probe: leading axes of whitened inputs and of the error signal.

    Args:
        sample: the sequences.
        inputs: the largest number of probes of the inputs.
        outputs: the largest number of axes of the error signal.
        direction: u, in place of the axes of the inputs.

    Raises:
        ValueError: if the inputs do not vary, the direction does not fit, or the loss
            does not depend on the layer.
    """
    if direction is not None and direction.shape != sample.x.shape[2:]:
        raise ValueError(
            f"the direction has shape {tuple(direction.shape)}; this layer has "
            f"{sample.x.shape[2]} inputs"
        )
    found = probe_signals(sample.x[sample.own][None], direction)[:inputs, 0]
    if not len(found):
        raise ValueError("the inputs of this layer do not vary; give other data")
    signals = sample.x.new_zeros(len(found), *sample.own.shape)
    signals[:, sample.own] = found
    axes = error_axes(sample, outputs)
    room = max(1, len(sample) // SEQUENCES_A_DIRECTION)
    axes = axes[: max(1, room // len(signals))]
    return Probes(signals[:room], axes)


def dependencies(
    sample: Sample, chosen: Probes, lags: list[int]
) -> Float[np.ndarray, "lag pair sequence"]:
    """Give ``mean_t phi_l(t) a_k(t)``, the dependency in each sequence's targets.

    a_k is the coordinate along rho_k of what the targets alone ask for. nan where the
    loss of a sequence looks at no step with a lag l before it.
    """
    axes = chosen.axes.double()
    asked = -sample.by_step(sample.target).double() @ axes.T
    asked = asked / (axes**2).sum(dim=-1)
    step = torch.arange(sample.x.shape[1])
    rows = []
    for lag in lags:
        past = shifted(chosen.signals, lag).double()
        products = torch.einsum("int,ntk->ikn", past, asked)
        count = (sample.looks & (step >= lag)).sum(dim=1)
        mean = products / torch.where(count > 0, count, torch.nan)
        rows.append(mean.flatten(0, 1))
    return torch.stack(rows).numpy()


def strongest(
    target: Float[np.ndarray, "lag pair sequence"], error: float
) -> tuple[float, Float[np.ndarray, "pair"] | None]:
    """Give the strength of the strongest dependency that is surely there, and it.

    Args:
        target: of every sequence; nan where a lag does not fit into it.
        error: probability of finding a dependency in targets that hold none.

    Returns:
        0 and None where no lag passes.
    """
    best: tuple[float, np.ndarray | None] = (0.0, None)
    for row in target:
        fits = np.isfinite(row).all(axis=0)
        own = row[:, fits]
        if own.shape[1] <= own.shape[0] + 1:
            continue
        found = measured_strength(own[None], error=error / len(target))
        if found > best[0]:
            best = found, own.mean(axis=1)
    return best


def along(chosen: Probes, dependency: Float[np.ndarray, "pair"] | None) -> Probes:
    """Give one pair in place of many: that of a dependency, or the leading one.

    A dependency between probes and axes is a matrix; its leading singular vectors are
    the probe and the axis that it joins most.
    """
    probe, axis = np.eye(len(chosen.signals))[0], np.eye(len(chosen.axes))[0]
    if dependency is not None:
        u, _, v = np.linalg.svd(dependency.reshape(len(chosen.signals), -1))
        probe, axis = u[:, 0], v[0]
    by_probe, by_axis = (
        torch.from_numpy(w).to(chosen.signals.dtype) for w in (probe, axis)
    )
    signal = torch.einsum("i,int->nt", by_probe, chosen.signals)
    return Probes(signal[None], (by_axis @ chosen.axes)[None])

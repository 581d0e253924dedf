"""The gradient by lag from each sequence's own anchors."""

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..evidence import Direction, immediate_sensitivity, lag_projection
from ..evidence.sample import Sample

# Sequences whose partial derivatives are held at a time: at least so many, and more
# as long as their states take no more bytes than that.
CHUNK, BYTES = 16, 2**23


def swept(
    sample: Sample,
    direction: Direction,
    lags: list[int],
    anchors: Int[np.ndarray, "sequence anchor"],
) -> Float[Tensor, "lag sequence"]:
    """Give ``psi_n(l)``, the mean over a sequence's anchors of its lag-l gradient.

    ``psi_t(l) = delta_t . M_{t,l} b_{t-l}[w]``, delta the derivative of the step's own
    loss.

    Args:
        sample: the sequences.
        direction: w by parameter name.
        lags: lags in steps, from 0.
        anchors: the steps of each sequence at which the loss is looked at, -1 for none.

    Returns:
        psi, nan where no anchor of a sequence has l steps before it.
    """
    delta = sample.by_step(sample.delta)
    if (anchors < 0).all():
        return sample.x.new_full((len(lags), len(sample.x)), torch.nan)
    if (anchors == anchors[0]).all():
        at = [int(t) for t in anchors[0] if t >= 0]
        parts = (sample.x, sample.states, delta)
        size = max(CHUNK, BYTES // max(1, sample.states[0].nbytes))
        chunks = zip(*(part.split(size) for part in parts), strict=True)
        found = [
            lag_projection(sample.cell, x, states, by, direction, lags, anchors=at)
            for x, states, by in chunks
        ]
        return torch.cat(found, dim=1).nanmean(dim=-1)
    rows = []
    for start in range(0, len(sample.x), CHUNK):
        chosen = slice(start, start + CHUNK)
        part = sample.rows(chosen)
        at = torch.from_numpy(anchors[chosen])
        rows.append(_swept(part, delta[chosen], direction, lags, at))
    return torch.cat(rows, dim=1).nanmean(dim=-1)


def _swept(
    sample: Sample, delta: Tensor, direction: Direction, lags: list[int], at: Tensor
) -> Float[Tensor, "lag sequence anchor"]:
    """Sweep backward from the anchors of each sequence."""
    cell, rows = sample.cell, torch.arange(len(sample.x))[:, None]
    source = immediate_sensitivity(cell, sample.x, sample.states, direction)
    with torch.no_grad():
        partials = cell.local_derivatives(sample.states, sample.x)
    adjoint, found = delta[rows, at.clamp(min=0)], []
    for lag in range(lags[-1] + 1):
        step = at - lag
        if lag in lags:
            psi = (adjoint * source[rows, step.clamp(min=0)]).sum(dim=-1)
            found.append(psi.masked_fill(step < 0, torch.nan))
        with torch.no_grad():
            adjoint = cell.vjp(adjoint, partials[rows, step.clamp(min=0)])[0]
    return torch.stack(found)

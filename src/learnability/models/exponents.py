"""The leading Lyapunov exponents of a recurrence, without any Jacobian."""

import numpy as np
import torch
import xarray as xr

from ..transport.lyapunov import Exponents, averaged
from .sample import Sample

COUNT = 8  # exponents, at most: the leading ones decide what arrives from afar
SEQUENCES = 16  # that they are averaged over, at most
BURN = 0.25  # of the steps, until the directions have turned into the leading ones


def leading_exponents(sample: Sample, count: int, burn: int = 0) -> Exponents:
    """Measure the leading exponents by pulling cotangents back through the steps.

    ``J_t^T Q_t = Q_{t-1} R_{t-1}``; exponent i is the mean of ``log |R[i, i]|``: a
    product of Jacobians and its transpose have the same singular values. It costs
    ``count`` products with the weights a step, where `transport.lyapunov_exponents`
    makes whole Jacobians.

    Args:
        sample: sequences of one length.
        count: how many exponents.
        burn: steps at the end that do not count.

    Source: Benettin et al. 1980, Meccanica 15, 9.
    """
    cell, steps = sample.cell, sample.x.shape[1]
    eye = torch.eye(cell.state_size, dtype=sample.x.dtype)[:count]
    rows = eye.expand(len(sample), -1, -1)
    total = sample.x.new_zeros(len(sample), count)
    with torch.no_grad():
        partials = cell.partials(sample.states, sample.x)
        for place, t in enumerate(reversed(range(steps))):
            pulled = cell.pull(rows, partials[:, None, t])[0]
            basis, upper = torch.linalg.qr(pulled.mT)
            rows = basis.mT
            if place >= burn:
                total += upper.diagonal(dim1=-2, dim2=-1).abs().log()
    return averaged((total / (steps - burn)).double().cpu().numpy())


def exponent_group(sample: Sample) -> xr.Dataset:
    """Give the leading exponents of a recurrence over (exponent,).

    Only sequences at least as long as the median count, cut to its length.
    """
    length = int(sample.lengths.median())
    chosen = (sample.lengths >= length).nonzero()[:SEQUENCES, 0]
    part = Sample(
        sample.cell,
        sample.x[chosen, :length],
        sample.states[chosen, :length],
        torch.full((len(chosen),), length),
        sample.delta[chosen, :length],
        sample.target[chosen, :length],
    )
    count = min(COUNT, sample.cell.state_size)
    found = leading_exponents(part, count, burn=int(BURN * length))
    return xr.Dataset(
        {
            "exponent": ("place", found.values, {"units": "1/step"}),
            "error": ("place", found.error, {"units": "1/step"}),
        },
        coords={"place": np.arange(1, count + 1)},
        attrs={"title": "leading Lyapunov exponents, natural logarithm a step"},
    )

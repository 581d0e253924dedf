"""The leading Lyapunov exponents of a recurrence, without any Jacobian."""

from collections.abc import Iterable

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float
from torch import Tensor

from ..cells import Cell
from ..evidence.sample import Sample
from ..models.reading import joined
from ..transport.lyapunov import Exponents, averaged

SEQUENCES = 16  # that they are averaged over, at most
BURN = 0.25  # of the steps, until the directions have turned into the leading ones


def leading_exponents(
    cell: Cell,
    x: Float[Tensor, "sequence step input"],
    states: Float[Tensor, "sequence step state"],
    count: int,
    burn: int = 0,
) -> Exponents:
    """Measure the leading exponents by pulling cotangents back through the steps.

    ``J_t^T Q_t = Q_{t-1} R_{t-1}``; exponent i is the mean of ``log |R[i, i]|``: a
    product of Jacobians and its transpose have the same singular values. It costs
    ``count`` products with the weights a step, where `transport.lyapunov_exponents`
    makes whole Jacobians.

    Args:
        cell: the recurrence.
        x: inputs.
        states: the states after each step, from a zero initial state.
        count: how many exponents.
        burn: steps at the end that do not count.

    Source: Benettin et al. 1980, Meccanica 15, 9.
    """
    steps = x.shape[1]
    eye = torch.eye(cell.state_size, dtype=x.dtype)[:count]
    rows = eye.expand(len(x), -1, -1)
    total = x.new_zeros(len(x), count)
    with torch.no_grad():
        partials = cell.local_derivatives(states, x)
        for place, t in enumerate(reversed(range(steps))):
            pulled = cell.vjp(rows, partials[:, None, t])[0]
            basis, upper = torch.linalg.qr(pulled.mT)
            rows = basis.mT
            if place >= burn:
                total += upper.diagonal(dim1=-2, dim2=-1).abs().log()
    return averaged((total / (steps - burn)).double().cpu().numpy())


def exponent_group(samples: Iterable[Sample], count: int) -> xr.Dataset:
    """Return the leading exponents of a recurrence over (place,).

    Only sequences at least as long as the median count, cut to its length.

    Args:
        samples: the sequences, some at a time.
        count: how many exponents.
    """
    whole = joined(samples)
    length = int(whole.lengths.median())
    chosen = (whole.lengths >= length).nonzero()[:SEQUENCES, 0]
    part = whole.rows(chosen)
    x, states = part.x[:, :length], part.states[:, :length]
    count = min(count, part.cell.state_size)
    found = leading_exponents(part.cell, x, states, count, burn=int(BURN * length))
    return xr.Dataset(
        {
            "exponent": ("place", found.values, {"units": "1/step"}),
            "error": ("place", found.error, {"units": "1/step"}),
        },
        coords={"place": np.arange(1, count + 1)},
        attrs={"title": "leading Lyapunov exponents, natural logarithm per step"},
    )

"""Lyapunov exponents of a driven cell: how fast its perturbations grow or shrink.

The product of one-step Jacobians is kept as Q R, so that it neither overflows nor
aligns.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float

from ..cells import Cell
from ..cells.base import Inputs, States


@dataclass(frozen=True)
class Exponents:
    """Lyapunov exponents, a natural logarithm a step.

    Attributes:
        values: largest first; -inf where a direction is lost at once; (exponent,).
        error: standard errors over sequences, nan for one sequence; (exponent,).
    """

    values: Float[np.ndarray, "exponent"]
    error: Float[np.ndarray, "exponent"]


def leading_exponents(
    cell: Cell,
    x: Inputs,
    states: States,
    count: int | None = None,
    *,
    burn: int = 0,
) -> Exponents:
    """Measure the largest Lyapunov exponents along given trajectories.

    ``J_t^T Q_t = Q_{t-1} R_{t-1}``; exponent i is the mean of ``log |R[i, i]|``: a
    product of Jacobians and its transpose have the same singular values. Cotangents are
    pulled back, which costs ``count`` products with the weights a step. The sum of all
    exponents is the mean of ``log |det J_t|``.

    The first directions are those of the first components of the state. Until they
    have turned into the leading ones the exponents are biased: leave those steps out.

    Args:
        cell: the recurrence.
        x: inputs.
        states: the states after each step, from a zero initial state.
        count: how many exponents; all unless given.
        burn: steps at the end that do not count.

    Raises:
        ValueError: if count or burn does not fit.

    Example:
        >>> import torch
        >>> from learnability.cells import ConstGate
        >>> from learnability.unroll import unroll
        >>> cell, x = ConstGate(2, 3, s=0.0), torch.zeros(2, 9, 2)
        >>> bool(leading_exponents(cell, x, unroll(cell, x)).values.max() == 0)
        True

    Source: Benettin et al. 1980, Meccanica 15, 9.
    """
    size, steps = cell.state_size, x.shape[1]
    chosen = size if count is None else count
    if not 1 <= chosen <= size:
        raise ValueError(
            f"{chosen} exponents were asked for; the state has {size} components"
        )
    if not 0 <= burn < steps:
        raise ValueError(f"{burn} steps cannot be left out of {steps}; leave out fewer")
    eye = torch.eye(size, dtype=x.dtype, device=x.device)[:chosen]
    rows = eye.expand(len(x), -1, -1)
    total = x.new_zeros(len(x), chosen)
    with torch.no_grad():
        partials = cell.local_derivatives(states, x)
        for place, t in enumerate(reversed(range(steps))):
            pulled = cell.vjp(rows, partials[:, None, t])[0]
            basis, upper = torch.linalg.qr(pulled.mT)
            rows = basis.mT
            if place >= burn:
                total += upper.diagonal(dim1=-2, dim2=-1).abs().log()
    return averaged((total / (steps - burn)).double().cpu().numpy())


def averaged(rates: Float[np.ndarray, "sequence exponent"]) -> Exponents:
    """Return means and standard errors over sequences, the largest first."""
    ordered = -np.sort(-rates, axis=1)
    mean = ordered.mean(axis=0)
    if len(rates) < 2:
        return Exponents(mean, np.full_like(mean, np.nan))
    # An infinite mean has no spread.
    finite = np.where(np.isfinite(mean), ordered, 0.0)
    error = finite.std(axis=0, ddof=1) / len(rates) ** 0.5
    return Exponents(mean, np.where(np.isfinite(mean), error, np.nan))

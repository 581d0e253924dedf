"""Lyapunov exponents by whole Jacobians, forward from the start of the trajectories."""

import torch
from jaxtyping import Float
from torch import Tensor

from learnability.cells import Cell, previous
from learnability.transport.lyapunov import Exponents, averaged
from learnability.transport.orders import step_jacobians

CHUNK = 64
"""Steps whose Jacobians are held at once."""


def lyapunov_exponents(
    cell: Cell,
    x: Float[Tensor, "sequence step input"],
    states: Float[Tensor, "sequence step state"],
    *,
    count: int | None = None,
    burn: int = 0,
) -> Exponents:
    """Measure the largest Lyapunov exponents along given trajectories.

    ``lambda_i = lim (1/T) sum_t log |R_t[i, i]|``, ``J_t Q_{t-1} = Q_t R_t`` with the
    exact Jacobians; the sum of all exponents is the mean of ``log |det J_t|``.

    The first directions are those of the first components of the state. Until they
    have turned into the leading ones the exponents are biased: leave those steps out.

    Args:
        cell: the recurrence.
        x: inputs.
        states: the states after each step, from a zero initial state.
        count: how many exponents; all unless given.
        burn: steps at the start that do not count.

    Raises:
        ValueError: if count or burn does not fit.

    Example:
        >>> from learnability.cells import ConstGate
        >>> from learnability.unroll import unroll
        >>> cell, x = ConstGate(2, 3, s=0.0), torch.zeros(2, 9, 2)
        >>> bool(lyapunov_exponents(cell, x, unroll(cell, x)).values.max() == 0)
        True

    Source: Benettin et al. 1980, Meccanica 15, 9.
    """
    size, steps = states.shape[-1], x.shape[1]
    chosen = size if count is None else count
    if not 1 <= chosen <= size:
        raise ValueError(
            f"{chosen} exponents were asked for; the state has {size} components"
        )
    if not 0 <= burn < steps:
        raise ValueError(f"{burn} steps cannot be left out of {steps}; leave out fewer")
    eye = torch.eye(size, chosen, dtype=states.dtype, device=states.device)
    basis = eye.expand(len(x), -1, -1)
    total = states.new_zeros(len(x), chosen)
    with torch.no_grad():
        before = previous(states)
        for start in range(0, steps, CHUNK):
            part = slice(start, start + CHUNK)
            jacobian = step_jacobians(cell, before[:, part], x[:, part])
            for place, step in enumerate(jacobian.unbind(dim=1), start):
                basis, upper = torch.linalg.qr(step @ basis)
                if place >= burn:
                    total += upper.diagonal(dim1=-2, dim2=-1).abs().log()
    return averaged((total / (steps - burn)).double().cpu().numpy())

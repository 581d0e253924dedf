"""How far an output reaches back: in all directions, and in the learnt one."""

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from learnability.evidence import sweep
from learnability.grid import checked_lags
from learnability.unroll import Network


def output_sensitivity(
    network: Network,
    x: Float[Tensor, "sequence step input"],
    lags: Iterable[int],
    *,
    anchors: Sequence[int],
) -> Float[np.ndarray, "lag"]:
    """Return ``f(l) = mean ||d yhat_t/d a_{t-l}||``, by exact transport.

    a are the pre-activations of candidate and gates together; the mean goes over
    sequences and those anchors t that lie at least l steps after the start.

    Args:
        network: cell and read-out.
        x: inputs.
        lags: lags in steps, from 1.
        anchors: the steps t at which the output is looked at.

    Raises:
        ValueError: if a lag does not fit or no anchor lies behind the longest one.

    Example:
        >>> from learnability.cells import GRU
        >>> network = Network(GRU(2, 3))
        >>> output_sensitivity(network, torch.zeros(1, 9, 2), [1, 4], anchors=[8]).shape
        (2,)
    """
    cell, chosen = network.cell, _checked(lags, x.shape[1], anchors)
    with torch.no_grad():
        states = network.states(x)
        partials = cell.local_derivatives(states, x)
        delta = torch.zeros_like(states)
        delta[..., cell.output] = network.w_out
        found = []
        for lag, source, adjoint in sweep(cell, x, states, delta, anchors, chosen[-1]):
            if lag in chosen:
                there = source >= 0
                own = partials.index_select(1, source[there])
                reached = cell.vjp(adjoint[:, there], own)[1]
                found.append(float(reached.norm(dim=-1).mean()))
    return np.array(found)


def learnt_reach(
    network: Network,
    x: Float[Tensor, "sequence step input"],
    lags: Iterable[int],
    *,
    anchors: Sequence[int],
) -> Float[np.ndarray, "lag"]:
    """Return the output's sensitivity along the direction that it uses at each lag.

    ``g(l)^2 = E[(w_l/||w_l|| . J_l)^2]``, ``J_l = d yhat_t/d x_{t-l}`` through all
    steps between, ``w_l = E J_l``; the mean goes over sequences and those anchors t
    that lie at least l steps after the start.

    Args:
        network: cell and read-out.
        x: inputs.
        lags: lags in steps, from 1.
        anchors: the steps t at which the output is looked at.

    Returns:
        g; 0 where the output does not depend on the inputs at that lag.

    Raises:
        ValueError: if a lag does not fit or no anchor lies behind the longest one.

    Example:
        >>> from learnability.cells import GRU
        >>> network = Network(GRU(2, 3))
        >>> learnt_reach(network, torch.ones(2, 9, 2), [1, 4], anchors=[8]).shape
        (2,)
    """
    chosen = _checked(lags, x.shape[1], anchors)
    slopes: dict[int, list[Tensor]] = {lag: [] for lag in chosen}
    for anchor in anchors:
        past = x.detach().clone().requires_grad_()
        (slope,) = torch.autograd.grad(network(past)[:, anchor].sum(), past)
        for lag in chosen:
            if lag <= anchor:
                slopes[lag].append(slope[:, anchor - lag].double())
    return np.array([_along_mean(torch.cat(slopes[lag])) for lag in chosen])


def _along_mean(slope: Float[Tensor, "place input"]) -> float:
    mean = slope.mean(dim=0)
    size = mean.norm()
    if not size > 0:
        return 0.0
    return float((slope @ (mean / size)).pow(2).mean().sqrt())


def _checked(lags: Iterable[int], steps: int, anchors: Sequence[int]) -> list[int]:
    chosen = checked_lags(lags, steps)
    if max(anchors) < chosen[-1]:
        raise ValueError(
            f"no anchor lies {chosen[-1]} steps after the start; add later ones"
        )
    return chosen

"""How far an output reaches back: its derivative by the pre-activations l steps ago."""

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ..grid import checked_lags
from ..unroll import Network
from .lag_gradients import sweep


def output_sensitivity(
    network: Network,
    x: Float[Tensor, "sequence step input"],
    lags: Iterable[int],
    *,
    anchors: Sequence[int],
) -> Float[np.ndarray, "lag"]:
    """Give ``f(l) = mean ||d yhat_t/d a_{t-l}||``, by exact transport.

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
    cell, chosen = network.cell, checked_lags(lags, x.shape[1])
    if max(anchors) < chosen[-1]:
        raise ValueError(
            f"no anchor lies {chosen[-1]} steps after the start; add later ones"
        )
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

"""What a warm-up shows beside the rest: the direction learnt so far, overfitting.

The warm-up of a training is made again, so that trainings that were kept need not be.
"""

import contextlib
from collections.abc import Iterable, Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from learnability.grid import checked_lags
from learnability.training import mean_square_error, train
from learnability.unroll import Network

from .run import Record, RunData, anchors_of, over_bands, untrained, warm_up_epochs
from .settings import RunSettings

SEEN = 64
"""Sequences along which the output is differentiated."""


class _Over(Exception):
    """Ends a training."""


def look_early(run: RunSettings) -> Record:
    """Make a warm-up again and measure what no record of the training holds.

    Args:
        run: its settings.

    Returns:
        ``g`` of every band (`learnt_reach`), the root of the sum of (weight g)^2 over
        its lags; ``train_error`` and ``validation_error``, mean square errors;
        ``parameters``, their number; ``share``, the learnt shares, as in the record.
    """
    data = RunData.draw(run)
    network = untrained(run, data)
    last = warm_up_epochs(run)

    def look(epochs: int, error: float) -> None:
        del error
        if epochs == last:
            raise _Over

    sets = (data.training, data.validation)
    # A training that diverges ends by itself.
    with contextlib.suppress(_Over):
        train(network, *sets, run.recipe, seed=data.batches, progress=look)
    task = data.task
    lags, anchors = anchors_of(task)
    g = learnt_reach(network, data.probed.x[:SEEN], lags, anchors=anchors)
    return {
        "settings": run.model_dump(mode="json"),
        "g": over_bands(task, lags, g).tolist(),
        "train_error": mean_square_error(network, data.training),
        "validation_error": mean_square_error(network, data.validation),
        "parameters": sum(p.numel() for p in network.parameters()),
        "share": data.shares(network),
    }


def learnt_reach(
    network: Network,
    x: Float[Tensor, "sequence step input"],
    lags: Iterable[int],
    *,
    anchors: Sequence[int],
) -> Float[np.ndarray, "lag"]:
    """Give the output's sensitivity along the direction that it uses at each lag.

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
    chosen = checked_lags(lags, x.shape[1])
    if max(anchors) < chosen[-1]:
        raise ValueError(
            f"no anchor lies {chosen[-1]} steps after the start; add later ones"
        )
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

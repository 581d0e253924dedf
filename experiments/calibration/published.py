"""The published window: matched statistic, alpha-hat, threshold on a ratio.

``SNR(l) = |m(l)| N^(1/kappa)/sigma(l)`` of the matched statistic, and the window is the
longest lag whose ratio is above a threshold. Two settings were published; both are kept
by name. The ratio is no confidence, and one of the settings makes every mean positive:
`published_needs` of permuted targets says what a setting finds in noise.

Source: L. Livi, arXiv 2512.05790, and the numerical programme published with it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from learnability.evidence import random_direction
from learnability.grid import checked_lags
from learnability.randomness import Seed
from learnability.stable import kappa, mcculloch_livi2025
from learnability.tasks import Sequences
from learnability.transport.livi2025 import (
    matched_statistic,
    published_gains,
    published_steps,
)
from learnability.unroll import Network, tangent

NEAR_ONE = 1.01
"""Smallest alpha put into kappa: at alpha = 1, which the programme's estimators can
give, kappa is infinite."""


@final
@dataclass(frozen=True)
class PublishedSetting:
    """How the programme turns the statistic into a window.

    Attributes:
        name: the version it belongs to.
        samples: what counts as a sample.
        batch: sequences in a batch whose mean is made positive; None flips no sign.
        threshold: eps, what the ratio must exceed.
    """

    name: str
    samples: Literal["time points", "sequence means"]
    batch: int | None
    threshold: float


SETTINGS = {
    s.name: s
    for s in (
        PublishedSetting("livi-2026-03", "time points", 128, 0.1),
        PublishedSetting("livi-2026-final", "sequence means", None, 20.0),
    )
}


def published_statistic(
    network: Network, data: Sequences, lags: Iterable[int], *, seed: Seed
) -> dict[int, Float[Tensor, "sequence window"]]:
    """Give ``psi_t(l) = sum_q mu_{t,l}[q] delta_t[q] v_{t-l}[q]``, mu of first order.

    v is the total sensitivity along a random direction. A base rate that is the same
    for all units cancels in the ratio and is left out.

    Args:
        network: cell and read-out.
        data: inputs and targets.
        lags: lags in steps, from 1.
        seed: NumPy-style seed of the direction.

    Raises:
        ValueError: if a lag does not fit or the programme has no formula for the cell.
    """
    cell, chosen = network.cell, checked_lags(lags, data.x.shape[1])
    with torch.no_grad():
        states = network.states(data.x)
        gains = published_gains(
            published_steps(cell, data.x, states), chosen, order="first"
        )
        delta = network.error_signal(states, data.y)[..., cell.output]
        v = tangent(cell, data.x, random_direction(cell, seed))[..., cell.output]
    return matched_statistic(gains, delta, v)


def published_need(
    psi: Float[Tensor, "sequence window"], setting: PublishedSetting
) -> float:
    """Give the N at which the ratio reaches the threshold, ``(eps sigma/|m|)^kappa``.

    Args:
        psi: the matched statistic at one lag.
        setting: one of `SETTINGS`.

    Returns:
        N; inf where the statistic has no spread or no mean.
    """
    values = psi.double().numpy()
    if setting.batch is not None:
        values = _flipped(values, setting.batch)
    if setting.samples == "sequence means":
        values = values.mean(axis=1)
    values = values.ravel()
    if not np.subtract(*np.quantile(values, [0.75, 0.25])) > 0:
        return np.inf
    law = mcculloch_livi2025(values)
    mean = abs(values.mean())
    if not mean > 0:
        return np.inf
    exponent = float(kappa(max(float(law.alpha), NEAR_ONE)))
    with np.errstate(over="ignore"):
        return float((setting.threshold * law.sigma / mean) ** exponent)


def _flipped(
    values: Float[np.ndarray, "sequence window"], batch: int
) -> Float[np.ndarray, "sequence window"]:
    """Turn the sign of every batch whose mean is negative."""
    turned = values.copy()
    for start in range(0, len(values), batch):
        own = turned[start : start + batch]
        if own.mean() < 0:
            own *= -1
    return turned


def published_needs(
    network: Network,
    data: Sequences,
    lags: Iterable[int],
    setting: PublishedSetting,
    *,
    seed: Seed,
) -> Float[np.ndarray, "lag"]:
    """Give the published N(l) at every lag; its window is the longest lag that fits.

    Args:
        network: cell and read-out.
        data: inputs and targets; with permuted targets what is found is noise.
        lags: lags in steps, from 1.
        setting: one of `SETTINGS`.
        seed: NumPy-style seed of the direction.

    Raises:
        ValueError: as `published_statistic`.

    Example:
        >>> from learnability.cells import GRU
        >>> from learnability.tasks import MultiLag
        >>> task = MultiLag(lags=(2,), coefficients=(0.6,), inputs=2, steps=12)
        >>> data = task.draw(64, seed=0, direction=task.direction(seed=1))
        >>> setting = SETTINGS["livi-2026-03"]
        >>> network = Network(GRU(2, 4))
        >>> published_needs(network, data, [1, 2, 4], setting, seed=0).shape
        (3,)
    """
    psi = published_statistic(network, data, lags, seed=seed)
    return np.array([published_need(psi[lag], setting) for lag in sorted(psi)])

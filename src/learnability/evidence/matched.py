"""The published matched statistic."""

from collections.abc import Mapping

from jaxtyping import Float
from torch import Tensor


def matched_statistic(
    gains: Mapping[int, Float[Tensor, "sequence window unit"]],
    delta: Float[Tensor, "sequence step unit"],
    total: Float[Tensor, "sequence step unit"],
) -> dict[int, Float[Tensor, "sequence window"]]:
    """Give ``psi_t(l) = sum_q mu_{t,l}[q] delta_t[q] v_{t-l}[q]`` by lag.

    With exact transport, and products over whole states, this is the cumulated
    gradient of all lags >= l; with the published gains it only resembles it.

    Args:
        gains: mu by lag, windows aligned by ``states`` (entry i from i to i + l).
        delta: the loss's derivative by the output h of each step.
        total: the total sensitivity v of h along a direction.

    Source: Livi 2025, matched statistic (arXiv 2512.05790).
    """
    return {
        lag: (mu * delta[:, lag:] * total[:, : mu.shape[1]]).sum(dim=-1)
        for lag, mu in gains.items()
    }

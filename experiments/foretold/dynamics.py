r"""A: what is learnt when, if the kernel stays; B: if it grows as it did so far.

``d beta/d t = W^{-1} K (c - beta)``, ``W = diag((T - l)/T)``, is solved in closed form:
with ``M = W^{-1/2} K W^{-1/2} = V diag(m) V'`` the residual's part along every column
of V decays as ``exp(-m_i s)``, s the number of updates, or, where K grows at the rate
g, ``s = (exp(g t) - 1)/g``.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from learnability.tasks import Bands

MOST = 1e6  # times by which a kernel may grow


class Kernel(NamedTuple):
    """What is measured at some weights, of the lags from 0 on.

    Attributes:
        kernel: over all lags.
        beta: what the output owes to each lag.
        within: W, the share of the steps that have a lag's input.
    """

    kernel: Float[np.ndarray, "lag lag"]
    beta: Float[np.ndarray, "lag"]
    within: Float[np.ndarray, "lag"]


def target(task: Bands, lags: int) -> Float[np.ndarray, "lag"]:
    """Return c of every lag from 0 on, 0 where the targets hold nothing.

    Args:
        task: the task.
        lags: how many; no lag of the task lies beyond.
    """
    c = np.zeros(lags)
    for band in task.bands:
        for lag, weight in band.pairs:
            c[lag] += band.coefficient * weight
    return c


def shares(
    task: Bands, beta: Float[np.ndarray, "*time lag"], within: Float[np.ndarray, "lag"]
) -> Float[np.ndarray, "*time band"]:
    """Return ``Cov(yhat, phi_k)/(c_k E phi_k^2)`` of every band, from its lags.

    Args:
        task: the task.
        beta: what the output owes to each lag.
        within: W.
    """
    found = []
    for band in task.bands:
        at, weight = np.array(band.lags), np.array(band.weights)
        moment = (weight**2 * within[at]).sum()
        found.append(beta[..., at] @ (weight * within[at]) / moment / band.coefficient)
    return np.stack(found, axis=-1)


def solved(
    seen: Kernel, c: Float[np.ndarray, "lag"], times: Float[np.ndarray, "time"]
) -> Float[np.ndarray, "time lag"]:
    """Return beta after some updates, the kernel staying as it is.

    Eigenvalues below 0 are noise of the kernel's estimate, and count as 0.

    Args:
        seen: kernel and beta.
        c: what it tends to.
        times: s, in updates.
    """
    root = np.sqrt(seen.within)
    values, vectors = np.linalg.eigh(seen.kernel / np.outer(root, root))
    part = vectors.T @ (root * (c - seen.beta))
    left = np.exp(-np.outer(times, np.maximum(values, 0.0))) * part
    return c - (left @ vectors.T) / root


def growth(
    before: Kernel, now: Kernel, c: Float[np.ndarray, "lag"], updates: int
) -> float:
    """Return g, ``r'K r`` growing as ``exp(g t)`` for the residual r of now.

    Args:
        before: an earlier look.
        now: this one.
        c: what beta tends to.
        updates: between the two.

    Returns:
        g; 0 where either is not above 0, which tells no growth.
    """
    r = c - now.beta
    then, here = (float(r @ one.kernel @ r) for one in (before, now))
    return float(np.log(here / then)) / updates if min(then, here) > 0 else 0.0


def grown(g: float, times: Float[np.ndarray, "time"]) -> Float[np.ndarray, "time"]:
    """Return ``s = (exp(g t) - 1)/g``, updates of a kernel that stays.

    Args:
        g: the kernel's rate of growth.
        times: t, in updates.

    Example:
        >>> grown(0.0, np.array([2.0])).tolist()
        [2.0]
    """
    if g == 0:
        return times
    # Beyond that all is learnt that the kernel can teach.
    return np.expm1(np.minimum(g * times, np.log(MOST))) / g

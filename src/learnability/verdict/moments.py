"""Sums of products of features at all lags and targets, cluster by cluster."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int

from .features import NOTHING, PART, SMALLEST_SHARE, Whitened
from .observed import FEWEST_SHARING, Observed

FOLDS = 8
LARGEST = 2048
"""Coefficients of one target beyond which the regression is refused."""
HELD = 2**25  # numbers of all clusters' moments: 256 MB


@dataclass(frozen=True)
class Moments:
    """Sums of products over the rows of every cluster: X'X, X'Y and trace Y'Y.

    Attributes:
        xx: X'X of one cluster after another; they are too large to be copied.
        tails: about the kurtosis of sums of products of the rarest feature and target.
    """

    xx: Sequence[Float[np.ndarray, "coefficient coefficient"]]
    xy: Float[np.ndarray, "cluster coefficient target"]
    yy: Float[np.ndarray, "cluster"]
    rows: int
    tails: float

    def total(
        self, clusters: Iterable[int] | None = None
    ) -> Float[np.ndarray, "coefficient coefficient"]:
        """Return X'X summed over some clusters, all unless given."""
        found = np.zeros_like(self.xx[0])
        for g in range(len(self.xx)) if clusters is None else clusters:
            found += self.xx[g]
        return found

    def first(self, features: int, lags: int) -> "Moments":
        """Return the moments of the first features alone."""
        size = self.xy.shape[1]
        places = np.arange(size).reshape(lags, -1)[:, :features].ravel()
        if len(places) == size:
            return self
        xx = [one[places[:, None], places] for one in self.xx]
        return replace(self, xx=xx, xy=self.xy[:, places])


def targets_of(data: Observed) -> Float[np.ndarray, "row target"]:
    """Return the targets, freed of the profile that all share, of a total variance 1.

    Values become white, whatever their units; classes keep their own weight, so that
    rare ones do not outweigh the others (Goodman and Kruskal's tau).

    Raises:
        ValueError: if nothing is left.
    """
    values = data.targets - data.targets.mean(0)
    size = float((values**2).mean())
    if data.per_step and len(data.inputs) >= FEWEST_SHARING:
        count = np.bincount(data.step)
        sums = [np.bincount(data.step, weights=column) for column in values.T]
        values -= (np.array(sums) / np.maximum(count, 1)).T[data.step]
    variances, vectors = np.linalg.eigh(values.T @ values / len(values))
    kept = variances > SMALLEST_SHARE * variances[-1]
    if variances[-1] <= NOTHING * size:
        raise ValueError(
            "the targets do not vary between sequences; give targets that do"
        )
    if data.classes:
        return values[:, values.any(axis=0)] / np.sqrt(variances.sum())
    white = values @ (vectors[:, kept] / np.sqrt(variances[kept]))
    return white / np.sqrt(kept.sum())


def moments(
    features: Whitened,
    data: Observed,
    cluster: Int[np.ndarray, "row"],
    longest: int,
) -> Moments:
    """Return the sums of products of every cluster, made of parts of the rows.

    Raises:
        ValueError: if there are more than 2,048 coefficients.
    """
    size = few_enough(longest + 1, features.width)
    y = targets_of(data)
    most = int(np.clip(HELD // size**2, FOLDS, None))
    number = int(cluster.max()) + 1
    cluster = cluster * min(number, most) // number
    number = min(number, most)
    xx, xy = np.zeros((number, size, size)), np.zeros((number, size, y.shape[1]))
    fourth = np.zeros(size)
    for g in range(number):
        own = np.flatnonzero(cluster == g)
        for rows in np.array_split(own, -(-len(own) * size // PART)):
            x = _lagged(features, data.sequence[rows], data.step[rows], longest)
            xx[g] += x.T @ x
            xy[g] += x.T @ y[rows]
            fourth += (x**4).sum(0)
    yy = np.bincount(cluster, weights=(y**2).sum(1))
    kurtosis = ((y**4).mean(0) / (y**2).mean(0) ** 2).max()
    second = np.sum([np.diag(one) for one in xx], axis=0)
    tails = float((fourth[second > 0] / second[second > 0] ** 2).max() * kurtosis)
    return Moments([*xx], xy, yy, len(y), tails)


def few_enough(lags: int, width: int) -> int:
    """Return the number of coefficients.

    Raises:
        ValueError: if there are more than 2,048.
    """
    if lags * width > LARGEST:
        raise ValueError(
            f"{lags} lags of {width} features are {lags * width} coefficients; "
            f"ask for fewer lags or features, at most {LARGEST} together"
        )
    return lags * width


def _lagged(
    features: Whitened,
    sequence: Int[np.ndarray, "row"],
    step: Int[np.ndarray, "row"],
    longest: int,
) -> Float[np.ndarray, "row coefficient"]:
    """Return the features of all lags in a row, lag 0 first."""
    own, place = np.unique(sequence, return_inverse=True)
    start = int(step.min()) - longest
    phi = features.of(own, start, int(step.max()) + 1)
    windows = np.lib.stride_tricks.sliding_window_view(phi, longest + 1, axis=1)
    past = windows[place, step - longest - start][..., ::-1]
    return past.transpose(0, 2, 1).reshape(len(step), -1)

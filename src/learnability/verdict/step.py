"""Does a step pay: what the training gradient's next step does to held-out data."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

SMALLEST = 0.01
"""Of what c would be on data that the weights do not know: all is fitted below it."""

Group = tuple[Float[np.ndarray, "parameter"], int]


class GradientSums(NamedTuple):
    """The gradients of the loss, a sum over the sequences of each group.

    Attributes:
        total: S, of all groups.
        squares: ``S_g' P S_g``.
        along: ``S_g' P v``.
        counts: sequences of each group.
    """

    total: Float[np.ndarray, "parameter"]
    squares: Float[np.ndarray, "group"]
    along: Float[np.ndarray, "group"]
    counts: Float[np.ndarray, "group"]

    @property
    def mean(self) -> Float[np.ndarray, "parameter"]:
        """Return the gradient of the mean loss."""
        return self.total / self.counts.sum()

    def size(self, rates: Float[np.ndarray, "parameter"]) -> float:
        """Return ``E[g]'P E[g]``, from pairs of different groups."""
        pairs = self.counts.sum() ** 2 - (self.counts**2).sum()
        return float(self.total @ (rates * self.total) - self.squares.sum()) / pairs

    def noise(self, rates: Float[np.ndarray, "parameter"]) -> float:
        """Return ``tr(P Sigma)``, Sigma the covariance of one sequence's gradient."""
        one = (self.squares / self.counts).sum()
        return float(one - self.counts.sum() * self.size(rates)) / len(self.counts)


def gradient_sums(
    groups: Iterable[Group],
    rates: Float[np.ndarray, "parameter"],
    by: Float[np.ndarray, "parameter"],
) -> GradientSums:
    """Return the sums of the gradients of groups of sequences.

    Args:
        groups: the sum of the gradients of each, and its number of sequences.
        rates: P.
        by: v.
    """
    total, rows, direction = np.zeros(len(rates)), [], rates * by
    for gradient, count in groups:
        total += gradient
        rows.append((gradient @ (rates * gradient), gradient @ direction, count))
    squares, along, counts = np.array(rows, dtype=float).T
    return GradientSums(total, squares, along, counts)


class Step(NamedTuple):
    r"""What the step ``-P g_t`` does, g_t the gradient of the training data.

    Attributes:
        c: ``g_t' P g_t``, by how much the training loss falls, to first order.
        b: ``g_t' P g_h``, by how much the held-out loss does.
        b_error: its standard error over held-out sequences.
        h: ``E[g]'P E[g]`` of held-out sequences, from pairs of different ones.
        tau: ``tr(P Sigma_h)/N``, what the noise of N sequences adds to c.
        rel: b/c; nan where c is below a hundredth of ``h + tau``: all is fitted.
        unfitted: what rel is of weights that do not know these data, ``h/(h + tau)``; 0
            where h is not above 0.
        fitted: the share of the training data's noise that is fitted.
    """

    c: float
    b: float
    b_error: float
    h: float
    tau: float
    rel: float
    unfitted: float
    fitted: float


class Fall(NamedTuple):
    """By how much a mean loss falls from some weights to others.

    Attributes:
        value: the loss before less that after.
        error: its standard error over sequences.
    """

    value: float
    error: float


def fall(
    before: Float[np.ndarray, "group 2"], after: Float[np.ndarray, "group 2"]
) -> Fall:
    """Return the fall of a loss, the same sequences being looked at twice.

    Args:
        before: the summed loss of each group of sequences, and how many they are.
        after: the same at other weights.

    Example:
        >>> fall(np.array([[2.0, 1], [6.0, 2]]), np.array([[1.0, 1], [4.0, 2]]))
        Fall(value=1.0, error=0.0)
    """
    counts = before[:, 1]
    return Fall(*_mean(before[:, 0] - after[:, 0], counts))


def _mean(
    sums: Float[np.ndarray, "group"], counts: Float[np.ndarray, "group"]
) -> tuple[float, float]:
    """Return the mean of what groups hold sums of, and its standard error."""
    groups, n = len(sums), counts.sum()
    mean = sums.sum() / n
    apart = sums - counts * mean
    error = (groups / (groups - 1) * (apart**2).sum()) ** 0.5 / n
    return float(mean), float(error)


def step(
    train: GradientSums,
    held: GradientSums,
    rates: Float[np.ndarray, "parameter"],
    sequences: int,
) -> Step:
    """Return whether a step on the training data pays on held-out data.

    Args:
        train: gradients of training sequences, all or some of them.
        held: those of held-out ones, along ``P g_t``.
        rates: P, the optimizer's step sizes.
        sequences: N, for training.

    Example:
        >>> g, rates = np.ones((8, 3)), np.ones(3)
        >>> one = [(row, 1) for row in g]
        >>> train = gradient_sums(one, rates, np.zeros(3))
        >>> held = gradient_sums(one, rates, train.mean)
        >>> float(step(train, held, rates, 8).rel)
        1.0
    """
    b, error = _mean(held.along, held.counts)
    h, tau = held.size(rates), held.noise(rates) / sequences
    # Of some of N training sequences the mean gradient is noisier than that of all.
    own = train.mean
    fewer = 1 / train.counts.sum() - 1 / sequences
    c = float(own @ (rates * own)) - fewer * train.noise(rates)
    signal = max(h, 0.0)
    rel = b / c if c > SMALLEST * (signal + tau) else np.nan
    unfitted = _over(signal, signal + tau)
    return Step(c, b, error, h, tau, rel, unfitted, 1 - _over(c - b, tau))


def _over(above: float, below: float) -> float:
    """Return a ratio, nan where there is nothing to relate to."""
    return above / below if below > 0 else np.nan

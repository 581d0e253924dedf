"""Is a vector of coefficients 0, with an error that clusters tell?"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import special, stats

from ..detection.dependence import noncentrality, smallest_found

ROUNDING = 1e-8  # of the variance: the least noise of a coefficient


@dataclass(frozen=True)
class TraceTest:
    """``F = |b|^2 / tr V`` against F of nu and (G - 1) nu degrees of freedom.

    ``V = sum_g d_g d_g'`` of the deviations when cluster g is left out;
    ``nu = (tr V)^2 / tr V^2``, both from pairs of different clusters. Where a few
    clusters make most of V they alone count: G is at most ``(1 + 2/nu) (sum_g
    |d_g|^2)^2 / sum_g |d_g|^4``, which is their number where all are alike and normal.

    Attributes:
        size: ``|b|``.
        noise: tr V.
        freedom: nu: 1 for one coefficient, at most the length of b.
        clusters: G.

    Source: Brunner, Dette and Munk 1997 (trace statistic, Box's approximation); Bell
    and McCaffrey 2002 (deviations by leaving clusters out); Satterthwaite 1946 (degrees
    of freedom of a sum of unequal squares).
    """

    size: float
    noise: float
    freedom: float
    clusters: int

    @property
    def p_value(self) -> float:
        """Probability of an F as large if b is 0."""
        return float(special.fdtrc(*self._freedoms, self.size**2 / self.noise))

    @property
    def strength(self) -> float:
        """``|b|`` freed of the error's share, 0 where nothing is left."""
        return max(0.0, self.size**2 - self.noise) ** 0.5

    def interval(self, level: float) -> tuple[float, float]:
        """Return the lengths of b under which ``|b|`` is no surprise.

        ``|b|^2 nu/(c tr V)`` against the noncentral chi-squared, c from the error of V:
        such that 0 is left out where F is significant; Student's interval if nu = 1.
        """
        outside = (1 - level) / 2
        numerator, denominator = self._freedoms
        limit = numerator * stats.f.isf(outside, numerator, denominator)
        unit = self.noise / numerator * limit / stats.chi2.isf(outside, numerator)
        seen = float(self.size**2 / unit)

        def end(p: float) -> float:
            return noncentrality(
                lambda nc: special.chndtr(seen, numerator, nc) - p, seen
            )

        lower, upper = end(1 - outside), end(outside)
        return float((lower * unit) ** 0.5), float((upper * unit) ** 0.5)

    def smallest(self, significance: float) -> float:
        """Return the length of b that is found with probability 0.95."""
        needed = smallest_found(*self._freedoms, significance)
        return float((needed * self.noise / self.freedom) ** 0.5)

    @property
    def _freedoms(self) -> tuple[float, float]:
        return self.freedom, (self.clusters - 1) * self.freedom


def trace_test(
    estimate: Float[np.ndarray, "coefficient"],
    deviations: Float[np.ndarray, "cluster coefficient"],
    sequences: int,
    least: float = 0.0,
) -> TraceTest:
    """Return the test of coefficients.

    Args:
        estimate: b.
        deviations: b less what it is without one cluster.
        sequences: whose mean was taken off at every step.
        least: noise of the estimate, whatever the deviations say.

    Example:
        >>> noise = np.random.default_rng(0).normal(0, 0.01, (64, 1))
        >>> trace_test(np.array([0.5]), noise, 64).p_value < 1e-6
        True
    """
    every = np.concatenate([estimate[None], deviations])
    return by_products(every @ every.T, len(estimate), sequences, least)


def by_products(
    products: Float[np.ndarray, "rows rows"],
    length: int,
    sequences: int,
    least: float = 0.0,
) -> TraceTest:
    """Return the test of coefficients of which products are known, not themselves.

    Args:
        products: of b and its deviations with each other, b first.
        length: of b.
        sequences: whose mean was taken off at every step.
        least: noise of the estimate, whatever the deviations say.
    """
    size, products = float(products[0, 0]) ** 0.5, products[1:, 1:]
    squares = np.diag(products)
    mixed = (products**2).sum() - (squares**2).sum()
    freedom = (squares.sum() ** 2 - (squares**2).sum()) / mixed if mixed > 0 else 1.0
    freedom = float(np.clip(freedom, 1, length))
    noise = float(squares.sum()) * sequences / (sequences - 1)
    least = max(least, ROUNDING * (1 + size**2) * freedom)
    if noise <= least:
        return TraceTest(size, least, freedom, len(products))
    alike = (1 + 2 / freedom) * squares.sum() ** 2 / (squares**2).sum()
    clusters = int(np.clip(alike, 2, len(products)))
    return TraceTest(size, noise, freedom, clusters)

"""When the gradient's noise is a stable law: its quantiles in place of z.

A mean of N projections ``G_n . s/||s||`` of tail index alpha narrows as N^(-1/kappa),
``kappa = alpha/(alpha - 1)``. That replaces the Gaussian formula at a lag only where
the projections pass every test against a stable law (`stable.check_stability`);
whatever single steps look like, means over a sequence hardly ever do.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.special import ndtri

from .. import stable
from ..stable.stability import STABLE, below_two
from .leave_one_out import jackknife_error, u_statistic
from .samples import SamplesNeeded, samples_needed

Lags = Float[np.ndarray, "lag"]


@dataclass(frozen=True)
class NoiseLaw:
    """The stable law of the projections at each lag, nan where it is not stable.

    Attributes:
        alpha: tail index, with the ends of its interval; (lag,).
        sigma: scale, in the unit of the projections, likewise.
    """

    alpha: Lags
    alpha_lower: Lags
    alpha_upper: Lags
    sigma: Lags
    sigma_lower: Lags
    sigma_upper: Lags

    @property
    def stable(self) -> np.ndarray:
        """Whether the projections of a lag are compatible with a stable law."""
        return np.isfinite(self.alpha)


def noise_law(
    projection: Float[np.ndarray, "lag direction sequence"],
    *,
    level: float = 0.95,
    seed: Any,
) -> NoiseLaw:
    """Ask at each lag whether the projections are stable, and fit the law if so.

    With several directions a lag is stable where most of them are; alpha is then the
    median of theirs and sigma the root of the mean square. Projections without a law
    (few, or half of them the same) are not stable.

    Args:
        projection: ``G_n . s/||s||``.
        level: confidence of the intervals.
        seed: whatever `numpy.random.default_rng` takes.

    Example:
        >>> noise = np.random.default_rng(0).normal(size=(2, 1, 400))
        >>> noise_law(noise, seed=1).stable.tolist()
        [False, False]

    Source: Feller 1971, vol. II, VI.1 (stability under addition).
    """
    centred = projection - projection.mean(axis=-1, keepdims=True)
    rows = centred.reshape(-1, centred.shape[-1])
    names = [
        name + end for name in ("alpha", "sigma") for end in ("", "_lower", "_upper")
    ]
    table = {name: np.full(len(rows), np.nan) for name in names}
    passed = _heavy(rows)
    if passed.any():
        check = stable.check_stability(rows[passed], seed=seed)
        passed[passed] = [verdict == STABLE for verdict in check.verdict]
    if passed.any():
        law = stable.fit(rows[passed], level=level, seed=seed)
        for name in names:
            table[name][passed] = getattr(law, name)
    shape = centred.shape[:2]
    return _by_lag({name: values.reshape(shape) for name, values in table.items()})


def _heavy(rows: Float[np.ndarray, "row sequence"]) -> np.ndarray:
    """Tell which rows may have a law, and one that alpha near 2 does not rule out.

    The same bounds are the last ones of `stable.check_stability`, which costs more.
    """
    heavy = np.array([not stable.no_law(row) for row in rows])
    if heavy.any():
        single, means = below_two(stable.aggregate(rows[heavy]))
        heavy[heavy] = single & means
    return heavy


def _by_lag(table: dict[str, Float[np.ndarray, "lag direction"]]) -> NoiseLaw:
    known = np.isfinite(table["alpha"])
    most = known.mean(axis=1) > 0.5
    found = {name: np.full(len(most), np.nan) for name in table}
    for lag in np.flatnonzero(most):
        for name, values in table.items():
            own = values[lag][known[lag]]
            middle = name.startswith("alpha")
            found[name][lag] = np.median(own) if middle else np.sqrt(np.mean(own**2))
    return NoiseLaw(**found)


def with_stable_noise(
    need: SamplesNeeded,
    law: NoiseLaw,
    square: Float[np.ndarray, "lag sequence"],
    dot: Float[np.ndarray, "lag sequence"],
    *,
    significance: float = 0.05,
    power: float = 0.95,
    level: float = 0.95,
) -> SamplesNeeded:
    """Replace N(l) where the noise is stable: ``((q_{1-a} + q_{1-b}) sigma/m)^kappa``.

    ``m = c sqrt(U)``. The ends take the ends of U, sigma and alpha together, so that
    the interval is wider than its level says.

    Args:
        need: what the Gaussian formula gives.
        law: the law of the noise; lags where it is not stable stay as they are.
        square: ``||S_n||^2``.
        dot: ``S_n . S``.
        significance: a, the test's size.
        power: 1 - b, the probability to find the dependency.
        level: confidence of the intervals.
    """
    z = float(ndtri(0.5 + level / 2))
    signal, without = u_statistic(square, dot)
    spread = z * jackknife_error(without)
    kept = {name: getattr(need, name).copy() for name in ("needed", "lower", "upper")}
    resolved, kappa, noise = need.resolved.copy(), need.kappa.copy(), need.noise.copy()
    highest = np.minimum(law.alpha_upper, 2.0)
    for i in np.flatnonzero(law.stable):
        kappa[i] = stable.kappa(law.alpha[i])
        noise[i] = law.sigma[i]
        resolved[i] = need.effect_size > 0 and signal[i] > spread[i]
        ends = {
            "needed": (signal[i], law.sigma[i], law.alpha[i]),
            "lower": (signal[i] + spread[i], law.sigma_lower[i], highest[i]),
            "upper": (signal[i] - spread[i], law.sigma_upper[i], law.alpha_lower[i]),
        }
        for name, (u, sigma, alpha) in ends.items():
            there = u > 0 and (resolved[i] or name == "lower") and alpha > 1
            m = need.effect_size * np.sqrt(max(u, 0.0))
            kept[name][i] = (
                samples_needed(m, sigma, alpha, significance=significance, power=power)
                if there and m > 0
                else np.inf
            )
    return replace(need, **kept, resolved=resolved, kappa=kappa, noise=noise)

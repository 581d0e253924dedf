"""Intervals of alpha: coverage up to the boundary, and the tests they turn round."""

from functools import lru_cache

import numpy as np
import pytest
from scipy.stats import norm

from learnability.stable import fit, koutrouvelis1980, law
from learnability.stable._distance import distance, lowest_alpha_seen_as_two
from learnability.stable._interval import beside_two, from_ratio, log_ratio
from learnability.stable._resample import draw_counts, draws, likelihood, quantile_draws
from learnability.stable.mcculloch1986 import mcculloch

METHODS = ["koutrouvelis", "mcculloch", "likelihood"]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("alpha", [1.6, 1.97, 2.0])
def test_coverage(method, alpha):
    repetitions = 300
    values = law.sample(alpha, (repetitions, 300), seed=int(100 * alpha))
    found = fit(values, method=method, resamples=99, seed=3)
    error = np.sqrt(0.95 * 0.05 / repetitions)
    for name, truth in [("alpha", alpha), ("location", 0.0)]:
        lower, upper = getattr(found, f"{name}_lower"), getattr(found, f"{name}_upper")
        inside = ((lower <= truth) & (truth <= upper)).mean()
        assert abs(inside - 0.95) < 3 * error


@pytest.mark.parametrize("level", [0.9, 0.99])
@pytest.mark.parametrize("alpha", [0.7, 1.5, 1.95, 2.0])
def test_the_ratio_is_exact_at_every_alpha_and_level(alpha, level):
    count, repetitions = 100, 6000
    ratio = log_ratio(law.sample(alpha, (repetitions, count), seed=7))
    lower, upper = from_ratio(ratio, count, level)
    inside = ((lower <= alpha) & (alpha <= upper)).mean()
    # The normal law of 100 values is itself good to half a percent.
    assert abs(inside - level) < 3 * np.sqrt(level * (1 - level) / repetitions) + 0.005


@pytest.mark.parametrize("alpha", [1.99995, 1.9999985])
def test_next_to_two_scale_and_location_move_as_a_gaussians(alpha):
    values = law.sample(2.0, 2000, seed=11)
    centre, sigma = values.mean(), values.std() / np.sqrt(2)
    z = (values - centre) / sigma
    # d log sigma and d location/sigma of one value more, of a normal of variance 2.
    expected = np.stack([(z**2 / 2 - 1) / 2, z]) / len(values)
    found = likelihood(values, alpha, sigma, centre)[1:]
    assert found == pytest.approx(expected, abs=0.01 / len(values))


TRIALS = np.linspace(0.5, 2.0, 751)


@lru_cache(maxsize=1)
def trial_laws():
    """Log ratio and its standard deviation times sqrt(n), one alpha at a time."""
    p = np.array([0.05, 0.25, 0.75, 0.95])
    found = []
    for q in np.asarray(law.quantile(p, TRIALS[:, None])):
        density = np.asarray(law.density(q, TRIALS[len(found)]))
        wide, narrow = q[3] - q[0], q[2] - q[1]
        slope = np.array([-1 / wide, 1 / narrow, -1 / narrow, 1 / wide]) / density
        variance = sum(
            slope[j] * slope[k] * (min(p[j], p[k]) - p[j] * p[k])
            for j in range(4)
            for k in range(4)
        )
        found.append((np.log(wide / narrow), np.sqrt(variance)))
    return np.array(found).T


def kept(ratio, count, level):
    """Slow twin: the alphas on trial that the test does not reject."""
    centre, deviation = trial_laws()
    error = deviation / np.sqrt(count)
    z, two_sided = (ratio - centre) / error, norm.ppf((1 + level) / 2)
    within_reach = (centre - centre[-1]) / error <= two_sided
    one = z <= norm.ppf(level)
    return TRIALS[np.where(within_reach, one, np.abs(z) <= two_sided)]


@pytest.mark.parametrize("ratio", [0.7, 0.9, 1.0, 1.1, 1.3, 2.0])
@pytest.mark.parametrize("count", [60, 1000, 50_000])
def test_inversion_against_brute_force(ratio, count):
    inside = kept(ratio, count, 0.95)
    lower, upper = from_ratio(np.array(ratio), count, 0.95)
    assert (np.diff(inside) < 0.0021).all()
    np.testing.assert_allclose([lower, upper], inside[[0, -1]], atol=0.0025)


def test_more_values_narrow_the_interval():
    for ratio in (0.85, 0.95, 1.3):
        ends = np.array([from_ratio(np.array(ratio), n, 0.95) for n in (60, 600, 6000)])
        assert (np.diff(ends[:, 0]) > 0).all()
        assert (np.diff(ends[:, 1]) <= 0).all()
    widths = [np.ptp(from_ratio(np.array(1.3), n, 0.95)) for n in (10**4, 10**6)]
    assert abs(widths[0] / widths[1] - 10) < 0.1
    for method in ("koutrouvelis", "likelihood"):
        edges = [lowest_alpha_seen_as_two(method, 0.025, n) for n in (60, 600, 6000)]
        assert (np.diff(edges) > 0).all()


def test_a_higher_level_widens_the_interval():
    ratio = np.linspace(0.6, 2.5, 50)
    near, far = (from_ratio(ratio, 200, level) for level in (0.8, 0.95))
    assert (far[0] <= near[0]).all()
    assert (far[1] >= near[1]).all()


@pytest.mark.parametrize("method", METHODS)
def test_shift_and_scale(method):
    values = law.sample(np.array([[1.5], [1.95], [2.0]]), (3, 400), seed=5)
    plain, moved = (
        fit(one, method=method, resamples=50, seed=1)
        for one in (values, 9 - 40 * values)
    )
    np.testing.assert_allclose(moved.alpha_lower, plain.alpha_lower, atol=1e-3)
    np.testing.assert_allclose(moved.alpha_upper, plain.alpha_upper, atol=1e-3)


@pytest.mark.parametrize("method", ["koutrouvelis", "likelihood"])
def test_the_interval_grows_out_of_two(method):
    scale, n = distance(method), 500
    x = np.linspace(0, 4, 81)
    alpha = scale.to_alpha(x / np.sqrt(n))
    lower, upper = beside_two(method, alpha, np.stack([alpha - 0.1, alpha]), 0.95, n)
    assert upper[0] == 2.0
    # A larger distance never brings 2 back, and one of two errors excludes it.
    assert (np.diff(upper) <= 1e-12).all()
    assert (upper[x > 2] < 2).all()
    assert (lower <= lowest_alpha_seen_as_two(method, 0.025, n) + 1e-12).all()


def test_ranks_drawn_alone_have_the_law_of_resamples():
    values = law.sample(1.6, (1, 301), sigma=2.0, seed=6)
    whole = draws("mcculloch", values, draw_counts(301, 2000, 1), mcculloch(values))
    alone = quantile_draws(values, 100, 2)
    for one, other in zip(whole[..., 0], alone[..., 0], strict=True):
        error = one.std() * np.sqrt(1 / one.size + 1 / other.size)
        assert abs(one.mean() - other.mean()) < 3.5 * error
        assert abs(one.std() / other.std() - 1) < 0.08


def test_a_sum_by_cells_is_the_sum(monkeypatch):
    values = law.sample(0.8, (2, 30_000), sigma=3.0, location=-500.0, seed=1)
    u = koutrouvelis1980.FREQUENCIES / np.array([[3.0], [2.5]])
    found = koutrouvelis1980.characteristic_function(values, u)
    monkeypatch.setattr(koutrouvelis1980, "MANY", 10**9)
    exact = koutrouvelis1980.characteristic_function(values, u)
    np.testing.assert_allclose(found, exact, atol=1e-11)

"""N(l) from probe gradients: unbiasedness, the jackknife, coverage, a closed form."""

from itertools import pairwise

import numpy as np
import pytest
from scipy import stats

from learnability.detection.dependence import dependence, smallest_found, strongest
from learnability.detection.leave_one_out import (
    jackknife_error,
    projected_variance,
    u_statistic,
)
from learnability.detection.samples import needed_by_gradients


def statistics(s):
    """Give q_i and S_i . S of vectors (sequence, parameter), as one lag."""
    return (s**2).sum(axis=1)[None], (s @ s.sum(axis=0))[None]


def brute_u(s):
    n, gram = len(s), s @ s.T
    return (gram.sum() - np.trace(gram)) / (n * (n - 1))


def test_u_is_the_mean_over_pairs_and_its_jackknife_leaves_one_out():
    s = np.random.default_rng(0).normal(0.3, 1.0, size=(9, 4))
    whole, without = u_statistic(*statistics(s))
    assert whole[0] == pytest.approx(brute_u(s), rel=1e-12)
    left_out = [brute_u(np.delete(s, i, axis=0)) for i in range(9)]
    np.testing.assert_allclose(without[0], left_out, rtol=1e-10)


def test_u_is_unbiased():
    """The mean over repetitions is ||E S||^2, within 4 of its standard errors."""
    random, mean = np.random.default_rng(1), np.array([0.2, -0.1, 0.05])
    draws = [
        u_statistic(*statistics(random.normal(mean, 1.0, size=(12, 3))))[0][0]
        for _ in range(4000)
    ]
    error = np.std(draws) / len(draws) ** 0.5
    assert abs(np.mean(draws) - mean @ mean) < 4 * error


def test_variance_leaves_one_out():
    p = np.random.default_rng(2).normal(size=(1, 11))
    whole, without = projected_variance(p)
    assert whole[0] == pytest.approx(p.var(ddof=1), rel=1e-12)
    for i in range(11):
        rest = np.delete(p[0], i)
        assert without[0, i] == pytest.approx(rest.var(ddof=1), rel=1e-10)


def test_jackknife_of_a_mean_is_its_standard_error():
    x = np.random.default_rng(3).normal(size=40)
    without = (x.sum() - x) / 39
    assert jackknife_error(without) == pytest.approx(x.std(ddof=1) / 40**0.5, rel=1e-10)


def sample(random, n, mean, spread, noise):
    """Give S_n around a mean and G_n of known noise along it, as one lag."""
    s = mean + spread * random.normal(size=(n, len(mean)))
    g = noise * random.normal(size=(n, len(mean)))
    halves = [s[k::2].sum(axis=0) for k in (0, 1)]
    projection = np.empty((1, 1, n))
    for k in (0, 1):
        other = halves[1 - k] / np.linalg.norm(halves[1 - k])
        projection[0, 0, k::2] = g[k::2] @ other
    return *statistics(s), projection


def test_interval_covers_the_closed_form():
    """N = (z + z)^2 noise^2/(c^2 ||s||^2): covered in 92 to 98 of 100 cases."""
    random, mean = np.random.default_rng(4), np.array([0.5, 0.2, 0.0])
    z = 1.6448536269514722
    truth = (2 * z) ** 2 * 3.0**2 / (0.5**2 * mean @ mean)
    repetitions, covered = 600, 0
    for _ in range(repetitions):
        r = needed_by_gradients(*sample(random, 200, mean, 1.0, 3.0), effect_size=0.5)
        covered += r.lower[0] <= truth <= r.upper[0]
    assert 0.92 < covered / repetitions < 0.98


def test_requirement_scales_as_stated():
    draws = sample(np.random.default_rng(5), 200, np.array([1.0, 0.0]), 0.5, 1.0)
    square, dot, projection = draws
    base = needed_by_gradients(*draws, effect_size=1.0).needed[0]
    assert needed_by_gradients(*draws, effect_size=2.0).needed[0] == pytest.approx(
        base / 4
    )
    louder = needed_by_gradients(square, dot, 3 * projection, effect_size=1.0)
    assert louder.needed[0] == pytest.approx(9 * base)
    # The same factor on the loss multiplies signal and noise: nothing changes.
    both = needed_by_gradients(4 * square, 4 * dot, 2 * projection, effect_size=1.0)
    assert both.needed[0] == pytest.approx(base)
    sharper = needed_by_gradients(*draws, effect_size=1.0, significance=0.01, power=0.9)
    ratio = (2.3263478740408408 + 1.2815515655446004) ** 2 / (
        2 * 1.6448536269514722
    ) ** 2
    assert sharper.needed[0] == pytest.approx(ratio * base)


def noise(random):
    return sample(random, 100, np.zeros(5), 1.0, 1.0)


def test_pure_noise_is_not_resolved():
    random = np.random.default_rng(6)
    resolved = [
        needed_by_gradients(*noise(random), effect_size=1.0).resolved[0]
        for _ in range(200)
    ]
    assert np.mean(resolved) < 0.06
    r = needed_by_gradients(*noise(random), effect_size=0.0)
    assert r.needed[0] == r.upper[0] == np.inf


def test_strength_is_that_of_the_strongest_lag_or_none():
    random = np.random.default_rng(7)
    noise = random.normal(size=(6, 2, 400))
    noise[3] += np.array([[0.6], [0.8]])  # a dependency of strength 1
    assert strongest(noise)[0] == pytest.approx(1.0, abs=4 / 400**0.5)
    false = [strongest(random.normal(size=(6, 2, 100)))[0] > 0 for _ in range(300)]
    assert np.mean(false) < 0.05 + 3 * (0.05 * 0.95 / 300) ** 0.5


def test_the_smallest_effect_that_is_told_is_found_in_95_of_100():
    random, n, found = np.random.default_rng(9), 120, []
    one = dependence(random.normal(size=(4, 2, n)))
    c = np.median(one.smallest) / 2**0.5  # along each of two directions
    for _ in range(400):
        target = random.normal(size=(4, 2, n))
        target[1] += c
        found.append(dependence(target).found[1])
    assert abs(np.mean(found) - 0.95) < 4 * (0.05 * 0.95 / 400) ** 0.5 + 0.01


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"effect_size": -1.0}, "cannot be negative"),
        ({"effect_size": 1.0, "significance": 0.0}, "significance is 0"),
        ({"effect_size": 1.0, "significance": 0.5}, "significance is 0.5"),
        ({"effect_size": 1.0, "power": 0.3}, "power is 0.3"),
        ({"effect_size": 1.0, "level": 1.5}, "level is 1.5"),
    ],
)
def test_wrong_calls_are_named(change, message):
    draws = sample(np.random.default_rng(8), 20, np.ones(2), 1.0, 1.0)
    with pytest.raises(ValueError, match=message):
        needed_by_gradients(*draws, **change)
    with pytest.raises(ValueError, match="too few"):
        needed_by_gradients(*(d[..., :3] for d in draws), effect_size=1.0)


def test_the_only_sequence_that_varies_leaves_what_its_turn_adds():
    p, tilt = np.zeros((1, 30)), np.zeros((1, 30))
    p[0, 4], tilt[0, 4] = 1.0, 2.0
    _, without = projected_variance(p, tilt)
    assert np.isfinite(without).all()
    assert without[0, 4] == pytest.approx(2.0 / 28)
    tilt[0, 4] = -2.0
    assert projected_variance(p, tilt)[1][0, 4] == pytest.approx(0, abs=1e-12)


def test_a_small_tilt_is_added_to_the_deviations():
    p, tilt = np.random.default_rng(1).normal(size=(2, 30)), np.zeros((2, 30))
    _, plain = projected_variance(p)
    for change in (-1e-6, 1e-6):
        tilt[:, 4] = change
        _, without = projected_variance(p, tilt)
        assert (without - plain)[:, 4] == pytest.approx(change / 28, rel=1e-4)


@pytest.mark.parametrize("numerator", [1.0, 8.0])
@pytest.mark.parametrize("denominator", [1.0, 7.0, 60.0, 1000.0])
def test_the_smallest_effect_grows_as_the_test_gets_stricter(numerator, denominator):
    """To the strictest that settings allow: it went on for ever below 1e-16."""
    sizes = [0.04, 1e-4, 1e-9, 1e-15, 1e-16, 1e-20, 1e-100, 1e-300]
    found = [smallest_found(numerator, denominator, size) for size in sizes]
    assert all(a <= b for a, b in pairwise(found))
    limit = stats.f.isf(sizes[1], numerator, denominator)
    missed = stats.ncf.cdf(limit, numerator, denominator, found[1])
    assert missed == pytest.approx(0.05)

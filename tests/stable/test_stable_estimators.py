"""Estimators on exact stable samples, their invariances, and the published numbers."""

from pathlib import Path

import numpy as np
import pytest

from learnability.stable import (
    ecf_livi2025,
    information,
    koutrouvelis,
    law,
    maximum_likelihood,
    mcculloch,
    mcculloch_livi2025,
)

ESTIMATORS = [koutrouvelis, maximum_likelihood, mcculloch]
GOLDEN = Path(__file__).parents[1] / "golden_data" / "livi2025_estimators.npz"


@pytest.mark.parametrize("alpha", ["1.2", "1.5", "1.8", "2.0"])
def test_published_estimates(alpha):
    with np.load(GOLDEN) as golden:
        values = golden[f"sample/{alpha}"]
        for name, estimator in [
            ("mcculloch", mcculloch),
            ("mcculloch", mcculloch_livi2025),
            ("ecf", ecf_livi2025),
        ]:
            found = estimator(values)
            pair = [found.alpha, found.sigma]
            np.testing.assert_allclose(pair, golden[f"{name}/{alpha}"], atol=5e-5)


def test_published_bounds_of_alpha():
    heavy = law.sample(0.6, (2, 5000), seed=1)
    assert (mcculloch_livi2025(heavy).alpha == 1.0).all()
    assert (ecf_livi2025(heavy).alpha == 1.0).all()
    large = law.sample(1.5, 100_500, seed=1)
    np.testing.assert_allclose(ecf_livi2025(large).alpha, 1.5, atol=0.02)


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("alpha", [0.8, 1.1, 1.3, 1.6, 1.9])
def test_within_three_standard_errors(estimator, alpha):
    values = law.sample(alpha, (40, 2000), sigma=2.5, location=7.0, seed=5)
    for estimate, truth in zip(estimator(values), (alpha, 2.5, 7.0), strict=True):
        error = estimate.std(ddof=1)
        assert (np.abs(estimate - truth) < 3 * error).mean() > 0.95
        assert abs(estimate.mean() - truth) < 3 * error / np.sqrt(40) + 0.1 * error


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_shift_and_scale(estimator):
    values = law.sample(1.4, (3, 1000), seed=4)
    plain, moved = estimator(values), estimator(5.0 - 200.0 * values)
    np.testing.assert_allclose(moved.alpha, plain.alpha, atol=1e-4)
    np.testing.assert_allclose(moved.sigma, 200 * plain.sigma, rtol=1e-4)
    np.testing.assert_allclose(moved.location, 5 - 200 * plain.location, atol=0.05)


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("size", [1e-200, 1e200])
def test_no_unit_is_too_small_or_too_large(estimator, size):
    values = law.sample(1.4, 200, seed=4)
    plain, moved = estimator(values), estimator(size * values)
    np.testing.assert_allclose(moved.alpha, plain.alpha, atol=1e-3)
    np.testing.assert_allclose(moved.sigma / size, plain.sigma, rtol=1e-3)


def test_one_enormous_value_is_a_tail():
    values = np.append(np.random.default_rng(2).normal(size=500), 1e150)
    for estimator in (koutrouvelis, mcculloch):
        assert abs(estimator(values).sigma * np.sqrt(2) - 1) < 0.2


def test_likelihood_without_a_maximum():
    values = law.sample(0.6, 400, seed=3)
    values[:160] = 0.0
    with pytest.raises(ArithmeticError, match="no maximum that can be found"):
        maximum_likelihood(values)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_many_lags_at_once_equal_one_at_a_time(estimator):
    values = law.sample(np.array([[1.2], [1.9]]), (2, 300), seed=6)
    together = estimator(values)
    for lag in range(2):
        np.testing.assert_allclose(
            [part[lag] for part in together], estimator(values[lag]), rtol=1e-9
        )


@pytest.mark.parametrize(
    ("estimator", "least"), [(maximum_likelihood, 0.95), (koutrouvelis, 0.8)]
)
@pytest.mark.parametrize("alpha", [1.2, 1.6, 1.9])
def test_efficiency(estimator, least, alpha):
    count, repetitions = 2000, 400
    found = estimator(law.sample(alpha, (repetitions, count), seed=8))
    exact = information(alpha)
    matrix = np.array([[exact.alpha, exact.cross], [exact.cross, exact.sigma]])
    bounds = [*np.diag(np.linalg.inv(matrix)), 1 / exact.location]
    for estimate, bound, truth in zip(found, bounds, (alpha, 1.0, 0.0), strict=True):
        efficiency = bound / count / np.mean((estimate - truth) ** 2)
        assert efficiency * (1 + 3 * np.sqrt(2 / repetitions)) > least


def test_likelihood_is_at_a_maximum():
    values = law.sample(1.5, 2000, seed=9)
    best = [float(part) for part in maximum_likelihood(values)]

    def log_likelihood(alpha, sigma, location):
        z = (values - location) / sigma
        return np.log(law.density(z, alpha)).sum() - values.size * np.log(sigma)

    top = log_likelihood(*best)
    for parameter, step in [(0, 0.02), (1, 0.02), (2, 0.02)]:
        for sign in (-1, 1):
            moved = list(best)
            moved[parameter] += sign * step
            assert log_likelihood(*moved) < top


def test_gaussian_values_have_alpha_two():
    values = np.random.default_rng(1).normal(size=(20, 2000))
    alpha = maximum_likelihood(values).alpha
    assert np.median(alpha) == 2.0
    assert alpha.min() > 1.9


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (np.arange(49.0), "49 values are too few"),
        (np.full(60, 3.0), "all values are 3"),
        (np.append(np.arange(60.0), np.nan), "1 of 61 values are NaN"),
    ],
)
def test_bad_samples(estimator, values, sentence):
    with pytest.raises(ValueError, match=sentence):
        estimator(values)


def test_half_the_values_equal():
    values = np.concatenate([np.zeros(80), np.arange(20.0)])
    with pytest.raises(ValueError, match="half of the values are equal"):
        mcculloch(values)

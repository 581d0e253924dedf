"""Goodness of fit, aggregation and the verdict, on stable and on other laws."""

import numpy as np
import pytest

from learnability.stable import (
    aggregate,
    check_stability,
    goodness_of_fit,
    law,
)

STABLE, FINITE = "compatible with a stable law", "finite variance: kappa = 2"
REPETITIONS, COUNT = 12, 12_000


def impostors():
    rng = np.random.default_rng(5)
    size = (REPETITIONS, COUNT)
    normal = rng.normal(size=size)
    return {
        "Laplace": rng.laplace(size=size),
        "Student t5": rng.standard_t(5, size=size),
        "logistic": rng.logistic(size=size),
        "a tenth three times wider": normal * np.where(rng.random(size) < 0.1, 3, 1),
        "half twice wider": normal * np.where(rng.random(size) < 0.5, 2, 1),
        "a twentieth ten times wider": normal
        * np.where(rng.random(size) < 0.05, 10, 1),
    }


IMPOSTORS = impostors()


@pytest.mark.parametrize("name", IMPOSTORS)
def test_finite_variance_is_not_called_stable(name):
    found = check_stability(IMPOSTORS[name], resamples=99, seed=1)
    # 10 % of 12 repetitions is 1.2; at that rate more than 4 have probability 0.4 %.
    assert found.verdict.count(STABLE) <= 1


@pytest.mark.parametrize("alpha", [1.2, 1.5, 1.7])
def test_stable_laws_are_called_stable(alpha):
    values = law.sample(alpha, (REPETITIONS, COUNT), seed=2)
    found = check_stability(values, resamples=99, seed=1)
    assert found.verdict.count(STABLE) >= REPETITIONS - 3


def test_gaussian_has_finite_variance():
    values = np.random.default_rng(3).normal(size=(REPETITIONS, 4000))
    found = check_stability(values, resamples=99, seed=1)
    assert found.verdict.count(FINITE) >= REPETITIONS - 2


def test_few_sequences_leave_it_open():
    values = law.sample(1.5, (5, 120), seed=4)
    found = check_stability(values, resamples=99, seed=1)
    assert found.aggregation.block.tolist() == [1]
    assert STABLE not in found.verdict


def test_stable_alpha_survives_averaging():
    found = aggregate(law.sample(1.4, (20, COUNT), seed=6))
    deviation = (found.alpha - 1.4) / found.error
    assert np.abs(deviation.mean(1)).max() < 3 / np.sqrt(20) + 0.2
    assert deviation.std(1).max() < 1.6


def test_alpha_of_finite_variance_rises():
    values = np.random.default_rng(7).standard_t(3, size=(5, COUNT))
    assert (np.diff(aggregate(values).alpha.mean(1)) > 0).all()


@pytest.mark.parametrize("alpha", [1.3, 1.8])
def test_p_values_are_uniform_under_the_law(alpha):
    values = law.sample(alpha, (60, 1000), sigma=3.0, location=1.0, seed=8)
    found = goodness_of_fit(values, resamples=199, seed=9)
    for p in (found.anderson_darling_p, found.tail_p):
        for level in (0.1, 0.5):
            error = np.sqrt(level * (1 - level) / len(p))
            assert abs((p <= level).mean() - level) < 3.5 * error


def test_shift_and_scale_change_no_verdict():
    values = np.random.default_rng(10).standard_t(5, size=(3, 3000))
    one = check_stability(values, resamples=39, seed=1)
    other = check_stability(7 - 1e3 * values, resamples=39, seed=1)
    assert one.verdict == other.verdict
    np.testing.assert_allclose(one.rise, other.rise, rtol=1e-4)


def test_bad_requests():
    values = law.sample(1.5, (1, 100), seed=1)
    with pytest.raises(ValueError, match="5 resamples cannot reach"):
        goodness_of_fit(values, resamples=5, seed=1)
    with pytest.raises(ValueError, match="two: "):
        aggregate(values[0])

"""Likelihoods of three laws and tail indices from the largest values."""

import numpy as np
import pytest
from scipy.stats import t as student_law

from learnability.stable import compare_laws, hill, law, pickands
from learnability.stable.comparison import student_t


def test_each_law_is_recognised():
    rng = np.random.default_rng(1)
    values = np.stack(
        [
            rng.normal(size=8000),
            rng.standard_t(4, size=8000),
            law.sample(1.5, 8000, seed=2),
        ]
    )
    found = compare_laws(values)
    assert found.best == ("gaussian", "student", "stable")
    assert found.stable_over_student[1] < -2 < 2 < found.stable_over_student[2]
    for name in ("stable", "gaussian", "student"):
        assert (
            found.information_criterion(name)
            >= np.min([found.information_criterion(n) for n in found.best], axis=0)
        ).any()


def test_gaussian_is_nested_in_both():
    values = np.random.default_rng(3).normal(2.0, 5.0, size=(4, 2000))
    found = compare_laws(values)
    assert (found.stable >= found.gaussian - 1e-6).all()
    # The widest Student t is not quite Gaussian: 1e4 degrees of freedom.
    assert (found.student >= found.gaussian - 0.5).all()


def test_student_fit_against_scipy():
    values = np.random.default_rng(4).standard_t(5, size=3000) * 3 - 1
    (freedom, scale, location), densities = student_t(values)
    expected = student_law.logpdf(values, freedom, location, scale)
    np.testing.assert_allclose(densities, expected, rtol=1e-9)
    best = student_law.logpdf(values, *student_law.fit(values)).sum()
    assert densities.sum() > best - 1e-3


@pytest.mark.parametrize("index", [0.9, 1.5, 3.0])
def test_hill_on_pareto_tails(index):
    rng = np.random.default_rng(5)
    tails = (rng.pareto(index, (200, 4000)) + 1) * rng.choice([-1, 1], (200, 4000))
    # Zeros in the middle keep the median there.
    values = np.concatenate([tails, np.zeros((200, 4000))], axis=1)
    found = hill(values, largest=200)
    deviation = (found.index - index) / found.error
    assert abs(deviation.mean()) < 0.35
    assert 0.8 < deviation.std() < 1.2


@pytest.mark.parametrize("estimator", [hill, pickands])
def test_cauchy_tail(estimator):
    values = np.random.default_rng(6).standard_cauchy((100, 20_000))
    found = estimator(values, largest=400)
    deviation = (found.index - 1.0) / found.error
    assert abs(deviation.mean()) < 0.3
    assert 0.8 < deviation.std() < 1.25


def test_light_tail_has_no_pickands_index():
    uniform = np.random.default_rng(7).random(5000)
    assert pickands(uniform).index == np.inf


@pytest.mark.parametrize("largest", [3, 5000])
def test_number_of_largest_values(largest):
    with pytest.raises(ValueError, match="largest is"):
        hill(law.sample(1.5, 1000, seed=1), largest=largest)

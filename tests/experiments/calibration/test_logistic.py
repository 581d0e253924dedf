"""Logistic laws, areas and reliability against brute force."""

import numpy as np
import pytest
from scipy.special import expit

from experiments.calibration.logistic import (
    area_under_curve,
    fit_logistic,
    held_out,
    reliability,
)


def draw(n, seed=0):
    random = np.random.default_rng(seed)
    x = random.normal(size=(n, 2)) * [1.0, 100.0] + [3.0, -50.0]
    y = random.random(n) < expit(1.5 * (x[:, 0] - 3.0) + 0.02 * (x[:, 1] + 50.0))
    return x, y


def test_the_law_that_made_the_data_is_found():
    """The slopes within 4 of their standard errors, about 0.1 at 3,000 rows."""
    law = fit_logistic(*draw(3000))
    slope = law.slope / law.spread
    assert slope[0] == pytest.approx(1.5, abs=0.3)
    assert slope[1] == pytest.approx(0.02, abs=0.005)


def test_units_do_not_matter():
    x, y = draw(200)
    one = fit_logistic(x, y).probability(x)
    two = fit_logistic(1e3 * x + 7, y).probability(1e3 * x + 7)
    np.testing.assert_allclose(one, two, atol=1e-4)


def test_one_class_is_no_failure():
    x, _ = draw(30)
    assert fit_logistic(x, np.ones(30, bool)).probability(x).min() > 0.9


def test_area_counts_pairs():
    random = np.random.default_rng(1)
    score, y = random.integers(0, 5, 40).astype(float), random.random(40) < 0.4
    pairs = score[y][:, None] - score[~y][None]
    brute = ((pairs > 0) + 0.5 * (pairs == 0)).mean()
    assert area_under_curve(score, y) == pytest.approx(brute)
    assert np.isnan(area_under_curve(score, np.ones(40, bool)))


def test_a_group_never_sees_itself():
    """What is random within groups but told by the group cannot be predicted."""
    random = np.random.default_rng(2)
    group = np.repeat(np.arange(40), 5)
    y = np.repeat(random.random(40) < 0.5, 5)
    x = np.eye(40)[group]
    own = fit_logistic(x, y).score(x)
    assert area_under_curve(own, y) == 1.0
    assert area_under_curve(held_out(x, y, group), y) < 0.7


def test_reliability_of_true_probabilities_is_the_diagonal():
    random = np.random.default_rng(3)
    p = random.random(20_000)
    bins = reliability(p, random.random(20_000) < p)
    assert sum(b.count for b in bins) == 20_000
    for b in bins:
        error = (b.predicted * (1 - b.predicted) / b.count) ** 0.5
        assert abs(b.observed - b.predicted) < 4 * error + 1e-3

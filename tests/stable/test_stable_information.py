"""Scores and Fisher information against closed forms and differences."""

import numpy as np
import pytest

from learnability.stable import information, law
from learnability.stable.likelihood import evaluate

PRINTED = {1.1: 0.4631, 1.3: 0.4310, 1.5: 0.4281, 1.7: 0.4424, 1.9: 0.4727, 2.0: 0.5}


@pytest.mark.parametrize("alpha", PRINTED)
def test_location_information_as_printed(alpha):
    assert abs(information(alpha).location - PRINTED[alpha]) < 1e-4


def test_cauchy_information():
    cauchy = information(1.0)
    np.testing.assert_allclose([cauchy.sigma, cauchy.location], 0.5, rtol=1e-10)


@pytest.mark.parametrize("alpha", [0.7, 1.0, 1.5, 1.95])
def test_scores_are_slopes_of_the_log_density(alpha):
    x = np.array([-30.0, -5.0, -0.3, 0.2, 1.0, 8.0, 19.0, 25.0])
    h = 1e-5

    def slope(upper, lower):
        return (np.log(upper) - np.log(lower)) / (2 * h)

    by_alpha, by_sigma, by_location = evaluate(x, alpha, 1.0, 0.0).scores
    shifted = slope(law.density(x - h, alpha), law.density(x + h, alpha))
    np.testing.assert_allclose(by_location, shifted, atol=1e-7)
    tilted = slope(law.density(x, alpha + h), law.density(x, alpha - h))
    np.testing.assert_allclose(by_alpha, tilted, atol=1e-5)
    wide, narrow = np.exp(h), np.exp(-h)
    scaled = slope(
        law.density(x / wide, alpha) / wide, law.density(x / narrow, alpha) / narrow
    )
    np.testing.assert_allclose(by_sigma, scaled, atol=1e-7)


@pytest.mark.parametrize("alpha", [1.2, 1.6, 1.9])
def test_information_is_the_variance_of_the_score(alpha):
    scores = evaluate(law.sample(alpha, 100_000, seed=2), alpha, 1.0, 0.0).scores
    error = scores.std(1) / np.sqrt(scores.shape[1])
    assert (np.abs(scores.mean(1)) < 4 * error).all()
    exact = information(alpha)
    for i, j, value in [
        (0, 0, exact.alpha),
        (0, 1, exact.cross),
        (1, 1, exact.sigma),
        (2, 2, exact.location),
        (1, 2, 0.0),
    ]:
        product = scores[i] * scores[j]
        assert abs(product.mean() - value) < 4 * product.std() / np.sqrt(product.size)

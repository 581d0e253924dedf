"""Standard errors from theory against simulation."""

import numpy as np
import pytest

from learnability.stable import information, koutrouvelis, law, standard_errors


@pytest.mark.parametrize("alpha", [1.2, 1.7])
def test_standard_errors_by_simulation(alpha):
    repetitions, count = 300, 2000
    values = law.sample(alpha, (repetitions, count), sigma=3.0, seed=1)
    expected = standard_errors(alpha, 3.0, count)
    for estimate, error in zip(koutrouvelis(values), expected, strict=True):
        # A standard deviation from 300 repetitions is known to 4 %.
        assert abs(estimate.std() / error - 1) < 4 / np.sqrt(2 * repetitions)


def test_no_error_is_smaller_than_the_information_allows():
    alphas = np.array([1.1, 1.5, 1.9])
    exact = information(alphas)
    determinant = exact.alpha * exact.sigma - np.square(exact.cross)
    least = [exact.sigma / determinant, exact.alpha / determinant, 1 / exact.location]
    for bound, error in zip(least, standard_errors(alphas, 1.0, 100), strict=True):
        assert (np.sqrt(bound / 100) < error).all()


def test_errors_fall_with_the_root_of_the_sequences():
    few, many = (standard_errors(1.5, 2.0, n) for n in (100, 10_000))
    np.testing.assert_allclose(np.divide(few, many), 10.0)

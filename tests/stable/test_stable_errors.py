"""Standard errors from theory against simulation."""

import numpy as np
import pytest

from learnability.stable import (
    koutrouvelis,
    law,
    maximum_likelihood,
    mcculloch,
    standard_errors,
)

ESTIMATORS = {
    "koutrouvelis": koutrouvelis,
    "mcculloch": mcculloch,
    "likelihood": maximum_likelihood,
}


@pytest.mark.parametrize("method", ESTIMATORS)
@pytest.mark.parametrize("alpha", [1.2, 1.7])
def test_standard_errors_by_simulation(method, alpha):
    repetitions, count = 300, 2000
    values = law.sample(alpha, (repetitions, count), sigma=3.0, seed=1)
    expected = standard_errors(alpha, 3.0, count, method=method)
    for estimate, error in zip(ESTIMATORS[method](values), expected, strict=True):
        # A standard deviation from 300 repetitions is known to 4 %.
        assert abs(estimate.std() / error - 1) < 4 / np.sqrt(2 * repetitions)


def test_likelihood_is_the_most_precise():
    alphas = np.array([1.1, 1.5, 1.9])
    best = standard_errors(alphas, 1.0, 100, method="likelihood")
    for method in ("koutrouvelis", "mcculloch"):
        other = standard_errors(alphas, 1.0, 100, method=method)
        for one, two in zip(best, other, strict=True):
            assert (one < two).all()


def test_errors_fall_with_the_root_of_the_sequences():
    few, many = (standard_errors(1.5, 2.0, n) for n in (100, 10_000))
    np.testing.assert_allclose(np.divide(few, many), 10.0)


def test_unknown_method():
    with pytest.raises(ValueError, match="method is 'guess'"):
        standard_errors(1.5, 1.0, 100, method="guess")  # pyright: ignore

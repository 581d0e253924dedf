"""Samples needed: closed forms, simulation, scaling."""

import numpy as np
import pytest
from scipy.stats import norm

from learnability.detection import samples_needed
from learnability.detection.samples import quantile_sum
from learnability.stable import kappa, law, tail_constant


@pytest.mark.slow
@pytest.mark.parametrize("alpha", [1.3, 1.6, 1.9])
def test_means_of_so_many_values_err_so_often(alpha):
    expected = 0.1
    needed = int(samples_needed(0.3, 1.0, alpha, significance=expected))
    means = law.sample(alpha, (5_000, needed), location=0.3, seed=1).mean(1)
    error = np.sqrt(expected * (1 - expected) / means.size)
    # Rounding N down to a whole number costs up to one sample's worth of error.
    assert abs((means < 0).mean() - expected) < 3.5 * error + expected / needed


@pytest.mark.parametrize("alpha", [1.1, 1.5, 2.0])
def test_samples_needed_give_their_error(alpha):
    needed = samples_needed(0.2, 1.3, alpha, significance=0.03)
    found = law.survival(0.2 / 1.3 * needed ** (1 / kappa(alpha)), alpha)
    assert abs(found / 0.03 - 1) < 1e-5


@pytest.mark.parametrize(
    ("alpha", "ratio"), [(1.2, 6952), (1.5, 28.43), (1.8, 7.894), (2.0, 5.411)]
)
def test_information_number_as_printed(alpha, ratio):
    np.testing.assert_allclose(samples_needed(1.0, 1.0, alpha), ratio, rtol=2e-4)


def test_gaussian_formula():
    z = norm.isf(0.05) + norm.isf(0.1)
    expected = 2 * (1.5 / 0.2) ** 2 * z**2
    found = samples_needed(0.2, 1.5, 2.0, significance=0.05, power=0.9)
    np.testing.assert_allclose(found, expected, rtol=1e-9)


@pytest.mark.parametrize("significance", [1e-15, 1e-40, 1e-300])
def test_smallest_errors_keep_their_digits(significance):
    # Far out P(xi > q) = c q^-alpha; the next term is smaller by q^-alpha.
    for alpha in (1.05, 1.5, 1.9):
        q = quantile_sum(np.array(alpha), significance, None)
        tail = tail_constant(alpha) * q**-alpha
        assert tail / significance == pytest.approx(1, rel=1e-10)
    z = norm.isf(significance) + norm.isf(0.1)
    both = samples_needed(0.2, 1.5, 2.0, significance=significance, power=0.9)
    assert both == pytest.approx(2 * (1.5 / 0.2) ** 2 * z**2, rel=1e-9)


def test_what_no_number_can_count_is_infinite():
    assert samples_needed(0.1, 1.0, 1.05, significance=1e-300) == np.inf


@pytest.mark.parametrize(("name", "exponent"), [("v1", 1.4), ("v4", 1.4 / 0.4)])
def test_exponents_by_name(name, exponent):
    needed = samples_needed(np.array([0.1, 0.01]), 1.0, 1.4, law=name)
    assert abs(np.log10(needed[1] / needed[0]) - exponent) < 1e-12


def test_laws_agree_at_two_only():
    for alpha, same in [(2.0, True), (1.9, False)]:
        one, four = (samples_needed(0.1, 1.0, alpha, law=name) for name in ("v1", "v4"))
        assert (one == four) is np.bool_(same)


def test_no_signal_needs_infinitely_many():
    assert samples_needed(0.0, 1.0, 1.5) == np.inf
    assert samples_needed(-0.3, 1.0, 1.5) == samples_needed(0.3, 1.0, 1.5)


@pytest.mark.parametrize(
    ("arguments", "options", "sentence"),
    [
        ((np.nan, 1.0, 1.5), {}, "1 of 1 values of signal are NaN"),
        ((0.1, 1.0, 1.0), {}, "alpha must lie in"),
        ((0.1, 1.0, 2.5), {}, "alpha must lie in"),
        ((0.1, 0.0, 1.5), {}, "scale must be positive"),
        ((0.1, 1.0, 1.5), {"significance": 0.7}, "worse than a coin"),
        ((0.1, 1.0, 1.5), {"power": 0.3}, "power is 0.3, worse than a coin"),
        ((0.1, 1.0, 1.5), {"law": "v2"}, "law is 'v2'"),
    ],
)
def test_bad_requests(arguments, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        samples_needed(*arguments, **options)

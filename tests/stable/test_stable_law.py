"""The law against closed forms, an independent oracle, and its own sums."""

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import kstest, levy_stable

from learnability.stable import law

PRINTED = {
    1.1: (2.7293, 5.1646, 9.6509, 22.0714),
    1.2: (2.4796, 4.3687, 7.6445, 16.1601),
    1.3: (2.2971, 3.7947, 6.2507, 12.3126),
    1.5: (2.0615, 3.0519, 4.4814, 7.7364),
    1.7: (1.9265, 2.6373, 3.4731, 5.1519),
    1.8: (1.8803, 2.5049, 3.1584, 4.2768),
    1.9: (1.8430, 2.4043, 2.9338, 3.6691),
    2.0: (1.8124, 2.3262, 2.7718, 3.2900),
}
ALPHAS = np.array([0.5, 0.7, 1.0, 1.05, 1.2, 1.5, 1.8, 1.99, 2 - 1e-7, 2.0])


@pytest.mark.parametrize("alpha", PRINTED)
def test_quantiles_to_the_printed_digits(alpha):
    p = [0.90, 0.95, 0.975, 0.99]
    np.testing.assert_allclose(law.quantile(p, alpha), PRINTED[alpha], atol=5e-5)


def test_cauchy_and_gauss_in_closed_form():
    x = np.linspace(-50, 50, 1001)
    cauchy = 1 / (np.pi * (1 + x * x))
    gauss = np.exp(-x * x / 4) / np.sqrt(4 * np.pi)
    np.testing.assert_allclose(law.density(x, 1.0), cauchy, rtol=1e-9)
    np.testing.assert_allclose(law.density(x, 2.0), gauss, rtol=1e-12)
    upper = np.arctan2(1.0, x) / np.pi
    np.testing.assert_allclose(law.survival(x, 1.0), upper, rtol=1e-9)


# At alpha 1.2 and near 2 the oracle itself is off by 1e-4: Fourier integral there.
@pytest.mark.parametrize("alpha", [0.6, 1.0, 1.05, 1.5, 1.8, 1.97, 2.0])
def test_against_scipy(alpha):
    x = np.concatenate([np.linspace(-30, 30, 25), [-0.01, 0.01, 0.3]])
    expected = levy_stable.pdf(x, alpha, 0.0)
    np.testing.assert_allclose(law.density(x, alpha), expected, atol=1e-8, rtol=0)
    expected = levy_stable.cdf(x, alpha, 0.0)
    np.testing.assert_allclose(law.distribution(x, alpha), expected, atol=1e-8, rtol=0)


@pytest.mark.parametrize("alpha", [1.2, 1.4, 1.999, 2 - 1e-7])
@pytest.mark.parametrize("x", [0.2, 3.3, 8.0, 19.9, 20.1])
def test_against_the_fourier_integral(alpha, x):
    expected = quad(
        lambda u: np.exp(-(u**alpha)) / np.pi, 0, 60, weight="cos", wvar=x, limit=500
    )[0]
    assert abs(law.density(x, alpha) - expected) < 1e-8


def calls(work) -> int:
    """Count the calls of functions that work makes."""
    found = [0]

    def count(frame, event, argument):
        found[0] += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(None)
    return found[0]


def test_many_values_take_no_more_calls_than_few():
    """An integral a value, as in SciPy, takes hundreds of calls each."""
    x = law.sample(1.5, 100_000, seed=1)
    law.density(x, 1.5)  # fills the table
    few, many = (calls(lambda n=n: law.density(x[:n], 1.5)) for n in (1, 100_000))
    assert many < 2 * few
    assert many < calls(lambda: levy_stable.pdf(x[:10], 1.5, 0.0)) / 10


@pytest.mark.parametrize("alpha", ALPHAS)
def test_density_is_the_slope_of_the_distribution(alpha):
    x = np.array([0.01, 0.4, 3.0, 12.0, 19.0, 25.0, 300.0])
    h = 1e-5 * x
    slope = (law.survival(x - h, alpha) - law.survival(x + h, alpha)) / (2 * h)
    # A difference of tails of size S has an error of rounding S / h.
    error = 1e-12 * np.asarray(law.survival(x, alpha)) / h
    assert (np.abs(slope - law.density(x, alpha)) <= 1e-5 * slope + error).all()


@pytest.mark.parametrize("alpha", ALPHAS)
def test_table_and_series_meet(alpha):
    edge = np.array([20.0 * (1 - 1e-12), 20.0 * (1 + 1e-12)])
    for function in (law.density, law.survival):
        below, above = function(edge, alpha)
        # Next to the Gaussian the tail is 1e-7 of the table's scale.
        assert abs(below / above - 1) < (1e-8 if 2 - alpha > 1e-6 else 1e-5)


def test_own_alphas_give_what_one_alpha_gives():
    alphas = np.linspace(0.5, 2.0, 301)
    x = np.array([[0.0], [0.7], [9.0], [40.0]])
    for function in (law.density, law.survival):
        together = function(x, alphas)
        single = [function(x[:, 0], alpha) for alpha in alphas]
        np.testing.assert_allclose(together, np.transpose(single), rtol=1e-9)


@given(st.floats(1e-6, 1 - 1e-6), st.floats(0.5, 2.0))
def test_quantile_inverts_the_distribution(p, alpha):
    assert abs(law.distribution(law.quantile(p, alpha), alpha) / p - 1) < 1e-7


def test_tail_follows_its_power():
    alpha = np.array([0.8, 1.3, 1.9])
    limit = law.survival(1e8, alpha) * 1e8**alpha
    np.testing.assert_allclose(limit, law.tail_constant(alpha), rtol=1e-5)


@pytest.mark.parametrize("alpha", [0.6, 1.0, 1.4, 2.0])
def test_samples_follow_the_distribution(alpha):
    values = law.sample(alpha, 20_000, sigma=3.0, location=-2.0, seed=7)
    test = kstest((values + 2.0) / 3.0, lambda x: law.distribution(x, alpha))
    assert test.pvalue > 0.01


def test_sample_broadcasts_and_repeats():
    alpha, sigma = np.array([[1.2], [1.8]]), np.array([[1.0], [10.0]])
    first = law.sample(alpha, (2, 500), sigma=sigma, seed=3)
    np.testing.assert_array_equal(
        first, law.sample(alpha, (2, 500), sigma=sigma, seed=3)
    )
    assert first.shape == (2, 500)
    assert np.median(np.abs(first[1])) > 5 * np.median(np.abs(first[0]))


@pytest.mark.parametrize("alpha", [0.4, 2.1, np.nan])
def test_alpha_outside_its_range(alpha):
    with pytest.raises(ValueError, match="alpha must lie in"):
        law.density(0.0, alpha)


def test_kappa_needs_a_mean():
    assert law.kappa(1.5) == 3.0
    with pytest.raises(ValueError, match=r"\(1, 2\]"):
        law.kappa(1.0)


@pytest.mark.parametrize("p", [0.0, 1.0, -0.1])
def test_probability_outside_its_range(p):
    with pytest.raises(ValueError, match="p must lie between 0 and 1"):
        law.quantile(p, 1.5)

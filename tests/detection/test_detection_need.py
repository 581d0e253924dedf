"""Samples needed from values: by the rule of the verdict, and by subsampling."""

import numpy as np
import pytest

from learnability.detection import need, samples_needed, subsampled_need, window
from learnability.stable import check_stability, law

STABLE, FINITE = "compatible with a stable law", "finite variance: kappa = 2"
UNDECIDED = "undecided"


@pytest.mark.parametrize(
    ("alpha", "verdict"), [(1.5, STABLE), (1.8, STABLE), (2.0, FINITE)]
)
def test_intervals_hold_the_samples_needed(alpha, verdict):
    lags = 60
    values = law.sample(alpha, (lags, 3000), location=0.4, seed=1)
    found = need(values, [verdict] * lags, seed=2)
    truth = samples_needed(0.4, 1.0, alpha)
    inside = (found.lower <= truth) & (truth <= found.upper)
    assert inside.mean() > 0.95 - 3 * np.sqrt(0.95 * 0.05 / lags)


def test_lag_without_signal_is_not_resolved():
    lags = 40
    values = np.random.default_rng(3).normal(size=(lags, 1000))
    found = need(values, [FINITE] * lags, seed=4)
    # The interval of the location misses 0 in 5 % of the lags.
    assert np.isinf(found.upper).sum() >= lags - 6
    assert window(range(1, lags + 1), found.needed, [10], upper=found.upper).lower == 0


def test_verdict_decides_the_rule():
    values = np.repeat(law.sample(1.5, (1, 2000), location=0.5, seed=5), 3, axis=0)
    found = need(values, [STABLE, FINITE, UNDECIDED], seed=6)
    assert found.rule == (
        "stable mean",
        "Gaussian mean",
        "the larger of stable and Gaussian",
    )
    assert found.needed[2] == max(found.needed[:2])
    assert found.alpha[1] == 2.0
    mean, deviation = values[1].mean(), values[1].std()
    gaussian = (1.6448536 * deviation / mean) ** 2
    np.testing.assert_allclose(found.needed[1], gaussian, rtol=1e-6)


def test_published_exponent_by_name():
    values = law.sample(1.5, (1, 2000), location=0.3, seed=7)
    one, four = (need(values, [STABLE], law=name, seed=8) for name in ("v1", "v4"))
    assert (one.law, four.law) == ("v1", "v4")
    alpha = four.alpha[0]
    power = (alpha - 1) * np.log(four.needed[0])
    np.testing.assert_allclose(np.log(one.needed[0]), power, rtol=1e-9)


def test_no_mean_below_one():
    values = law.sample(0.7, (1, 2000), location=5.0, seed=9)
    assert need(values, [STABLE], seed=1).needed[0] == np.inf


def test_from_values_to_windows():
    rng = np.random.default_rng(10)
    lags = np.array([1, 2, 4, 8, 16])
    values = rng.normal(np.exp(-lags / 3.0)[:, None], 1.0, size=(5, 4000))
    verdicts = check_stability(values, resamples=39, seed=1).verdict
    found = need(values, verdicts, seed=2)
    reached = window(lags, found.needed, [10, 100], found.lower, found.upper)
    truth = window(lags, (1.645 / np.exp(-lags / 3.0)) ** 2, [10, 100])
    np.testing.assert_array_equal(reached.contiguous, truth.contiguous)


@pytest.mark.parametrize(("alpha", "signal"), [(1.5, 1.0), (1.8, 0.3), (2.0, 0.3)])
def test_subsampling_agrees_with_the_law(alpha, signal):
    lags = 40
    values = law.sample(alpha, (lags, 8000), location=signal, seed=11)
    found = subsampled_need(values, permutations=10, resamples=60, seed=12)
    truth = samples_needed(signal, 1.0, alpha)
    inside = (found.lower <= truth) & (truth <= found.upper)
    assert inside.mean() > 0.95 - 3 * np.sqrt(0.95 * 0.05 / lags)
    assert abs(np.median(found.needed) / truth - 1) < 0.15
    assert (np.diff(found.error, axis=0) <= 0).all()


def test_subsampling_never_extrapolates():
    values = np.random.default_rng(13).normal(0.02, 1.0, size=(10, 800))
    found = subsampled_need(values, permutations=5, resamples=20, seed=1)
    assert np.isinf(found.upper).all()
    finite = np.isfinite(found.needed)
    assert (found.needed[finite] <= found.sizes[-1]).all()


def test_subsampling_ignores_sign_and_scale():
    values = law.sample(1.7, (3, 1000), location=0.5, seed=14)
    one = subsampled_need(values, permutations=5, resamples=20, seed=1)
    other = subsampled_need(-1e6 * values, permutations=5, resamples=20, seed=1)
    np.testing.assert_array_equal(one.error, other.error)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda v: need(v, [STABLE] * 2, seed=1), "2 verdicts"),
        (lambda v: need(v, ["stable"], seed=1), "verdict is 'stable'"),
        (lambda v: need(v, [STABLE], resamples=2, seed=1), "2 resamples"),
        (lambda v: need(v, [STABLE], error=0.9, seed=1), "worse than a coin"),
        (lambda v: subsampled_need(v[0], seed=1), "need two"),
        (lambda v: subsampled_need(v, permutations=0, seed=1), "0 permutations"),
    ],
)
def test_bad_requests(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call(law.sample(1.5, (1, 200), seed=1))

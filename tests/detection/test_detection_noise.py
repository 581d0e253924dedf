"""Noise common to all lags or carried along: formulas against simulation."""

import numpy as np
import pytest

from learnability.detection import error_probability, noise, samples_needed
from learnability.stable import kappa, law

ALPHAS = [1.3, 1.7, 2.0]


@pytest.mark.parametrize("alpha", ALPHAS)
def test_effective_units_lie_between_one_and_all(alpha):
    rates = np.random.default_rng(1).lognormal(0, 2, size=(50, 32))
    found = noise.effective_units(rates, alpha)
    assert ((found > 1) & (found < 32)).all()
    np.testing.assert_allclose(found, noise.effective_units(-1e-250 * rates, alpha))
    alone = np.eye(32)[0]
    np.testing.assert_allclose(noise.effective_units(alone, alpha), 1.0)


def test_participation_of_the_gaussian():
    rates = np.random.default_rng(2).random(10)
    expected = rates.sum() ** 2 / (rates**2).sum()
    np.testing.assert_allclose(noise.effective_units(rates, 2.0), expected)


@pytest.mark.parametrize("alpha", [1.5, 1.8])
def test_carried_noise_by_simulation(alpha):
    rates = np.exp(-100 / np.random.default_rng(3).lognormal(3.7, 0.7, 16))
    needed = int(noise.samples_needed_carried(rates, 0.2, 1.0, alpha, error=0.2))
    repetitions = 3000
    xi = law.sample(alpha, (repetitions, needed, 16), seed=4)
    means = ((0.2 + xi) @ rates).mean(1)
    expected = 0.2
    error = np.sqrt(expected * (1 - expected) / repetitions)
    # Rounding N down to a whole number costs up to one sample's worth of error.
    assert abs((means < 0).mean() - expected) < 4 * error + 0.2 / needed


def test_broader_spectra_need_more_under_carried_noise():
    narrow = np.exp(-100 / np.full(64, 50.0))
    broad = np.exp(-100 / np.geomspace(10, 250, 64))
    needs = [noise.samples_needed_carried(r, 0.1, 1.0, 1.5) for r in (narrow, broad)]
    assert needs[0] < needs[1]


def test_mixed_scale_has_both_limits():
    f = np.array([0.0, 1e6])
    found = noise.mixed_scale(f, 2.0, 3.0, 1.5)
    np.testing.assert_allclose(found, [2.0, 3e6], rtol=1e-6)


@pytest.mark.parametrize("alpha", [1.6, 2.0])
def test_null_floor_by_simulation(alpha):
    means = np.abs(law.sample(alpha, (40_000, 50), seed=5).mean(1))
    clipped = np.minimum(means, np.quantile(means, 0.9999))
    expected = noise.null_floor(50, 1.0, alpha)
    assert abs(clipped.mean() / expected - 1) < 0.02


@pytest.mark.parametrize("alpha", ALPHAS)
def test_threshold_is_no_confidence(alpha):
    assert 0.468 < noise.threshold_error(0.1, alpha) < 0.473
    needed = (1 / 0.3) ** kappa(alpha)
    same = error_probability(needed, 0.3, 1.0, alpha)
    assert abs(noise.threshold_error(1.0, alpha) / same - 1) < 1e-5


def test_leaky_unit_is_the_common_floor():
    lags, s, alpha = np.array([0.0, 5.0, 20.0]), 0.1, 1.7
    need = noise.leaky_unit_need(lags, s, 2.0, 0.5, alpha)
    slope = np.diff(np.log(need)) / np.diff(lags)
    np.testing.assert_allclose(slope, -kappa(alpha) * np.log(1 - s))
    rng = np.random.default_rng(6)
    h = rng.normal(size=1_000_000) * np.sqrt(s / (2 - s))
    floor = 0.5 * np.mean(np.abs(h) ** alpha) ** (1 / alpha)
    expected = samples_needed(2.0 * s, floor, alpha)
    assert abs(need[0] / expected - 1) < 0.01


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: noise.effective_units([0.0, 0.0], 1.5), "all zero"),
        (lambda: noise.mixed_scale(1.0, 0.0, 1.0, 1.5), "common must be positive"),
        (lambda: noise.threshold_error(0.0, 1.5), "threshold must be positive"),
        (lambda: noise.leaky_unit_need(1.0, 1.0, 1.0, 1.0, 1.5), "gate must lie"),
    ],
)
def test_bad_requests(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call()

"""The closed forms of the experiments: against simulation and their own limits."""

import numpy as np
import pytest

from experiments.claims import formulas
from learnability.detection import samples_needed
from learnability.stable import information, kappa, law

ALPHAS = [1.3, 1.7, 2.0]


@pytest.mark.parametrize(
    ("shift", "printed"), [(0.01, 0.2210), (1.0, 0.2072), (10.0, 0.0378)]
)
def test_divergence_as_printed(shift, printed):
    assert abs(formulas.divergence(shift, 1.2) / shift**2 - printed) < 5e-5


@pytest.mark.parametrize("alpha", [1.2, 1.6, 1.9])
def test_divergence_by_simulation(alpha):
    values = law.sample(alpha, 200_000, seed=1)
    for shift in (0.5, 4.0):
        ratio = np.log(law.density(values, alpha) / law.density(values - shift, alpha))
        error = ratio.std() / np.sqrt(ratio.size)
        assert abs(formulas.divergence(shift, alpha) - ratio.mean()) < 4 * error


@pytest.mark.parametrize("alpha", [1.1, 1.5, 1.9, 2.0])
def test_divergence_laws(alpha):
    shift = np.array([1e-3, 0.1, 1.0, 10.0, 1e3])
    found = np.asarray(formulas.divergence(shift, alpha))
    limit = np.asarray(information(alpha).location) / 2 * shift**2
    assert (found <= limit * (1 + 1e-9)).all()
    assert abs(found[0] / limit[0] - 1) < 1e-5
    np.testing.assert_allclose(found, formulas.divergence(-shift, alpha))
    if alpha < 2:
        rise = formulas.divergence(1e8, alpha) - formulas.divergence(1e6, alpha)
        assert abs(rise / ((1 + alpha) * np.log(100)) - 1) < 1e-3
    # Pinsker: TV^2 <= D/2; a symmetric density and its shift cross once, half way.
    total_variation = 1 - 2 * np.asarray(law.survival(shift / 2, alpha))
    assert (total_variation**2 <= found / 2 + 1e-12).all()


@pytest.mark.parametrize("alpha", ALPHAS)
def test_effective_units_lie_between_one_and_all(alpha):
    rates = np.random.default_rng(1).lognormal(0, 2, size=(50, 32))
    found = formulas.effective_units(rates, alpha)
    assert ((found > 1) & (found < 32)).all()
    np.testing.assert_allclose(found, formulas.effective_units(-1e-250 * rates, alpha))
    alone = np.eye(32)[0]
    np.testing.assert_allclose(formulas.effective_units(alone, alpha), 1.0)


def test_participation_of_the_gaussian():
    rates = np.random.default_rng(2).random(10)
    expected = rates.sum() ** 2 / (rates**2).sum()
    np.testing.assert_allclose(formulas.effective_units(rates, 2.0), expected)


@pytest.mark.parametrize("alpha", [1.5, 1.8])
def test_carried_noise_by_simulation(alpha):
    rates = np.exp(-100 / np.random.default_rng(3).lognormal(3.7, 0.7, 16))
    needed = int(
        formulas.samples_needed_carried(rates, 0.2, 1.0, alpha, significance=0.2)
    )
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
    needs = [formulas.samples_needed_carried(r, 0.1, 1.0, 1.5) for r in (narrow, broad)]
    assert needs[0] < needs[1]


@pytest.mark.parametrize("alpha", ALPHAS)
def test_threshold_is_no_confidence(alpha):
    assert 0.468 < formulas.threshold_error(0.1, alpha) < 0.473
    # Where the ratio is 1, the error is that for which so many samples are needed.
    error = formulas.threshold_error(1.0, alpha)
    needed = samples_needed(0.3, 1.0, alpha, significance=error)
    assert abs(needed / (1 / 0.3) ** kappa(alpha) - 1) < 1e-9


def test_leaky_unit_is_the_common_floor():
    lags, s, alpha = np.array([0.0, 5.0, 20.0]), 0.1, 1.7
    need = formulas.leaky_unit_need(lags, s, 2.0, 0.5, alpha)
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
        (lambda: formulas.effective_units([0.0, 0.0], 1.5), "all zero"),
        (lambda: formulas.threshold_error(0.0, 1.5), "threshold must be positive"),
        (lambda: formulas.leaky_unit_need(1.0, 1.0, 1.0, 1.0, 1.5), "gate must lie"),
        (lambda: formulas.divergence(1.0, 1.0), "alpha must lie"),
    ],
)
def test_bad_requests(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call()

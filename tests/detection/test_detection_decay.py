"""Envelope families: printed windows, round trips, slopes, growth, limits."""

import numpy as np
import pytest

from learnability.detection import decay, samples_needed
from learnability.stable import kappa

FAMILIES = [
    decay.PowerLaw(0.8, 2.0),
    decay.Exponential(50.0, 2.0),
    decay.Logarithmic(1.5),
    decay.Stretched(0.5, 20.0),
    decay.TruncatedPower(0.8, 100.0, 2.0),
    decay.Plateau(40.0, 5.0),
    decay.GammaRates(1.5, 10.0),
    decay.LogUniform(2.0, 500.0),
    decay.TwoExponentials(0.1, 10.0, 200.0),
    decay.BetaGates(2.0, 0.7),
    decay.GammaShapes(1.3),
    decay.UniformTimeScales(300.0),
]


def name(family):
    return type(family).__name__


@pytest.mark.parametrize(
    ("alpha", "samples", "printed"),
    [
        (1.5, 1e5, ("0.0657521", "29.034", "136.093", "4.02746e+06", "148.171")),
        (1.8, 1e5, ("0.0150164", "189.236", "209.931", "8.34454e+28", "352.567")),
        (2.0, 1e3, ("0.0735601", "25.1034", "130.483", "801569", "136.206")),
        (1.2, 1e7, ("0.297634", "3.54879", "60.5945", "27.7842", "29.3735")),
        (2.0, 1e7, ("0.000735601", "8253.62", "360.741", "inf", "1041.07")),
    ],
)
def test_golden_windows(alpha, samples, printed):
    families = [
        decay.PowerLaw(beta=0.8),
        decay.Exponential(tau=50.0),
        decay.Logarithmic(),
        decay.Stretched(g=0.5, tau=20.0),
    ]
    found = [decay.noise_level(samples, alpha)]
    found += [family.window(samples, alpha) for family in families]
    assert tuple(f"{value:.6g}" for value in found) == printed


@pytest.mark.parametrize("family", FAMILIES, ids=name)
def test_inverse_inverts(family):
    level = np.geomspace(1e-8, 0.45, 9)
    lags = np.asarray(family.inverse(level))
    some = np.isfinite(lags)
    np.testing.assert_allclose(family.value(lags[some]), level[some], rtol=1e-9)
    assert (np.diff(lags[some]) < 0).all()
    assert family.inverse(1e9) < 1e-8


@pytest.mark.parametrize("family", FAMILIES, ids=name)
def test_log_slope_is_the_slope(family):
    lags = np.array([0.5, 3.0, 40.0, 700.0])
    h = 1e-5 * lags
    slope = (family.value(lags + h) - family.value(lags - h)) / (2 * h)
    found = family.value(lags) * family.log_slope(lags)
    np.testing.assert_allclose(found, slope, rtol=1e-5)


@pytest.mark.parametrize("family", FAMILIES, ids=name)
@pytest.mark.parametrize("alpha", [1.4, 2.0])
def test_window_needs_its_samples(family, alpha):
    length = family.window(1e4, alpha, signal=0.7, scale=0.2)
    needed = samples_needed(0.7 * family.value(length), 0.2, alpha)
    np.testing.assert_allclose(needed, 1e4, rtol=1e-6)


def growth(family, samples, alpha):
    """The slope d log H / d log N = -1/(kappa H f'(H)/f(H)) of the window."""
    length = family.window(samples, alpha)
    return -1 / (kappa(alpha) * length * family.log_slope(length))


@pytest.mark.parametrize("family", FAMILIES, ids=name)
def test_growth_is_the_slope_of_the_window(family):
    ratio = np.exp(1e-4)
    low, high = (family.window(1e4 * r, 1.8) for r in (1 / ratio, ratio))
    slope = np.log(high / low) / 2e-4
    np.testing.assert_allclose(growth(family, 1e4, 1.8), slope, rtol=1e-5)


def test_growth_laws():
    k = kappa(1.5)
    power, exponential = decay.PowerLaw(0.8), decay.Exponential(50.0)
    assert abs(growth(power, 1e15, 1.5) * k * 0.8 - 1) < 1e-5
    rise = exponential.window(1e8, 1.5) - exponential.window(1e6, 1.5)
    assert abs(rise / (50 / k * np.log(100)) - 1) < 1e-12
    slow = decay.TwoExponentials(0.1, 10.0, 200.0)
    rise = slow.window(1e14, 1.5) - slow.window(1e12, 1.5)
    assert abs(rise / (200 / k * np.log(100)) - 1) < 1e-6


def test_two_modes_lie_between_their_bounds():
    w, ta, tb = 0.1, 10.0, 200.0
    level = np.geomspace(1e-6, 0.05, 30)
    found = decay.TwoExponentials(w, ta, tb).inverse(level)
    modes = [(1 - w, ta), (w, tb)]
    low = np.max([tau * np.log(weight / level) for weight, tau in modes], axis=0)
    high = np.max([tau * np.log(2 * weight / level) for weight, tau in modes], axis=0)
    assert ((low * (1 - 1e-9) <= found) & (found <= high)).all()


def test_limits_between_families():
    lags = np.array([0.0, 1.0, 7.0, 100.0])
    pairs = [
        (decay.TruncatedPower(0.8, 1e12), decay.PowerLaw(0.8)),
        (decay.GammaRates(1e7, 50e7), decay.Exponential(50.0)),
        (decay.GammaRates(0.8, 1.0), decay.PowerLaw(0.8)),
        (decay.LogUniform(50.0, 50.001), decay.Exponential(50.0)),
        (decay.Stretched(1.0, 50.0), decay.Exponential(50.0)),
        (decay.BetaGates(1.0, 1.0), decay.PowerLaw(1.0)),
    ]
    for one, other in pairs:
        np.testing.assert_allclose(one.value(lags), other.value(lags), rtol=3e-5)


@pytest.mark.parametrize(
    ("family", "draw"),
    [
        (decay.GammaRates(1.5, 10.0), lambda rng, n: 1 / rng.gamma(1.5, 0.1, n)),
        (decay.LogUniform(2.0, 500.0), lambda rng, n: 2 * 250 ** rng.random(n)),
        (decay.UniformTimeScales(300.0), lambda rng, n: rng.uniform(1, 300, n)),
        (
            decay.BetaGates(2.0, 0.7),
            lambda rng, n: -1 / np.log(rng.beta(2.0, 0.7, n)),
        ),
    ],
    ids=["gamma", "log-uniform", "uniform", "beta"],
)
def test_mixtures_are_averages_over_time_scales(family, draw):
    tau = draw(np.random.default_rng(2), 200_000)
    for lag in (1.0, 20.0, 200.0):
        modes = np.exp(-lag / tau)
        error = modes.std() / np.sqrt(modes.size)
        assert abs(modes.mean() - family.value(lag)) < 4 * error


def test_beta_gates_of_one_are_the_power_law():
    lags = np.array([0.0, 3.0, 99.0])
    gate = np.random.default_rng(5).random(400_000)
    for lag in (3.0, 20.0):
        modes = (1 - gate) ** lag
        error = modes.std() / np.sqrt(modes.size)
        assert abs(decay.BetaGates(1.0, 1.0).value(lag) - modes.mean()) < 4 * error
    np.testing.assert_allclose(decay.BetaGates(1.0, 1.0).value(lags), 1 / (1 + lags))


LAGS = np.unique(np.geomspace(1, 300, 30).round())


@pytest.mark.parametrize(
    "family",
    [
        decay.PowerLaw(0.8, 2.0),
        decay.Exponential(50.0, 2.0),
        decay.Logarithmic(1.5),
        decay.Stretched(0.5, 20.0),
        decay.TwoExponentials(0.1, 10.0, 200.0),
    ],
    ids=name,
)
def test_fit_finds_the_family(family):
    rng = np.random.default_rng(3)
    index = np.arange(LAGS.size)
    covariance = 0.03**2 * 0.7 ** np.abs(index[:, None] - index)
    noise = np.linalg.cholesky(covariance) @ rng.normal(size=LAGS.size)
    found = decay.fit(LAGS, family.value(LAGS) * np.exp(noise), covariance=covariance)
    weights = {name(one.envelope): one.weight for one in found.evidence}
    assert weights[name(family)] > 0.01
    assert abs(sum(weights.values()) - 1) < 1e-12
    truth = next(one for one in found.evidence if name(one.envelope) == name(family))
    assert truth.misfit is not None
    assert truth.misfit < 2.5
    assert found.effective_lags < LAGS.size


@pytest.mark.parametrize("family", FAMILIES, ids=name)
def test_every_family_fits_itself(family):
    found = decay.fit(LAGS, family.value(LAGS), families=[type(family)]).best
    np.testing.assert_allclose(found.value(LAGS), family.value(LAGS), rtol=1e-3)


def test_fit_without_noise_is_exact():
    found = decay.fit(LAGS, decay.PowerLaw(0.7, 3.0).value(LAGS)).best
    assert isinstance(found, decay.PowerLaw)
    np.testing.assert_allclose([found.beta, found.c], [0.7, 3.0], rtol=1e-6)


def test_a_mode_that_takes_all_the_weight_ends_no_fit():
    noise = 0.02 * np.random.default_rng(0).normal(size=LAGS.size)
    values = decay.Plateau(40.0, 5.0).value(LAGS) * np.exp(noise)
    weights = [
        one.envelope.w
        for one in decay.fit(LAGS, values).evidence
        if isinstance(one.envelope, decay.TwoExponentials)
    ]
    assert 0 < weights[0] < 1


@pytest.mark.parametrize(
    ("lags", "values", "sentence"),
    [
        ([1, 2, 3], [3, 2, 1], "at least 6"),
        ([1, 2, 3, 4, 5, 5], [6, 5, 4, 3, 2, 1], "must increase"),
        ([1, 2, 3, 4, 5, 6], [6, 5, 4, 0, 2, 1], "envelope at lag 4"),
    ],
)
def test_bad_fits(lags, values, sentence):
    with pytest.raises(ValueError, match=sentence):
        decay.fit(lags, values)


@pytest.mark.parametrize(
    "make",
    [
        lambda: decay.Exponential(tau=0.0),
        lambda: decay.PowerLaw(beta=-1.0),
        lambda: decay.LogUniform(t1=5.0, t2=5.0),
        lambda: decay.TwoExponentials(w=1.0, ta=1.0, tb=2.0),
        lambda: decay.Exponential(tau=5.0).window(0, 1.5),
        lambda: decay.Exponential(tau=5.0).window(10, 1.0),
        lambda: decay.Exponential(tau=5.0).inverse(0.0),
    ],
)
def test_bad_parameters(make):
    with pytest.raises(ValueError, match=r"must|between"):
        make()


def test_units_are_an_average():
    lags = np.arange(0.0, 400.0)
    one = decay.envelope_of_units([10.0, 200.0], lags)
    expected = decay.TwoExponentials(0.5, 10.0, 200.0).value(lags)
    np.testing.assert_allclose(one, expected)


def test_a_unit_needs_a_time_scale():
    with pytest.raises(ValueError, match="time_scales must be positive"):
        decay.envelope_of_units([10.0, 0.0], [1.0])

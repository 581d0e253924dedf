"""Spectra to envelopes and back, and envelopes from gate statistics."""

import numpy as np
import pytest

from learnability.detection import decay, gates, spectrum

LAGS = np.arange(0.0, 400.0)
TAU = np.geomspace(1, 1000, 60)


def test_forward_transform_of_known_densities():
    tau = np.geomspace(1e-2, 1e7, 4000)
    rates = 10.0 / tau
    gamma = rates**1.5 * np.exp(-rates) / 0.886226925452758
    expected = decay.GammaRates(1.5, 10.0).value(LAGS)
    np.testing.assert_allclose(
        spectrum.envelope_of(tau, gamma, LAGS), expected, atol=1e-5
    )
    inside = np.geomspace(2.0, 500.0, 2000)
    flat = np.full(2000, 1 / np.log(250.0))
    expected = decay.LogUniform(2.0, 500.0).value(LAGS)
    found = spectrum.envelope_of(inside, flat, LAGS)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_units_are_an_average():
    one = spectrum.envelope_of_units([10.0, 200.0], LAGS)
    expected = decay.TwoExponentials(0.5, 10.0, 200.0).value(LAGS)
    np.testing.assert_allclose(one, expected)


@pytest.mark.parametrize("noise", [1e-2, 1e-4])
@pytest.mark.parametrize(
    ("envelope", "centre", "spread"),
    [
        (decay.GammaRates(2.0, 50.0), np.log(50.0) - 0.42278, 0.80307),
        (decay.LogUniform(10.0, 200.0), np.log(44.72), np.log(20) / np.sqrt(12)),
    ],
    ids=["gamma", "log-uniform"],
)
def test_inverse_recovers_location_and_breadth(envelope, centre, spread, noise):
    rng = np.random.default_rng(1)
    values = envelope.value(LAGS) + noise * rng.normal(size=LAGS.size)
    found = spectrum.invert(LAGS, values, noise, tau=TAU)
    assert abs(found.mean_log_tau() - centre) < 0.1
    assert abs(found.spread_log_tau() - spread) < 0.15
    assert 0.8 < found.misfit < 1.3
    assert (found.density >= 0).all()
    np.testing.assert_allclose(
        spectrum.envelope_of(found.tau, found.density, LAGS), found.fitted, rtol=1e-9
    )


def test_inverse_separates_what_the_resolution_allows():
    rng = np.random.default_rng(2)
    two = decay.TwoExponentials(0.4, 5.0, 150.0)
    values = two.value(LAGS) + 1e-4 * rng.normal(size=LAGS.size)
    found = spectrum.invert(LAGS, values, 1e-4, tau=TAU)
    assert found.resolution < 150.0 / 5.0
    between = np.exp(0.5 * (np.log(5.0) + np.log(150.0)))
    valley = found.density[np.abs(np.log(TAU / between)) < 0.3].max()
    assert valley < 0.2 * found.density.max()


def test_resolution_improves_with_less_noise():
    found = [spectrum.resolution(noise) for noise in (0.1, 1e-2, 1e-4, 1e-8)]
    assert (np.diff(found) < 0).all()
    # At the limit the last frequency to pass has strength equal to the noise.
    frequency = np.pi / np.log(spectrum.resolution(1e-3))
    assert abs(np.sqrt(np.pi / np.cosh(np.pi * frequency)) / 1e-3 - 1) < 1e-9


@pytest.mark.parametrize(("mean", "sd"), [(-4.0, 1.0), (-2.0, 0.5), (-4.0, 2.0)])
def test_gate_envelopes_by_simulation(mean, sd):
    rng = np.random.default_rng(3)
    a = rng.normal(mean, sd, 400_000)
    rate = np.logaddexp(0, a)
    error = (1 / (1 + np.exp(-a))).std() / np.sqrt(a.size)
    assert abs(gates.mean_gate(mean, sd) - (1 / (1 + np.exp(-a))).mean()) < 4 * error
    for lag in (1.0, 30.0, 300.0):
        modes = np.exp(-lag * rate)
        error = modes.std() / np.sqrt(modes.size)
        assert abs(gates.quenched(lag, mean, sd) - modes.mean()) < 4 * error
    steps = rate[:399_960].reshape(-1, 60).sum(1)
    modes = np.exp(-steps)
    error = modes.std() / np.sqrt(modes.size)
    assert abs(gates.annealed(60, mean, sd) - modes.mean()) < 4 * error
    spread = steps.std() / np.sqrt(steps.size)
    assert abs(np.log(gates.typical(60, mean, sd)) + steps.mean()) < 4 * spread


def test_saddle_point_is_close_for_small_gates():
    lags = np.array([50.0, 1000.0, 5000.0])
    exact, saddle = (
        f(lags, -4.0, 1.0) for f in (gates.quenched, gates.quenched_saddle)
    )
    assert (np.abs(saddle / exact - 1) < 0.02).all()


def test_breadth_across_units_helps_and_jitter_in_time_does_not():
    lags = np.array([1.0, 10.0, 100.0, 1000.0])
    frozen, moving, usual = (
        f(lags, -4.0, 1.0) for f in (gates.quenched, gates.annealed, gates.typical)
    )
    assert (frozen >= moving * (1 - 1e-12)).all()
    assert (moving >= usual).all()


def test_mixed_gates_join_the_two():
    lags = np.array([1.0, 20.0, 200.0])
    np.testing.assert_allclose(
        gates.mixed(lags, -3.0, 1.0, 0.0), gates.quenched(lags, -3.0, 1.0)
    )
    np.testing.assert_allclose(
        gates.mixed(lags, -3.0, 0.0, 1.0), gates.annealed(lags, -3.0, 1.0)
    )


def test_correlated_gates_by_simulation():
    mean, sd, rho, lag = -2.0, 0.25, 0.9, 60
    rng = np.random.default_rng(4)
    units = 40_000
    a = rng.normal(size=units)
    total = np.zeros(units)
    for _ in range(lag):
        total += np.logaddexp(0, mean + sd * a)
        a = rho * a + np.sqrt(1 - rho**2) * rng.normal(size=units)
    found = gates.correlated(lag, mean, sd, rho)
    # Two cumulants, and the edges of the sum: some per cent of the exponent.
    assert abs(np.log(found / np.exp(-total).mean())) < 0.05 * total.mean()
    np.testing.assert_allclose(
        np.log(gates.correlated(lag, mean, 0.02, 0.0)),
        np.log(gates.annealed(lag, mean, 0.02)),
        rtol=1e-5,
    )


def test_beta_gates_of_one_are_the_power_law():
    lags = np.array([0.0, 3.0, 99.0])
    gate = np.random.default_rng(5).random(400_000)
    for lag in (3.0, 20.0):
        modes = (1 - gate) ** lag
        error = modes.std() / np.sqrt(modes.size)
        assert abs(decay.BetaGates(1.0, 1.0).value(lag) - modes.mean()) < 4 * error
    np.testing.assert_allclose(decay.BetaGates(1.0, 1.0).value(lags), 1 / (1 + lags))


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: spectrum.resolution(1.5), "relative noise"),
        (lambda: spectrum.envelope_of([1, 2], [1], 1.0), "density has shape"),
        (lambda: spectrum.envelope_of([2, 1], [1, 1], 1.0), "increasing list"),
        (lambda: spectrum.invert([1, 2], [1, 1], 0.1, tau=TAU), "too few"),
        (lambda: spectrum.invert(LAGS, LAGS * 0 + 1, 2.0, tau=TAU), "as large as"),
        (lambda: gates.quenched(1.0, 0.0, -1.0), "not negative"),
        (lambda: gates.correlated(1.0, -4.0, 1.0, 1.0), r"lie in \[0, 1\)"),
        (lambda: gates.correlated(1.0, -4.0, 1.5, 0.99), "predicts growth|predict"),
    ],
)
def test_bad_requests(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call()

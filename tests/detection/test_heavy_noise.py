"""Stable quantiles in place of z: only where the projections are stable."""

import numpy as np
import pytest

from learnability import stable
from learnability.detection import samples_needed
from learnability.detection.heavy_noise import noise_law, with_stable_noise
from learnability.detection.samples import needed_by_gradients

N = 1600


def statistics():
    s = np.random.default_rng(0).normal(1.0, 0.5, size=(2, N))
    return s**2, s * s.sum(axis=1, keepdims=True)


def test_only_the_stable_lag_gets_stable_quantiles():
    random = np.random.default_rng(1)
    heavy = stable.law.sample(1.5, (1, N), seed=2)
    projection = np.stack([random.normal(size=(1, N)), 2.0 * heavy])
    law = noise_law(projection, seed=3)
    assert law.stable.tolist() == [False, True]
    assert law.alpha_lower[1] < 1.5 < law.alpha_upper[1]
    assert law.sigma_lower[1] < 2.0 < law.sigma_upper[1]
    square, dot = statistics()
    plain = needed_by_gradients(square, dot, projection, effect_size=0.1)
    need = with_stable_noise(plain, law, square, dot)
    assert need.needed[0] == plain.needed[0]
    assert need.kappa[0] == 2
    kappa = law.alpha[1] / (law.alpha[1] - 1)
    assert need.kappa[1] == pytest.approx(kappa)
    m = 0.1 * need.signal[1] ** 0.5
    wanted = samples_needed(m, law.sigma[1], law.alpha[1], power=0.95)
    assert need.needed[1] == pytest.approx(float(wanted))
    truth = float(samples_needed(0.1, 2.0, 1.5, power=0.95))
    assert need.lower[1] < truth < need.upper[1]


def test_at_alpha_two_both_formulas_agree():
    """A Gaussian of variance 2 sigma^2 is the stable law of alpha 2."""
    square, dot = statistics()
    projection = np.random.default_rng(4).normal(size=(2, 1, N))
    plain = needed_by_gradients(square, dot, projection, effect_size=0.1)
    law = noise_law(projection, seed=5)
    two, sigma = np.full(2, 2.0), plain.noise / 2**0.5
    forced = type(law)(two, two, two, sigma, sigma, sigma)
    need = with_stable_noise(plain, forced, square, dot)
    np.testing.assert_allclose(need.needed, plain.needed, rtol=1e-6)


@pytest.mark.parametrize("draw", ["laplace", "normal"])
def test_finite_variance_keeps_z(draw):
    values = getattr(np.random.default_rng(6), draw)(size=(20, 1, 800))
    assert not noise_law(values, seed=7).stable.any()

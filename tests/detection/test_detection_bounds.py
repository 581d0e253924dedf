"""Lower bounds hold, other estimators, truncated tails: formulas against simulation."""

import numpy as np
import pytest
from scipy.stats import norm

from learnability.detection import (
    best_clip,
    bounds,
    crossover,
    location_variance,
    samples_needed,
    samples_needed_by,
    samples_needed_by_median_of_means,
    samples_needed_truncated,
    samples_needed_two_sided,
    truncated_variance,
)
from learnability.stable import information, kappa, law


def slope(function, *arguments):
    """Exponent of a function of the signal, weak signals."""
    near, far = (float(function(m, *arguments)) for m in (1e-3, 1e-4))
    return np.log10(far / near)


@pytest.mark.parametrize(
    ("shift", "printed"), [(0.01, 0.2210), (1.0, 0.2072), (10.0, 0.0378)]
)
def test_divergence_as_printed(shift, printed):
    assert abs(bounds.divergence(shift, 1.2) / shift**2 - printed) < 5e-5


@pytest.mark.parametrize("alpha", [1.2, 1.6, 1.9])
def test_divergence_by_simulation(alpha):
    values = law.sample(alpha, 200_000, seed=1)
    for shift in (0.5, 4.0):
        ratio = np.log(law.density(values, alpha) / law.density(values - shift, alpha))
        error = ratio.std() / np.sqrt(ratio.size)
        assert abs(bounds.divergence(shift, alpha) - ratio.mean()) < 4 * error


@pytest.mark.parametrize("alpha", [1.1, 1.5, 1.9, 2.0])
def test_divergence_laws(alpha):
    shift = np.array([1e-3, 0.1, 1.0, 10.0, 1e3])
    found = np.asarray(bounds.divergence(shift, alpha))
    limit = np.asarray(information(alpha).location) / 2 * shift**2
    assert (found <= limit * (1 + 1e-9)).all()
    assert abs(found[0] / limit[0] - 1) < 1e-5
    np.testing.assert_allclose(found, bounds.divergence(-shift, alpha))
    if alpha < 2:
        rise = bounds.divergence(1e8, alpha) - bounds.divergence(1e6, alpha)
        assert abs(rise / ((1 + alpha) * np.log(100)) - 1) < 1e-3
    # Pinsker: TV^2 <= D/2.
    assert (bounds.total_variation(shift, alpha) ** 2 <= found / 2 + 1e-12).all()


@pytest.mark.parametrize("alpha", [1.2, 1.5, 1.9, 2.0])
def test_no_estimator_beats_the_bounds(alpha):
    for signal in (1.0, 0.1, 0.01):
        floor = bounds.le_cam(signal, 1.0, alpha)
        assert bounds.le_cam_quadratic(signal, 1.0, alpha) <= floor * (1 + 1e-9)
        assert floor < samples_needed_by("likelihood", signal, 1.0, alpha)
        mean = samples_needed(signal, 1.0, alpha)
        assert floor <= bounds.le_cam_mean(signal, 1.0, alpha) * (1 + 1e-6)
        assert bounds.le_cam_mean(signal, 1.0, alpha) < mean


def test_exponents():
    assert abs(slope(bounds.le_cam, 1.0, 1.4) - 2) < 1e-4
    assert abs(slope(bounds.le_cam_mean, 1.0, 1.4) - kappa(1.4)) < 1e-9
    for estimator in ("median", "likelihood"):
        weak, strong = (samples_needed_by(estimator, m, 1.0, 1.4) for m in (1e-4, 1e-3))
        assert abs(np.log10(weak / strong) - 2) < 1e-9
    exponent = slope(
        lambda m: samples_needed_by_median_of_means(m, 1.0, 1.3, share=0.5)
    )
    assert abs(exponent - 1 / (0.5 / kappa(1.3) + 0.25)) < 1e-9


@pytest.mark.parametrize(
    ("alpha", "printed"), [(1.2, 0.34), (1.5, 0.28), (1.8, 0.24), (2.0, 0.25)]
)
def test_published_exponent_as_a_lower_bound(alpha, printed):
    assert abs(bounds.largest_slope(alpha) - printed) < 0.006
    for signal in (3.0, 0.1, 1e-3):
        loose = bounds.le_cam_published(signal, 1.0, alpha)
        assert loose <= bounds.le_cam(signal, 1.0, alpha) * (1 + 1e-6)
    assert abs(slope(bounds.le_cam_published, 1.0, alpha) - alpha) < 1e-9


def test_median_of_means_joins_mean_and_median():
    whole = samples_needed_by_median_of_means(0.1, 1.0, 1.5, share=1.0)
    np.testing.assert_allclose(whole, samples_needed_by("median", 0.1, 1.0, 1.5))


def test_fano_grows_with_the_logarithm_of_the_candidates():
    few, many = (bounds.fano(0.1, 1.0, 1.5, candidates=m) for m in (16, 256))
    per_log = 0.95 / (2 * bounds.divergence(0.1, 1.5))
    np.testing.assert_allclose(many - few, per_log * np.log(16), rtol=1e-9)
    assert bounds.fano(0.1, 1.0, 1.5, candidates=2) == 0


@pytest.mark.parametrize(
    ("name", "printed"), [("mean", 28400), ("median", 819), ("likelihood", 632)]
)
def test_samples_as_printed(name, printed):
    if name == "mean":
        found = samples_needed(0.1, 1.0, 1.5)
    else:
        found = samples_needed_by(name, 0.1, 1.0, 1.5)
    assert abs(found / printed - 1) < 2e-3


@pytest.mark.parametrize(
    ("alpha", "clip", "efficiency"), [(1.1, 0.54, 0.90), (1.5, 1.25, 0.96)]
)
def test_best_clip_as_printed(alpha, clip, efficiency):
    found = best_clip(alpha)
    assert abs(found - clip) < 0.01
    ratio = location_variance("likelihood", alpha) / location_variance(
        "clipped", alpha, clip=found
    )
    assert abs(ratio - efficiency) < 0.006


@pytest.mark.parametrize("alpha", [1.3, 1.7])
def test_median_and_clipped_mean_by_simulation(alpha):
    count, repetitions = 1001, 3000
    values = law.sample(alpha, (repetitions, count), seed=2)
    relative = 4 * np.sqrt(2 / repetitions)
    variance = count * np.median(values, axis=1).var()
    assert abs(variance / location_variance("median", alpha) - 1) < relative
    clip = 1.5
    # One Newton step from zero, the truth: clipped values over the share inside.
    inside = (np.abs(values) < clip).mean(1)
    clipped = np.clip(values, -clip, clip).mean(1) / inside
    expected = location_variance("clipped", alpha, clip=clip)
    assert abs(count * clipped.var() / expected - 1) < relative


def test_wide_clip_is_the_gaussian_mean():
    np.testing.assert_allclose(location_variance("clipped", 2.0, clip=40.0), 2.0)


def test_two_sided_test():
    found = samples_needed_two_sided(0.2, 1.0, 2.0, error=0.05, miss=0.2)
    t = 0.2 * np.sqrt(found / 2)
    power = norm.sf(norm.isf(0.025) - t) + norm.sf(norm.isf(0.025) + t)
    assert abs(power - 0.8) < 1e-9
    signal, alpha = 0.3, 1.6
    needed = int(samples_needed_two_sided(signal, 1.0, alpha, error=0.1, miss=0.3))
    means = law.sample(alpha, (20_000, needed), location=signal, seed=3).mean(1)
    limit = law.quantile(0.95, alpha) * needed ** (-1 / kappa(alpha))
    missed = (np.abs(means) < limit).mean()
    assert abs(missed - 0.3) < 4 * np.sqrt(0.21 / 20_000) + 0.01


@pytest.mark.parametrize(("limit", "printed"), [(20.0, 19), (100.0, 214)])
def test_crossover_as_printed(limit, printed):
    assert round(float(crossover(limit, 1.5))) == printed


@pytest.mark.parametrize("alpha", [1.2, 1.7])
def test_truncated_variance_grows_by_the_tail(alpha):
    x = np.geomspace(1000.0, 2000.0, 4001)
    exact = np.trapezoid(2 * x**2 * np.asarray(law.density(x, alpha)), x)
    grown = truncated_variance(2000.0, alpha) - truncated_variance(1000.0, alpha)
    assert abs(grown / exact - 1) < 2e-3
    assert truncated_variance(50.0, 2.0) == 2.0


def test_truncation_turns_kappa_into_two():
    def exponent(limit, signal):
        near, far = (
            samples_needed_truncated(m, 1.0, 1.5, limit)
            for m in (signal, signal / 1.01)
        )
        return np.log(far / near) / np.log(1.01)

    assert abs(exponent(1e6, 0.5) - 3) < 1e-6
    assert abs(exponent(20.0, 1e-3) - 2) < 1e-6
    values = law.sample(1.5, 2_000_000, seed=4)
    inside = values[np.abs(values) < 20.0]
    needed = samples_needed_truncated(0.05, 1.0, 1.5, 20.0)
    gaussian = (norm.isf(0.05) * inside.std() / 0.05) ** 2
    # The variance formula takes the tail for the whole law: 10 % at L = 20.
    assert abs(needed / gaussian - 1) < 0.15


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: samples_needed_by("mode", 1, 1, 1.5), "estimator is 'mode'"),
        (lambda: samples_needed(np.nan, 1, 1.5), "1 of 1 values of signal are NaN"),
        (lambda: samples_needed_by("median", [1, np.nan], 1, 1.5), "1 of 2 values of"),
        (lambda: samples_needed_by("clipped", 1, 1, 1.5), "needs its clip"),
        (lambda: samples_needed_by_median_of_means(1, 1, 1.5, share=2), "share is 2"),
        (lambda: best_clip(2.0), "every clip loses"),
        (lambda: bounds.le_cam(1, 1, 1.0), "alpha must lie"),
        (lambda: bounds.fano(1, 1, 1.5, candidates=1), "1 candidates"),
        (lambda: crossover(0.0, 1.5), "limit must be positive"),
    ],
)
def test_bad_requests(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call()

"""Intervals of alpha: coverage up to the boundary, and the test that they invert."""

import numpy as np
import pytest

from learnability.stable import fit, koutrouvelis1980, law
from learnability.stable.fit import beside_two, distance, lowest_alpha_seen_as_two


@pytest.mark.parametrize("alpha", [1.6, 1.97, 2.0])
def test_coverage(alpha):
    repetitions = 300
    values = law.sample(alpha, (repetitions, 300), seed=int(100 * alpha))
    found = fit(values, resamples=99, seed=3)
    error = np.sqrt(0.95 * 0.05 / repetitions)
    for name, truth in [("alpha", alpha), ("location", 0.0)]:
        lower, upper = getattr(found, f"{name}_lower"), getattr(found, f"{name}_upper")
        inside = ((lower <= truth) & (truth <= upper)).mean()
        assert abs(inside - 0.95) < 3 * error


def test_more_values_narrow_the_interval():
    edges = [lowest_alpha_seen_as_two(0.025, n) for n in (60, 600, 6000)]
    assert (np.diff(edges) > 0).all()


def test_a_higher_level_widens_the_interval():
    values = law.sample(np.array([[1.3], [1.9], [2.0]]), (3, 200), seed=7)
    near, far = (fit(values, level=level, seed=1) for level in (0.8, 0.95))
    assert (far.alpha_lower <= near.alpha_lower).all()
    assert (far.alpha_upper >= near.alpha_upper).all()


def test_shift_and_scale():
    values = law.sample(np.array([[1.5], [1.95], [2.0]]), (3, 400), seed=5)
    plain, moved = (fit(one, resamples=50, seed=1) for one in (values, 9 - 40 * values))
    np.testing.assert_allclose(moved.alpha_lower, plain.alpha_lower, atol=1e-3)
    np.testing.assert_allclose(moved.alpha_upper, plain.alpha_upper, atol=1e-3)


def test_the_interval_grows_out_of_two():
    scale, n = distance(), 500
    x = np.linspace(0, 4, 81)
    alpha = scale.to_alpha(x / np.sqrt(n))
    lower, upper = beside_two(alpha, np.stack([alpha - 0.1, alpha]), 0.95, n)
    assert upper[0] == 2.0
    # A larger distance never brings 2 back, and one of two errors excludes it.
    assert (np.diff(upper) <= 1e-12).all()
    assert (upper[x > 2] < 2).all()
    assert (lower <= lowest_alpha_seen_as_two(0.025, n) + 1e-12).all()


def test_a_sum_by_cells_is_the_sum(monkeypatch):
    values = law.sample(0.8, (2, 30_000), sigma=3.0, location=-500.0, seed=1)
    u = koutrouvelis1980.FREQUENCIES / np.array([[3.0], [2.5]])
    found = koutrouvelis1980.characteristic_function(values, u)
    monkeypatch.setattr(koutrouvelis1980, "MANY", 10**9)
    exact = koutrouvelis1980.characteristic_function(values, u)
    np.testing.assert_allclose(found, exact, atol=1e-11)

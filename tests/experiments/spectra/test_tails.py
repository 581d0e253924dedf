"""Tails of time scales against laws whose exponent is known."""

import math

import numpy as np
import pytest

from experiments.spectra import tails
from experiments.spectra.tails import Tail, exponent, log_excess, straightness, tail


def pareto(beta, networks, units, rng):
    return [5.0 * rng.random(units) ** (-1 / beta) for _ in range(networks)]


@pytest.mark.parametrize(("beta", "units"), [(0.7, 192), (1.5, 48)])
def test_the_exponent_of_a_power_law_is_found_within_its_error(beta, units):
    rng, times = np.random.default_rng(0), 400
    found = [exponent(log_excess(pareto(beta, 1, units, rng)[0])) for _ in range(times)]
    error = beta / math.sqrt(units // 4 - 2)
    assert abs(np.mean(found) - beta) < 4 * error / math.sqrt(times)
    # Squares of inverse gammas have fat tails: their mean is known to a tenth or so.
    assert np.std(found) == pytest.approx(error, rel=0.2)


def test_the_interval_holds_the_exponent_as_often_as_it_says(monkeypatch):
    monkeypatch.setattr(tails, "RESAMPLES", 200)
    rng, times = np.random.default_rng(1), 150
    found = [tail(pareto(0.7, 3, 64, rng), seed) for seed in range(times)]
    held = np.mean([one.lower <= 0.7 <= one.upper for one in found])
    assert abs(held - 0.9) < 4 * math.sqrt(0.9 * 0.1 / times)
    crooked = np.mean([one.straight < 0.1 for one in found])
    assert abs(crooked - 0.1) < 4 * math.sqrt(0.1 * 0.9 / times)


def test_the_tail_begins_at_the_next_longest_scale():
    scales = np.exp(np.arange(32.0))
    np.testing.assert_allclose(log_excess(scales[::-1]), np.arange(1.0, 9.0))
    assert exponent(log_excess(scales)) == pytest.approx(7 / 36)
    assert tail([scales]).start == pytest.approx(math.exp(23))


def test_what_ends_at_a_longest_scale_is_no_power_law():
    rng = np.random.default_rng(2)
    logs = log_excess(1.0 + rng.random(4000))
    assert straightness(logs, rng) < 0.01


def test_one_scale_is_collapsed_and_a_power_law_broad():
    rng = np.random.default_rng(3)
    same = tail([np.full(40, 200.0)])
    assert same == Tail(math.inf, math.inf, math.inf, 200.0, 0.0)
    assert same.phase == "collapsed"
    assert tail([200 * np.exp(0.1 * rng.normal(size=192))]).phase == "collapsed"
    assert tail(pareto(0.5, 3, 128, rng)).phase == "broad (power law)"
    assert tail(pareto(1.0, 3, 16, rng)).phase == "not resolved"


@pytest.mark.parametrize(
    ("lower", "upper", "straight", "phase"),
    [
        (3.01, 9.0, 0.9, "collapsed"),
        (2.99, 9.0, 0.9, "not resolved"),
        (0.2, 0.99, 0.1, "broad (power law)"),
        (0.2, 0.99, 0.09, "not resolved"),
        (0.2, 1.01, 0.9, "not resolved"),
    ],
)
def test_phases_begin_at_their_thresholds(lower, upper, straight, phase):
    assert Tail(lower, lower, upper, 1.0, straight).phase == phase


def test_too_few_scales_have_no_tail():
    with pytest.raises(ValueError, match="31 time scales leave 7 in the tail; give at"):
        tail([np.arange(1.0, 32.0)])
